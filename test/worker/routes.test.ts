// The ways to spell a path, a type and an absent field that mean the same, and what is answered where there is nothing.
import type { Model } from 'verbatim-llama'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadRepeatable, user } from '../support/model.js'
import { post, type RunningWorker, send, startWorker } from '../support/worker.js'

const messages = user('Hello')
const modelId = 'org/my model:Q8 (50%)'

let model: Model
let worker: RunningWorker
beforeAll(async () => {
  model = await loadRepeatable()
  worker = await startWorker({ model, modelId })
})
afterAll(async () => {
  await worker.close()
  await model.dispose()
})

const get = (path: string, method = 'GET') => send(worker.url + path, { method })

describe('a slash at the end of a path', () => {
  test.each([
    '/health',
    '/ready',
    '/metrics',
    '/openapi.json',
    '/worker/info',
    '/v1/models',
    `/v1/models/${encodeURIComponent(modelId)}`,
  ])('%s/ is the path without it, for every method and with a query', async (path) => {
    const plain = await get(path)
    expect(plain.status).toBe(200)
    for (const same of [`${path}/`, `${path}/?a=b/`, `${path}?a=b/`]) {
      const answer = await get(same)
      expect([same, answer.status, answer.headers['content-type']]).toEqual([
        same,
        200,
        plain.headers['content-type'],
      ])
    }
    const head = await get(`${path}/`, 'HEAD')
    expect([head.status, head.text]).toEqual([200, ''])
    for (const method of ['OPTIONS', 'POST', 'DELETE']) {
      const { status, headers } = await get(`${path}/`, method)
      expect([method, status, headers.allow]).toEqual([method, 405, 'GET'])
    }
  })

  test.each([
    ['/chat', { messages, max_tokens: 1 }],
    ['/enhance', { messages, max_tokens: 1 }],
    ['/generate', { messages, max_tokens: 1 }],
    ['/render', { messages }],
    ['/tokenize', { text: 'Hello' }],
    ['/v1/chat/completions', { model: modelId, messages, max_tokens: 1 }],
  ])('%s/ takes what the path without it takes', async (path, body) => {
    for (const same of [path, `${path}/`, `${path}/?a=b`])
      expect([same, (await post(worker.url + same, body)).status]).toEqual([same, 200])
    for (const method of ['GET', 'HEAD', 'OPTIONS']) {
      const { status, headers } = await get(`${path}/`, method)
      expect([method, status, headers.allow]).toEqual([method, 405, 'POST'])
    }
  })

  test.each(['/chat//', '//chat', '/worker//info', '/v1//models'])('%s is another path', async (path) => {
    expect((await get(path)).status).toBe(404)
  })

  test('is counted with the path', async () => {
    expect((await get('/metrics')).text).not.toMatch(/endpoint="[^"]+\/"/)
  })
})

describe('below /v1 errors have OpenAI’s shape', () => {
  const shape = (code: string, param: string | null = null) => ({
    error: { message: expect.any(String), type: 'invalid_request_error', param, code },
  })

  test.each(['/v1', '/v1/', '/v1/embeddings', '/v1/chat', '/v1/chat/completions/x', '/v1/?a=b'])(
    'where there is nothing: %s',
    async (path) => {
      for (const answer of [await get(path), await post(worker.url + path, {})])
        expect([answer.status, answer.body]).toEqual([404, shape('not_found')])
    },
  )

  test.each([
    ['/v1/models', 'POST', 'GET'],
    ['/v1/models/x', 'DELETE', 'GET'],
    ['/v1/chat/completions', 'GET', 'POST'],
  ])('at %s for %s', async (path, method, allow) => {
    const { status, headers, body } = await get(path, method)
    expect([status, headers.allow, body]).toEqual([405, allow, shape('method_not_allowed')])
  })

  test('for a body that is no JSON by its type', async () => {
    const answer = await post(`${worker.url}/v1/chat/completions`, {}, { 'content-type': 'text/plain' })
    expect([answer.status, answer.body]).toEqual([415, shape('unsupported_media_type')])
  })

  test('and elsewhere the worker’s own', async () => {
    const { body } = await get('/v2/models')
    expect(body).toEqual({
      error: { code: 'NOT_FOUND', message: expect.any(String), request_id: expect.any(String) },
    })
  })

  test('also where a key is missing, which comes first', async () => {
    const locked = await startWorker({ model, apiKeys: ['key'] })
    for (const path of ['/v1/embeddings', '/v1/models', '/v1/models/x']) {
      const { status, body } = await send(locked.url + path)
      expect([path, status, body]).toEqual([path, 401, shape('invalid_api_key')])
    }
    expect((await send(`${locked.url}/nowhere`)).status).toBe(401)
    await locked.close()
  })
})

describe('GET /v1/models/{id}', () => {
  test('gives the model, whose name may have slashes, spaces and signs', async () => {
    const [listed] = (await get('/v1/models')).body.data
    expect(listed.id).toBe(modelId)
    for (const id of [
      encodeURIComponent(modelId),
      'org/my%20model:Q8%20(50%25)',
      'org%2fmy%20model%3AQ8%20(50%25)',
    ])
      expect([id, (await get(`/v1/models/${id}`)).body]).toEqual([id, listed])
  })

  test.each([
    'other',
    'org',
    'my%20model',
    'org/my model:Q8 (50%25)/x',
    'org%252Fmy%20model:Q8%20(50%25)',
    '%zz',
  ])('is 404 for %s', async (id) => {
    const { status, body } = await get(`/v1/models/${id.replaceAll(' ', '%20')}`)
    expect([status, body.error.code, body.error.param]).toEqual([404, 'model_not_found', 'model'])
  })

  test('is what the openai client asks', async () => {
    const { default: OpenAI, NotFoundError } = await import('openai')
    const openai = new OpenAI({ baseURL: `${worker.url}/v1`, apiKey: 'none', maxRetries: 0 })
    expect(await openai.models.retrieve(modelId)).toMatchObject({ id: modelId, object: 'model' })
    await expect(openai.models.retrieve('gpt-4')).rejects.toThrow(NotFoundError)
  })

  test('is 503 while the model is loaded', async () => {
    const loading = await startWorker({ model: new Promise<Model>(() => {}), modelId })
    const { status, body } = await send(`${loading.url}/v1/models/x`)
    expect([status, body.error.code]).toEqual([503, 'not_ready'])
    await loading.close()
  })
})

describe('a body', () => {
  const chat = (type: string) =>
    post(`${worker.url}/chat`, { messages, max_tokens: 1 }, { 'content-type': type })

  test.each([
    'application/json; charset=utf-8; foo=bar',
    'Application/JSON;charset="UTF-8"',
    'application/json ; q=0.5 ; charset = utf-8',
    'application/json; profile="a; charset=latin1, \\"b"',
    'application/json;',
    'application/vnd.api+json; version=1',
  ])('of type %s is JSON', async (type) => {
    expect((await chat(type)).status).toBe(200)
  })

  test.each(['application/json; charset=latin1', 'application/json; foo=bar; charset="UTF-16"'])(
    'of type %s is refused with the reason',
    async (type) => {
      const { status, body } = await chat(type)
      expect([status, body.error.code]).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE'])
      expect(body.error.message).toMatch(/^The charset (latin1|UTF-16) is not taken: JSON is UTF-8\./)
    },
  )

  test.each([
    '',
    'application/x-json',
    'text/plain; application/json',
    'multipart/form-data; charset=utf-8',
    'application/json, text/plain',
  ])('of type "%s" is no JSON', async (type) => {
    const { status, body } = await chat(type)
    expect([status, body.error.message]).toEqual([415, 'Send the body as content-type: application/json.'])
  })
})

test.each(['/chat', '/enhance', '/generate', '/v1/chat/completions'])(
  'null for an optional field of %s is as good as absent',
  async (path) => {
    const schema = (await get('/openapi.json')).body.paths[path].post.requestBody.content['application/json']
      .schema
    const { required, properties } = schema
    const given = { model: modelId, messages, max_tokens: 3, seed: 1, temperature: 0.9 }
    const wanted = Object.fromEntries(Object.entries(given).filter(([name]) => name in properties)) as Record<
      string,
      unknown
    >
    const nulls = Object.keys(properties).filter((name) => !required.includes(name) && !(name in wanted))
    expect(nulls).toContain('stop')
    const without = await post(worker.url + path, wanted)
    const withNulls = await post(worker.url + path, {
      ...Object.fromEntries(nulls.map((name) => [name, null])),
      ...wanted,
    })
    expect([without.status, withNulls.status]).toEqual([200, 200])
    const text = ({ body }: typeof without) => body.text ?? body.choices[0].message.content
    expect(text(withNulls)).toBe(text(without))
    // Each alone, the ones above too.
    const all = {
      ...wanted,
      max_tokens: null,
      seed: null,
      temperature: null,
      stop: ['e', ' ', 'a', 'o', '\n'],
    }
    expect((await post(worker.url + path, all)).status).toBe(200)
  },
)

test('null for a field of /render and for include_usage is as good as absent', async () => {
  const plain = await post(`${worker.url}/render`, { messages, now: 0 })
  const nulls = { messages, now: 0, max_tokens: null, tools: null, add_generation_prompt: null }
  expect((await post(`${worker.url}/render`, nulls)).body).toEqual(plain.body)
  expect((await post(`${worker.url}/tokenize`, { text: 'a', control_tokens: null })).status).toBe(200)
  expect((await post(`${worker.url}/tokenize`, { text: null })).status).toBe(400)
  const stream = {
    model: modelId,
    messages,
    max_tokens: 1,
    stream: true,
    stream_options: { include_usage: null },
  }
  expect((await post(`${worker.url}/v1/chat/completions`, stream)).status).toBe(200)
})
