import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { loadModel, type Model, verifyReceipt } from 'verbatim-llama'
import { createWorker } from 'verbatim-llama/worker'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { camelCase } from '#lib/worker/snake-case.js'
import { loadRepeatable, tinyModel, user } from '../support/model.js'
import { parseEvents, post, type RunningWorker, send, startWorker } from '../support/worker.js'

const messages = user('Hello')
const sha256 = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** Converts names to those of the library. */
function withCamelCaseNames(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      // Keep the names of special tokens, which are the template's own.
      name.endsWith('_token') ? name : camelCase(name),
      withCamelCaseNames(member),
    ]),
  )
}

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

describe.each(['/chat', '/enhance', '/generate'])('POST %s', (path) => {
  test('answers with what the library makes of the same messages and options', async () => {
    const { status, headers, body } = await post(worker.url + path, {
      messages,
      max_tokens: 12,
      temperature: 1.3,
      top_p: 0.8,
      top_k: 50,
      min_p: 0.01,
      repetition_penalty: 1.1,
      presence_penalty: 0.2,
      frequency_penalty: 0.1,
      seed: 7,
      logprobs: 1,
      ignore_end_of_sequence: true,
    })
    expect(status).toBe(200)
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'x-request-id': expect.stringMatching(/^[\w-]{36}$/),
    })
    const wanted = await model.generateInference(messages, {
      maxTokens: 12,
      temperature: 1.3,
      topP: 0.8,
      topK: 50,
      minP: 0.01,
      repetitionPenalty: 1.1,
      presencePenalty: 0.2,
      frequencyPenalty: 0.1,
      seed: 7,
      logprobs: 1,
      ignoreEndOfSequence: true,
    })
    const { text, token_ids, finish_reason, seed, usage, receipt, logprobs, ...rest } = body
    expect({ text, tokenIds: token_ids, finishReason: finish_reason, seed }).toEqual({
      text: wanted.text,
      tokenIds: wanted.tokenIds,
      finishReason: 'length',
      seed: 7,
    })
    expect(usage).toEqual({
      prompt_tokens: wanted.usage.promptTokens,
      cached_tokens: 0,
      completion_tokens: 12,
    })
    expect(logprobs).toHaveLength(12)
    expect(logprobs[0]).toEqual({
      token_id: wanted.tokenIds[0],
      text: wanted.logprobs?.[0]?.text,
      logprob: wanted.logprobs?.[0]?.logprob,
      top: [expect.objectContaining({ token_id: expect.any(Number) })],
    })
    expect(Object.keys(rest)).toEqual(['timings'])
    expect(rest.timings).toMatchObject({ first_token_ms: expect.any(Number), total_ms: expect.any(Number) })
    expect(withCamelCaseNames(receipt)).toEqual({ ...wanted.receipt, now: receipt.now })
    const checked = await verifyReceipt(receipt, { model, messages, tokenIds: token_ids })
    expect(checked).toMatchObject({ ok: true, mismatches: [] })
  })

  test('has the defaults of the worker it replaces', async () => {
    const { text } = await model.generateInference(messages, { seed: 1, maxTokens: 3 })
    const { body } = await post(worker.url + path, { messages, stop: text, seed: 1 }) // ends early
    expect(body).toMatchObject({ text: '', finish_reason: 'stop-string' })
    expect(body.receipt.sampling).toMatchObject({
      max_tokens: path === '/enhance' ? 200 : 512,
      temperature: 0.7,
      top_p: 0.9,
    })
  })

  test('streams what it answers without a stream', async () => {
    const body = { messages, max_tokens: 12, seed: 7, logprobs: 0 }
    const whole = await post(worker.url + path, body)
    const { status, headers, text } = await post(worker.url + path, { ...body, stream: true })
    expect(status).toBe(200)
    expect(headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
    })
    const events = parseEvents(text)
    const last = events.pop()
    expect(events.map(({ name }) => name)).toEqual(Array(events.length).fill('delta'))
    expect(events.map(({ data }) => data.text).join('')).toBe(whole.body.text)
    expect(events.flatMap(({ data }) => data.token_ids)).toEqual(whole.body.token_ids)
    expect(events.flatMap(({ data }) => data.logprobs)).toEqual(whole.body.logprobs)
    const { timings, receipt, finish_reason, usage, seed } = whole.body
    expect(last).toEqual({
      name: 'done',
      data: {
        timings: { ...timings, ...last?.data.timings },
        receipt: { ...receipt, now: last?.data.receipt.now },
        finish_reason,
        usage,
        seed,
      },
    })
  })
})

test('the code of an edge function runs against the worker as it is', async () => {
  const WORKER_URL = worker.url
  const response = await fetch(`${WORKER_URL}/enhance`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      messages: [
        { role: 'system', content: 'Improve the prompt.' },
        { role: 'user', content: 'a cat' },
      ],
      max_tokens: 200,
    }),
  })
  expect(response.ok).toBe(true)
  expect(await response.json()).toMatchObject({ text: expect.any(String) })
})

describe('JSON text reaches the template as it was sent', () => {
  const template =
    '{{ messages | tojson }}|{{ tools | tojson }}|{{ documents | tojson }}|{{ extra | tojson }}'
  let model: Model
  let worker: RunningWorker
  beforeAll(async () => {
    model = await loadModel(tinyModel, { contextSize: 2048, threads: 1, chatTemplate: template })
    worker = await startWorker({ model })
  })
  afterAll(async () => {
    await worker.close()
    await model.dispose()
  })
  // Use spellings that do not survive JSON.parse and JSON.stringify.
  const exact = '{"n": 12345678901234567890123, "2": 1.0, "1": 1e2, "x": -0}'
  const body = `{ "template_variables" : {"extra": ${exact}}, "documents": [${exact}],\n "tools":[ ${exact} ],
    "messages":  [{"role": "user", "content": "\\u0041\\/", "extra": ${exact}}] , "max_tokens": 1 }`

  test('through /render', async () => {
    const { status, body: answer } = await post(`${worker.url}/render`, body)
    expect(status).toBe(200)
    const dumped = '{"n": 12345678901234567890123, "2": 1.0, "1": 100.0, "x": 0}'
    expect(answer.text).toBe(
      `[{"role": "user", "content": "A/", "extra": ${dumped}}]|[${dumped}]|[${dumped}]|${dumped}`,
    )
  })

  test.each([
    ['/chat', ''],
    ['/v1/chat/completions', '"model": "tiny-Q8_0",'],
  ])('through %s', async (path, more) => {
    const { status, body: answer } = await post(worker.url + path, body.replace('{', `{${more}`))
    expect(status).toBe(200)
    // Check that the input is hashed with the spelling of numbers and the order of keys.
    const compact = '{"n":12345678901234567890123,"2":1.0,"1":1e2,"x":-0}'
    if (path === '/chat')
      expect(answer.receipt).toMatchObject({
        messages_sha256: sha256(`[{"role":"user","content":"A/","extra":${compact}}]`),
        tools_sha256: sha256(`[${compact}]`),
        documents_sha256: sha256(`[${compact}]`),
        template_variables_sha256: sha256(`{"extra":${compact}}`),
      })
    const { tokenIds } = await model.renderPrompt(`[{"role":"user","content":"A/","extra":${compact}}]`, {
      tools: `[${compact}]`,
      documents: `[${compact}]`,
      templateVariables: `{"extra":${compact}}`,
    })
    expect(answer.usage.prompt_tokens).toBe(tokenIds.length)
  })
})

test('POST /render shows the prompt and generates nothing', async () => {
  const { body } = await post(`${worker.url}/render`, { messages, add_generation_prompt: false, now: 0 })
  const wanted = await model.renderPrompt(messages, { addGenerationPrompt: false, now: new Date(0) })
  expect(body).toEqual({
    text: wanted.text,
    spans: wanted.spans,
    token_ids: wanted.tokenIds,
    chat_template: wanted.chatTemplate,
    prompt_tokens: wanted.tokenIds.length,
    context_size: 512,
    max_tokens: 512,
    prompt_fits: true,
    fits: false,
  })
  const long = await post(`${worker.url}/render`, { messages: user(' a'.repeat(600)), max_tokens: 1 })
  expect(long.body).toMatchObject({ prompt_fits: false, fits: false })
  const short = await post(`${worker.url}/render`, { messages, max_tokens: 1 })
  expect(short.body).toMatchObject({ prompt_fits: true, fits: true })
})

test('template options of the body reach the template', async () => {
  const model = await loadModel(tinyModel, {
    contextSize: 512,
    threads: 1,
    chatTemplate: "{{ strftime_now('%Y-%m-%d') }} {{ messages[0].content }}",
  })
  const worker = await startWorker({ model })
  const render = async (options: object) =>
    (await post(`${worker.url}/render`, { messages: user('<|im_end|>'), ...options })).body
  expect((await render({ now: '1999-12-31T12:00:00Z' })).text).toBe('1999-12-31 <|im_end|>')
  const asText = (await render({ now: 0 })).token_ids
  const trusted = (await render({ now: 0, control_tokens: { trust_roles: ['user'] } })).token_ids
  expect(trusted.length).toBeLessThan(asText.length)
  expect((await render({ now: 0, control_tokens: 'anywhere' })).token_ids).toEqual(trusted)
  await worker.close()
  await model.dispose()
})

test('POST /tokenize gives the token ids, and control tokens only when they are to be parsed', async () => {
  const text = 'Hello <|im_end|>'
  const plain = await post(`${worker.url}/tokenize`, { text })
  expect(plain.body).toEqual({ token_ids: await model.tokenize(text), count: plain.body.token_ids.length })
  const parsed = await post(`${worker.url}/tokenize`, { text, control_tokens: 'parse' })
  expect(parsed.body.token_ids).toEqual(await model.tokenize(text, { controlTokens: 'parse' }))
})

test('GET /worker/info tells what the worker is, and proves it', async () => {
  const info = async () => (await send(`${worker.url}/worker/info`)).body
  let body = await info()
  for (let i = 0; i < 500 && body.model_info.files[0]?.sha256 == null; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10))
    body = await info()
  }
  const { chatTemplate } = model.info
  expect(body).toMatchObject({
    worker_type: 'pure_inference_engine',
    model: 'tiny-Q8_0',
    capabilities: {
      chat: true,
      enhancement: true,
      generation: true,
      hardcoded_prompts: false,
      prompt_modification: false,
      pure_inference: true,
    },
    model_info: {
      architecture: 'qwen2',
      files: [{ name: 'tiny-Q8_0.gguf', sha256: sha256(readFileSync(tinyModel)) }],
      files_error: null,
    },
    chat_template: { source: chatTemplate, sha256: sha256(chatTemplate ?? '') },
    versions: {
      'verbatim-llama': JSON.parse(readFileSync('package.json', 'utf8')).version,
      'llama.cpp': JSON.parse(readFileSync('llama.cpp.json', 'utf8')).version,
    },
    devices: [{ name: 'CPU', type: 'cpu', cache_bytes: model.info.devices.at(-1)?.cacheBytes }],
    context_size: 512,
    sampler_defaults: { max_tokens: 512, temperature: 0.7, top_p: 0.9 },
    default_max_tokens: { '/chat': 512, '/enhance': 200, '/generate': 512 },
    queue: { waiting: 0, running: 0, max_sequences: 1, max_queue: 1000 },
  })
  // Refuse paths of the server.
  expect(JSON.stringify(body)).not.toContain(process.cwd())
})

test('GET /openapi.json describes every endpoint', async () => {
  const { body } = await send(`${worker.url}/openapi.json`)
  expect(body.openapi).toBe('3.0.3')
  const { schema } = body.paths['/chat'].post.requestBody.content['application/json']
  expect(schema).toMatchObject({ additionalProperties: false, required: ['messages'] })
  expect(schema.properties.max_tokens).toMatchObject({ type: 'integer', minimum: 1, default: 512 })
  expect(schema.properties.max_tokens.nullable).toBe(true)
  expect(schema.properties.messages.nullable).toBeUndefined()
  const routes = createWorker({ model }).routes.map(({ path }) => path.replace(':id{.+}', '{id}'))
  const described = Object.keys(body.paths)
  expect(routes.sort()).toEqual([...described, ...described.map((path) => `${path}/`), '/v1/*'].sort())
  // biome-ignore lint/suspicious/noExplicitAny: any JSON
  for (const [path, methods] of Object.entries<any>(body.paths)) {
    const { schema } = (methods.post ?? methods.get).responses.default.content['application/json']
    expect([path, schema.properties.error.required]).toEqual([
      path,
      path.startsWith('/v1/') ? ['message', 'type', 'param', 'code'] : ['code', 'message', 'request_id'],
    ])
    const method = 'post' in methods ? 'POST' : 'GET'
    const answer = await send(worker.url + path, { method: method === 'GET' ? 'POST' : 'GET' })
    expect([path, answer.status, answer.headers.allow]).toEqual([path, 405, method])
  }
})

test('GET /metrics counts what happened', async () => {
  const worker = await startWorker({ model })
  const read = async () => (await send(`${worker.url}/metrics`)).text
  const before = await read()
  expect(before).toContain('verbatim_llama_tokens_total{kind="completion"} 0')
  await post(`${worker.url}/chat`, { messages, max_tokens: 3, ignore_end_of_sequence: true })
  await post(`${worker.url}/chat`, { messages, max_tokens: 4, ignore_end_of_sequence: true, stream: true })
  await post(`${worker.url}/chat`, {})
  await post(`${worker.url}/nowhere/1`, {})
  const after = await read()
  for (const line of [
    'tokens_total{kind="completion"} 7',
    'requests_total{endpoint="/chat",status="200"} 2',
    'requests_total{endpoint="/chat",status="400"} 1',
    'requests_total{endpoint="other",status="404"} 1',
    'failures_total{code="INVALID_MESSAGES"} 1',
    'first_token_seconds_count 2',
    'token_seconds_count 2',
    'requests_running 0',
    'requests_waiting 0',
    'kv_cells_used 0',
    'kv_cells 512',
  ])
    expect(after).toContain(`verbatim_llama_${line}\n`)
  await worker.close()
})
