import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { generateText, streamText } from 'ai'
import OpenAI, { APIError, AuthenticationError, BadRequestError, NotFoundError } from 'openai'
import { loadModel, type Model } from 'verbatim-llama'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadRepeatable, rejection, tinyModel, until } from '../support/model.js'
import { parseEvents, post, type RunningWorker, send, startWorker } from '../support/worker.js'

const messages: { role: 'system' | 'user'; content: string }[] = [
  { role: 'system', content: 'Answer briefly.' },
  { role: 'user', content: 'Hello' },
]
const id = 'tiny-Q8_0'

let model: Model
let worker: RunningWorker
let openai: OpenAI
beforeAll(async () => {
  model = await loadRepeatable()
  worker = await startWorker({ model, apiKeys: ['key'] })
  openai = new OpenAI({ baseURL: `${worker.url}/v1`, apiKey: 'key', maxRetries: 0 })
})
afterAll(async () => {
  await worker.close()
  await model.dispose()
})

describe('the openai client', () => {
  test('lists the model', async () => {
    const models = await openai.models.list()
    expect(models.data).toEqual([
      { id, object: 'model', created: expect.any(Number), owned_by: 'verbatim-llama' },
    ])
  })

  test('gets the answer that generateInference gives', async () => {
    const { _request_id, ...completion } = await openai.chat.completions.create({
      model: id,
      messages,
      max_completion_tokens: 9,
      temperature: 1,
      top_p: 0.7,
      presence_penalty: 0.5,
      frequency_penalty: 0.5,
      seed: 3,
      n: 1,
    })
    const wanted = await model.generateInference(messages, {
      maxTokens: 9,
      temperature: 1,
      topP: 0.7,
      presencePenalty: 0.5,
      frequencyPenalty: 0.5,
      seed: 3,
    })
    expect(completion).toEqual({
      id: `chatcmpl-${_request_id}`,
      object: 'chat.completion',
      created: expect.any(Number),
      model: id,
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: wanted.text, refusal: null },
          logprobs: null,
          finish_reason: wanted.finishReason,
        },
      ],
      usage: {
        prompt_tokens: wanted.usage.promptTokens,
        completion_tokens: wanted.usage.completionTokens,
        total_tokens: wanted.usage.promptTokens + wanted.usage.completionTokens,
        prompt_tokens_details: { cached_tokens: 0 },
      },
    })
  })

  test('streams, with the usage where it asks for it', async () => {
    const wanted = await model.generateInference(messages, { maxTokens: 9, seed: 3 })
    for (const include_usage of [true, false]) {
      const stream = await openai.chat.completions.create({
        model: id,
        messages,
        max_tokens: 9,
        seed: 3,
        stream: true,
        stream_options: { include_usage },
      })
      let text = ''
      const reasons = []
      const usages = []
      for await (const { choices, usage } of stream) {
        text += choices[0]?.delta.content ?? ''
        if (choices[0]?.finish_reason) reasons.push(choices[0].finish_reason)
        usages.push(usage)
      }
      expect(text).toBe(wanted.text)
      expect(reasons).toEqual([wanted.finishReason])
      if (include_usage) {
        expect(usages.pop()).toMatchObject({ completion_tokens: wanted.usage.completionTokens })
        expect(new Set(usages)).toEqual(new Set([null]))
      } else expect(new Set(usages)).toEqual(new Set([undefined]))
    }
  })

  test('has its helper put a stream together', async () => {
    const stream = openai.chat.completions.stream({ model: id, messages, max_tokens: 9, seed: 3 })
    const { choices } = await stream.finalChatCompletion()
    expect(choices[0]?.message.content).toBe(
      (await model.generateInference(messages, { maxTokens: 9, seed: 3 })).text,
    )
  })

  test('gets log probabilities, whole and streamed', async () => {
    const request = { model: id, messages, max_tokens: 5, seed: 3, logprobs: true, top_logprobs: 2 }
    const { choices } = await openai.chat.completions.create(request)
    const content = choices[0]?.logprobs?.content ?? []
    const wanted = await model.generateInference(messages, { maxTokens: 5, seed: 3, logprobs: 2 })
    expect(content.map(({ token, logprob }) => ({ text: token, logprob }))).toEqual(
      wanted.logprobs?.map(({ text, logprob }) => ({ text, logprob })),
    )
    for (const { token, bytes, top_logprobs } of content) {
      expect(top_logprobs).toHaveLength(2)
      if (bytes) expect(Buffer.from(bytes).toString()).toBe(token)
      else expect(token).toContain('\uFFFD')
    }
    const streamed = []
    for await (const { choices } of await openai.chat.completions.create({ ...request, stream: true }))
      streamed.push(...(choices[0]?.logprobs?.content ?? []))
    expect(streamed).toEqual(content)
  })

  test('stops at a text', async () => {
    const { text } = await model.generateInference(messages, { maxTokens: 9, seed: 3 })
    const stop = text.slice(3, 6)
    for (const wanted of [stop, [stop, 'never']]) {
      const { choices } = await openai.chat.completions.create({ model: id, messages, seed: 3, stop: wanted })
      expect(choices[0]).toMatchObject({
        finish_reason: 'stop',
        message: { content: text.slice(0, text.indexOf(stop)) },
      })
    }
  })

  test('passes tools to the template', async () => {
    const tools: OpenAI.ChatCompletionTool[] = [
      { type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: {} } } },
    ]
    const wanted = await model.renderPrompt(messages, { tools })
    expect(wanted.text).toContain('weather')
    for (const tool_choice of ['auto', 'none', undefined] as const) {
      const { usage, choices } = await openai.chat.completions.create({
        model: id,
        messages,
        tools,
        ...(tool_choice && { tool_choice }),
        max_tokens: 1,
      })
      expect(usage?.prompt_tokens).toBe(wanted.tokenIds.length)
      expect(choices[0]?.message.tool_calls).toBeUndefined()
    }
  })

  test('leaves a stream, which cancels the run', async () => {
    const stream = await openai.chat.completions.create({
      model: id,
      messages,
      max_tokens: 400,
      stream: true,
    })
    for await (const _ of stream) break
    await until('it is cancelled', () => model.status.running === 0)
  })

  test('gets errors it knows', async () => {
    const create = (more: object) =>
      rejection(openai.chat.completions.create({ model: id, messages, max_tokens: 1, ...more }))
    expect(await create({ model: 'gpt-4o' })).toBeInstanceOf(NotFoundError)
    expect(await create({ model: 'gpt-4o' })).toMatchObject({ code: 'model_not_found', param: 'model' })
    const long = await create({ messages: [{ role: 'user', content: ' a'.repeat(600) }] })
    expect(long).toBeInstanceOf(BadRequestError)
    expect(long).toMatchObject({ code: 'context_length_exceeded', type: 'invalid_request_error' })
    const stranger = new OpenAI({ baseURL: `${worker.url}/v1`, apiKey: 'other', maxRetries: 0 })
    expect(await rejection(stranger.models.list())).toBeInstanceOf(AuthenticationError)
  })

  test('sees an error in the middle of a stream', async () => {
    const model = await loadModel(tinyModel, { contextSize: 1024, threads: 1 })
    const worker = await startWorker({ model })
    const openai = new OpenAI({ baseURL: `${worker.url}/v1`, apiKey: 'none' })
    const stream = await openai.chat.completions.create({
      model: id,
      messages,
      max_tokens: 900,
      temperature: 2,
      stream: true,
      ...{ ignore_end_of_sequence: true },
    })
    const error = await rejection(
      (async () => {
        for await (const _ of stream) model.dispose()
      })(),
    )
    expect(error).toBeInstanceOf(APIError)
    expect(error).toMatchObject({ code: 'disposed', type: 'server_error' })
    await worker.close()
    await model.dispose()
  })
})

describe('what cannot be honoured is refused', () => {
  const complete = (more: object) =>
    post(
      `${worker.url}/v1/chat/completions`,
      { model: id, messages, max_tokens: 1, ...more },
      { authorization: 'Bearer key' },
    )

  test.each([
    ['n', { n: 2 }],
    ['tool_choice', { tools: [], tool_choice: 'required' }],
    ['tool_choice', { tool_choice: { type: 'function', function: { name: 'f' } } }],
    ['response_format.type', { response_format: { type: 'json_object' } }],
    ['response_format.type', { response_format: { type: 'json_schema', json_schema: {} } }],
    ['logit_bias', { logit_bias: { 5: 1 } }],
    ['parallel_tool_calls', { parallel_tool_calls: false }],
    ['functions', { functions: [] }],
    ['audio', { audio: {} }],
    ['reasoning_effort', { reasoning_effort: 'low' }],
    ['store', { store: true }],
    ['user', { user: 'me' }],
    ['top_logprobs', { top_logprobs: 2 }],
    ['top_logprobs', { logprobs: true, top_logprobs: 21 }],
    ['stream_options', { stream_options: { include_usage: true } }],
    ['stream_options.include_obfuscation', { stream: true, stream_options: { include_obfuscation: true } }],
    ['max_completion_tokens', { max_completion_tokens: 2 }],
    ['model', { model: undefined }],
    ['messages', { messages: [] }],
    ['messages[0].role', { messages: [{ content: 'x' }] }],
    ['temperature', { temperature: -1 }],
  ])('%s is refused, and named as the parameter', async (param, more) => {
    const { status, body } = await complete(more)
    expect(body).toEqual({
      error: { message: expect.any(String), type: 'invalid_request_error', param, code: expect.any(String) },
    })
    expect(status).toBe(400)
  })

  test('what means nothing else than what happens is taken', async () => {
    const { status } = await complete({
      n: 1,
      stop: null,
      seed: null,
      tools: null,
      stream: false,
      stream_options: null,
      logprobs: false,
      response_format: { type: 'text' },
      service_tier: 'auto',
      store: false,
      parallel_tool_calls: true,
      max_completion_tokens: 1,
      top_k: 5,
      template_variables: { enable_thinking: false },
      ignored_inputs: 'allow',
    })
    expect(status).toBe(200)
  })

  test('errors have OpenAI’s shape also before the body is read', async () => {
    const without = await post(`${worker.url}/v1/chat/completions`, {})
    expect([without.status, without.body.error.code]).toEqual([401, 'invalid_api_key'])
    const wrong = await complete({ messages: undefined })
    expect(wrong.body.error).toMatchObject({ code: 'invalid_messages', param: 'messages' })
    const get = await send(`${worker.url}/v1/chat/completions`, { headers: { authorization: 'Bearer key' } })
    expect([get.status, get.body.error.type]).toEqual([405, 'invalid_request_error'])
  })
})

test('a stream can be read without a client library', async () => {
  const { text } = await post(
    `${worker.url}/v1/chat/completions`,
    { model: id, messages, max_tokens: 5, seed: 3, stream: true },
    { authorization: 'Bearer key' },
  )
  const events = parseEvents(text)
  expect(events.at(-1)).toEqual({ name: '', data: '[DONE]' })
  expect(events[0]?.data.choices[0].delta).toEqual({ role: 'assistant', content: '' })
})

describe('the AI SDK', () => {
  const provider = () =>
    createOpenAICompatible({ name: 'worker', baseURL: `${worker.url}/v1`, apiKey: 'key', includeUsage: true })
  const settings = { system: 'Answer briefly.', prompt: 'Hello', maxOutputTokens: 9, seed: 3, maxRetries: 0 }

  test('generates a text', async () => {
    const wanted = await model.generateInference(messages, { maxTokens: 9, seed: 3 })
    const { text, usage, finishReason } = await generateText({ model: provider()(id), ...settings })
    expect(text).toBe(wanted.text)
    expect(finishReason).toBe('length')
    expect(usage).toMatchObject({ inputTokens: wanted.usage.promptTokens, outputTokens: 9 })
  })

  test('streams a text', async () => {
    const wanted = await model.generateInference(messages, { maxTokens: 9, seed: 3 })
    const result = streamText({ model: provider()(id), ...settings })
    let text = ''
    for await (const part of result.textStream) text += part
    expect(text).toBe(wanted.text)
    expect(await result.finishReason).toBe('length')
    expect(await result.usage).toMatchObject({ outputTokens: 9 })
  })
})
