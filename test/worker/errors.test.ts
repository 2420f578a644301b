import { loadModel, type Model } from 'verbatim-llama'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadRepeatable, plainModel, tinyModel, until, user } from '../support/model.js'
import { post, type RunningWorker, send, startWorker } from '../support/worker.js'

const messages = user('Hello')

let model: Model
let worker: RunningWorker
beforeAll(async () => {
  model = await loadRepeatable()
  worker = await startWorker({ model })
})
afterAll(async () => {
  await worker.close()
  await model.dispose()
})

describe('errors', () => {
  const good = { messages }
  const chat = (body: unknown) => post(`${worker.url}/chat`, body)

  test.each([
    ['INVALID_MESSAGES', 'messages', {}],
    ['INVALID_MESSAGES', 'messages', { messages: [] }],
    ['INVALID_MESSAGES', 'messages', { messages: 'Hello' }],
    ['INVALID_MESSAGES', 'messages[0]', { messages: ['Hello'] }],
    ['INVALID_MESSAGES', 'messages[0].role', { messages: [{ content: 'Hello' }] }],
    ['INVALID_MESSAGES', 'messages[0].content', '{"messages":[{"role":"user","content":"\\ud800"}]}'],
    ['INVALID_OPTION', 'tools[0].name', '{"messages":[{"role":"user"}],"tools":[{"name":"\\ud800"}]}'],
    [
      'INVALID_OPTION',
      'template_variables.topP',
      '{"messages":[{"role":"user"}],"template_variables":{"topP":"\\ud800"}}',
    ],
    [
      'INVALID_OPTION',
      'control_tokens.trust_roles[0]',
      { ...good, control_tokens: { trust_roles: ['\ud800'] } },
    ],
    [
      'INVALID_OPTION',
      'template_variables.trustRoles',
      '{"messages":[{"role":"user"}],"template_variables":{"trustRoles":"\\ud800"}}',
    ],
    ['INVALID_OPTION', 'max_tokens', { ...good, max_tokens: 0 }],
    ['INVALID_MESSAGES', 'messages', { messages: null }],
    ['INVALID_OPTION', 'max_token', { ...good, max_token: null }],
    ['INVALID_OPTION', 'control_tokens.trust_roles', { ...good, control_tokens: { trust_roles: null } }],
    ['INVALID_OPTION', 'max_tokens', { ...good, max_tokens: '5' }],
    ['INVALID_OPTION', 'top_p', { ...good, top_p: 1e-60 }],
    ['INVALID_OPTION', 'temperature', '{"messages":[{"role":"user"}],"temperature":1e999}'],
    ['INVALID_OPTION', 'seed', '{"messages":[{"role":"user"}],"seed":9007199254740993}'],
    ['INVALID_OPTION', 'stop', { ...good, stop: Array(17).fill('a') }],
    ['INVALID_OPTION', 'stop', { ...good, stop: '' }],
    ['INVALID_OPTION', 'stop', '{"messages":[{"role":"user"}],"stop":"\\ud800"}'],
    ['INVALID_OPTION', 'stream', { ...good, stream: 'yes' }],
    ['INVALID_OPTION', 'tools[0]', { ...good, tools: [1] }],
    ['INVALID_OPTION', 'now', { ...good, now: 'tomorrow' }],
    ['INVALID_OPTION', 'now', { ...good, now: 9e15 }],
    ['INVALID_OPTION', 'speculative', { ...good, speculative: true }],
    ['INVALID_OPTION', 'control_tokens.roles', { ...good, control_tokens: { roles: [] } }],
    ['INVALID_OPTION', 'template_variables.messages', { ...good, template_variables: { messages: 1 } }],
    ['INVALID_OPTION', 'maxTokens', { ...good, maxTokens: 5 }],
    ['INVALID_OPTION', 'signal', { ...good, signal: {} }],
    ['INVALID_OPTION', '__proto__', '{"messages":[{"role":"user"}],"__proto__":{"stream":true}}'],
    ['INVALID_OPTION', 'constructor', { ...good, constructor: 1 }],
  ])('answers 400 %s at %s', async (code, path, body) => {
    const { status, headers, body: answer } = await chat(body)
    expect(answer).toEqual({
      error: { code, path, message: expect.any(String), request_id: headers['x-request-id'] },
    })
    expect(status).toBe(400)
  })

  test('names an unknown field, and the one that was meant', async () => {
    const { body } = await chat({ ...good, maxTokens: 5 })
    expect(body.error.message).toBe('maxTokens is not a field that is known here. Did you mean max_tokens?')
  })

  test('shortens a long name in its text', async () => {
    const name = 'a'.repeat(3000)
    const { body } = await chat({ ...good, [name]: 1 })
    expect(body.error.path).toBe(name)
    expect(body.error.message.length).toBeLessThan(700)
  })

  test('speaks of the fields of the body, not of the library’s options', async () => {
    const { body } = await chat({ ...good, template_variables: { add_generation_prompt: true } })
    expect(body.error.message).toBe(
      'template_variables.add_generation_prompt is not a template variable to set: use the option add_generation_prompt.',
    )
  })

  test('speaks to clients in any language', async () => {
    const lone = '"a\\ud800"'
    const texts = await Promise.all(
      [
        `{"messages":[{"role":"user"}],"stop":${lone}}`,
        { ...good, template_variables: { messages: [] } },
      ].map(async (body) => (await chat(body)).body.error.message),
    )
    const advice = 'contains a lone surrogate, which is not valid Unicode: replace or remove it.'
    expect(texts).toEqual([
      `stop ${advice}`,
      'template_variables.messages is not a template variable to set: the messages are given on their own.',
    ])
  })

  test('names what a template ignores as the body does, and the template’s own variables as it does', async () => {
    await using model = await loadModel(tinyModel, {
      contextSize: 512,
      threads: 1,
      chatTemplate: '{{ messages[0].content }}{{ controlTokens }}{{ maxTokens }}',
    })
    const worker = await startWorker({ model })
    const ignored = async (more: object) => {
      const { status, body } = await post(`${worker.url}/chat`, { ...good, ...more })
      expect([status, body.error.code]).toEqual([400, 'TEMPLATE_IGNORES_INPUT'])
      return body.error
    }
    for (const name of ['topK', 'ignoredInputs', 'trustRoles']) {
      const { message, path } = await ignored({ template_variables: { [name]: 'x' } })
      expect(path).toBe(`template_variables.${name}`)
      expect(message).toContain(`of template_variables.${name} is`)
      expect(message).toMatch(/\bcontrolTokens, maxTokens\b/)
      expect(message).toMatch(/ignored_inputs: 'allow'\.?$/)
    }
    expect((await ignored({ tools: [{ name: 'f' }] })).message).toMatch(/ignored_inputs: 'allow'\.?$/)
    await worker.close()
  })

  test.each([true, false])('answers 413 for what does not fit the context (stream: %s)', async (stream) => {
    const { status, body } = await chat({ messages: user(' a'.repeat(600)), stream })
    expect(status).toBe(413)
    const { prompt_tokens, context_size, overflow_by } = body.error
    expect(body.error).toMatchObject({ code: 'CONTEXT_OVERFLOW', context_size: 512 })
    expect(overflow_by).toBe(prompt_tokens - context_size)
    expect(body.error.message).toMatch(/more than context_size 512;.* a larger context_size/)
  })

  test('answers 400 for what the template refuses', async () => {
    const model = await loadModel(tinyModel, {
      contextSize: 512,
      threads: 1,
      chatTemplate: "{{ raise_exception('not these') }}",
    })
    const worker = await startWorker({ model })
    const { status, body } = await post(`${worker.url}/chat`, good)
    expect(status).toBe(400)
    expect(body.error).toMatchObject({
      code: 'TEMPLATE_RENDER',
      message: 'the chat template refused these messages: not these (line 1, column 4)',
      line: 1,
      column: 4,
    })
    await worker.close()
    await model.dispose()
  })

  test('answers 500 without a path of the server for what is not the client’s fault', async () => {
    const model = await loadModel(plainModel, { contextSize: 512, threads: 1 })
    const lines: [object, string][] = []
    const log = (facts: object, message: string) => void lines.push([facts, message])
    const worker = await startWorker({ model, logger: { info: log, warn: log, error: log } })
    const { status, body } = await post(`${worker.url}/chat`, good, { 'x-request-id': 'mine' })
    expect(status).toBe(500)
    expect(body.error).toEqual({
      code: 'NO_CHAT_TEMPLATE',
      message: 'The request failed inside the server. Its log says more under the id of this request.',
      request_id: 'mine',
    })
    expect(lines[0]).toEqual([
      expect.objectContaining({ request_id: 'mine', err: expect.any(Error) }),
      'request failed',
    ])
    await worker.close()
    await model.dispose()
  })

  test('answers 404 and 405 for unknown paths and methods', async () => {
    expect((await send(`${worker.url}/`)).body.error.code).toBe('NOT_FOUND')
    const wrong = await send(`${worker.url}/chat`, { method: 'DELETE' })
    expect([wrong.status, wrong.headers.allow, wrong.body.error.code]).toEqual([
      405,
      'POST',
      'METHOD_NOT_ALLOWED',
    ])
  })
})

test('answers 503 while the model is loaded, after it failed to load, and when it shuts down', async () => {
  const ready = async ({ url }: RunningWorker) => {
    const [health, ready, chat] = await Promise.all([
      send(`${url}/health`),
      send(`${url}/ready`),
      post(`${url}/chat`, { messages, max_tokens: 1 }),
    ])
    return [health.status, ready.status, chat.status, chat.body.error?.code, chat.headers['retry-after']]
  }
  let resolve: (model: Model) => void = () => {}
  const loading = new Promise<Model>((done) => {
    resolve = done
  })
  const shutdown = new AbortController()
  const worker = await startWorker({ model: loading, shutdown: shutdown.signal })
  expect(await ready(worker)).toEqual([200, 503, 503, 'NOT_READY', '1'])
  resolve(model)
  await loading
  expect(await ready(worker)).toEqual([200, 200, 200, undefined, undefined])
  shutdown.abort()
  expect(await ready(worker)).toEqual([200, 503, 503, 'SHUTTING_DOWN', '1'])
  await worker.close()

  for (const model of [loadModel('no such file'), Promise.resolve(5 as unknown as Model)]) {
    const failed = await startWorker({ model })
    expect(await ready(failed)).toEqual([200, 503, 503, 'NOT_READY', '1'])
    const { body } = await send(`${failed.url}/ready`)
    expect(body.error.message).toBe('The model could not be loaded.')
    await failed.close()
  }
})

test('answers 503 for a model that is disposed', async () => {
  const model = await loadRepeatable()
  const worker = await startWorker({ model })
  const running = post(`${worker.url}/chat`, { messages, max_tokens: 400, ignore_end_of_sequence: true })
  await until('it runs', () => model.status.running === 1)
  await model.dispose()
  const { status, body } = await running
  expect([status, body.error.code]).toEqual([503, 'DISPOSED'])
  await worker.close()
})
