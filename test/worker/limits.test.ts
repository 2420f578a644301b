import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { Hono } from 'hono'
import { InvalidOptionError, loadModel, type Model } from 'verbatim-llama'
import { createWorker, type WorkerOptions } from 'verbatim-llama/worker'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tinyModel, until, user } from '../support/model.js'
import { post, type RunningWorker, readEvents, send, startWorker, useWorker } from '../support/worker.js'

const messages = user('Hello')

let model: Model
beforeAll(async () => {
  model = await loadModel(tinyModel, { contextSize: 1024, cacheSize: 8192, threads: 1 })
})
afterAll(() => model.dispose())

const withWorker = (options: Omit<WorkerOptions, 'model'>, use: (worker: RunningWorker) => Promise<void>) =>
  useWorker({ model, ...options }, use)

describe('bodies', () => {
  const limits = { maxBodyBytes: 1000, maxMessages: 3 }

  test('over the limit are refused, whether or not their length is said', () =>
    withWorker(limits, async ({ url }) => {
      const fits = JSON.stringify({ messages, max_tokens: 1 }).padEnd(1000)
      expect((await post(`${url}/chat`, fits)).status).toBe(200)
      const said = await post(`${url}/chat`, `${fits} `)
      expect([said.status, said.body.error.code]).toEqual([413, 'BODY_TOO_LARGE'])

      const chunked = httpRequest(`${url}/chat`, {
        method: 'POST',
        agent: false,
        headers: { 'content-type': 'application/json' },
      })
      chunked.on('error', () => {}) // the server may cut it
      chunked.write(fits)
      chunked.write(' '.repeat(100_000))
      const [response] = await once(chunked, 'response')
      expect(response.statusCode).toBe(413)
      chunked.destroy()
    }))

  test('over a limit of one are told of it in the singular', () =>
    withWorker({ maxBodyBytes: 1 }, async ({ url }) => {
      const { body } = await post(`${url}/chat`, '{}')
      expect(body.error.message).toBe('The body is larger than 1 byte, the most that is taken.')
    }).then(() =>
      withWorker({ maxMessages: 1 }, async ({ url }) => {
        const { body } = await post(`${url}/chat`, { messages: [messages[0], messages[0]] })
        expect(body.error.message).toBe('messages has more than 1 message, the most that is taken.')
      }),
    ))

  test('in chunks are read', () =>
    withWorker(limits, async ({ url }) => {
      const chunked = httpRequest(`${url}/chat`, {
        method: 'POST',
        agent: false,
        headers: { 'content-type': 'application/json' },
      })
      const body = Buffer.from(JSON.stringify({ messages: user('é'), max_tokens: 1 }))
      const cut = body.indexOf(0xa9) // in the middle of a character
      chunked.write(body.subarray(0, cut))
      chunked.end(body.subarray(cut))
      const [response] = await once(chunked, 'response')
      expect(response.statusCode).toBe(200)
      response.resume()
    }))

  test('with too many messages are refused', () =>
    withWorker(limits, async ({ url }) => {
      const many = (count: number) => ({ messages: Array(count).fill(messages[0]), max_tokens: 1 })
      expect((await post(`${url}/chat`, many(3))).status).toBe(200)
      const { status, body } = await post(`${url}/chat`, many(4))
      expect([status, body.error.code, body.error.path]).toEqual([413, 'TOO_MANY_MESSAGES', 'messages'])
    }))

  test.each([
    ['text/plain', 415],
    ['application/x-www-form-urlencoded', 415],
    ['application/json; charset=latin1', 415],
    ['application/jsonp', 415],
    ['application/json; charset=UTF-8', 200],
    ['application/vnd.api+json', 200],
  ])('of type %s are answered with status %s', (type, status) =>
    withWorker({}, async ({ url }) => {
      const answer = await post(`${url}/chat`, { messages, max_tokens: 1 }, { 'content-type': type })
      expect(answer.status).toBe(status)
    }),
  )

  test('that are compressed are refused', () =>
    withWorker({}, async ({ url }) => {
      expect((await post(`${url}/chat`, { messages }, { 'content-encoding': 'gzip' })).status).toBe(415)
    }))

  test('that are no UTF-8, or say a thing twice, are refused', () =>
    withWorker({}, async ({ url }) => {
      for (const body of [
        Buffer.from('{"messages":[{"role":"user","content":"\xff"}]}', 'latin1'),
        '{"messages":[{"role":"user","content":"a","content":"b"}]}',
        '{"messages":[],"messages":[{"role":"user","content":"b"}]}',
      ]) {
        const answer = await post(`${url}/chat`, body)
        expect([answer.status, answer.body.error.code]).toEqual([400, 'INVALID_JSON'])
      }
    }))
})

describe('API keys', () => {
  const apiKeys = ['first-key', 'second-key']

  test('open everything but the probes', () =>
    withWorker({ apiKeys }, async ({ url }) => {
      const status = async (path: string, authorization?: string) =>
        (await send(url + path, { headers: authorization === undefined ? {} : { authorization } })).status
      for (const path of ['/health', '/ready']) expect(await status(path)).toBe(200)
      for (const path of ['/worker/info', '/metrics', '/openapi.json', '/v1/models']) {
        for (const wrong of [
          undefined,
          '',
          'Bearer',
          'Bearer ',
          'Bearer first',
          'Basic first-key',
          'Bearer first-key x',
        ])
          expect([path, wrong, await status(path, wrong)]).toEqual([path, wrong, 401])
        for (const right of ['Bearer first-key', 'bearer second-key'])
          expect([path, right, await status(path, right)]).toEqual([path, right, 200])
      }
      const chat = await post(`${url}/chat`, { messages })
      expect([chat.status, chat.headers['www-authenticate'], chat.body.error.code]).toEqual([
        401,
        'Bearer',
        'UNAUTHORIZED',
      ])
    }))

  test('that cannot be sent are refused without being shown', () => {
    expect(() => createWorker({ model, apiKeys: ['secret key'] })).toThrow(
      expect.toSatisfy((error) => error instanceof InvalidOptionError && !error.message.includes('secret')),
    )
  })
})

test.each([
  ['model', {}],
  ['apiKey', { apiKey: 'x' }],
  ['maxMessages', { maxMessages: 0 }],
  ['logger', { logger: { info: 1 } }],
  ['registry', { registry: {} }],
  ['shutdown', { shutdown: true }],
])('createWorker names the option %s that is wrong', (path, wrong) => {
  const options = path === 'model' ? wrong : { model, ...wrong }
  expect(() => createWorker(options as WorkerOptions)).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTION', path }),
  )
})

test('there is no CORS', () =>
  withWorker({}, async ({ url }) => {
    const headers = { origin: 'https://example.com', 'access-control-request-method': 'POST' }
    const preflight = await send(`${url}/chat`, { method: 'OPTIONS', headers })
    expect(preflight.status).toBe(405)
    const answer = await post(`${url}/chat`, { messages, max_tokens: 1 }, { origin: 'https://example.com' })
    for (const { headers } of [preflight, answer])
      expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([])
  }))

test('the log has a line for each request, and nothing of what was said', async () => {
  const lines: string[] = []
  const log = (facts: object, message: string) => void lines.push(JSON.stringify({ ...facts, message }))
  await withWorker({ logger: { info: log, warn: log, error: log } }, async ({ url }) => {
    const secret = 'unspeakable'
    await post(
      `${url}/chat?${secret}`,
      { messages: user(secret), max_tokens: 2, stop: secret },
      { 'x-request-id': 'one' },
    )
    await post(`${url}/chat`, { messages: user(secret), max_tokens: 2, stream: true }, { cookie: secret })
    await post(`${url}/chat`, { messages: [{ role: 'user', [secret]: 1 }], [secret]: 1 })
    await post(`${url}/chat`, `{${secret}`)
    await post(`${url}/v1/chat/completions`, { messages: user(secret), model: secret })
    await post(`${url}/${secret}`, {})
    await post(`${url}/chat`, {}, { 'x-request-id': `"${secret}` })
    expect(lines).toHaveLength(7)
    expect(lines.join('\n')).not.toContain(secret)
    expect(JSON.parse(lines[0] as string)).toMatchObject({
      request_id: 'one',
      method: 'POST',
      endpoint: '/chat',
      status: 200,
      completion_tokens: 2,
      message: 'request',
    })
    expect(lines.map((line) => JSON.parse(line).code)).toEqual([
      undefined,
      undefined,
      'INVALID_OPTION',
      'INVALID_JSON',
      'MODEL_UNKNOWN',
      'NOT_FOUND',
      'INVALID_MESSAGES',
    ])
  })
})

test('the full queue is 503, and says when to come again', async () => {
  const model = await loadModel(tinyModel, { contextSize: 512, threads: 1, maxSequences: 1, maxQueue: 1 })
  const worker = await startWorker({ model })
  const leaving = new AbortController()
  const body = JSON.stringify({ messages, max_tokens: 400, ignore_end_of_sequence: true })
  const fill = () =>
    fetch(`${worker.url}/chat`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      signal: leaving.signal,
    }).catch(() => {})
  const first = fill()
  await until('it runs', () => model.status.running === 1)
  const second = fill()
  await until('it waits', () => model.status.waiting === 1)
  for (const stream of [true, false]) {
    const { status, headers, body } = await post(`${worker.url}/chat`, { messages, stream })
    expect([status, headers['retry-after'], body.error.code]).toEqual([503, '1', 'QUEUE_FULL'])
  }
  leaving.abort()
  await Promise.all([first, second])
  await worker.close()
  await model.dispose()
})

test('a worker works in another Hono app, under a path', async () => {
  const app = new Hono()
  app.route('/routed', createWorker({ model, apiKeys: ['key'] }))
  app.mount('/mounted', createWorker({ model, apiKeys: ['key'] }).fetch)
  for (const path of ['/routed', '/mounted']) {
    const get = (name: string, headers = {}) => app.request(path + name, { headers })
    expect((await get('/health')).status).toBe(200)
    expect((await get('/worker/info')).status).toBe(401)
    expect((await get('/worker/info', { authorization: 'Bearer key' })).status).toBe(200)
    const chat = await app.request(`${path}/chat`, {
      method: 'POST',
      headers: { authorization: 'Bearer key', 'content-type': 'application/json' },
      body: JSON.stringify({ messages, max_tokens: 2, stream: true }),
    })
    const names = []
    for await (const { name } of readEvents(chat)) names.push(name)
    expect(names.at(-1)).toBe('done')
  }
})
