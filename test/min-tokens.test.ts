// minTokens on a model that ends its messages: what comes before the end stays, the end comes later.
import { fileURLToPath } from 'node:url'
import {
  CancelledError,
  type GenerateOptions,
  InvalidOptionError,
  loadModel,
  type Model,
  type Receipt,
  verifyReceipt,
} from 'verbatim-llama'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rejection, until } from './support/model.js'
import { post, type RunningWorker, startWorker } from './support/worker.js'

const messages = [
  { role: 'system', content: 'Write the message in capital letters.' },
  { role: 'user', content: 'the quiet river' },
]
const greedy = { temperature: 0, topP: 1 }

let model: Model
let worker: RunningWorker
/** The tokens of the message when it ends as the model likes, the last of them the one that ends it. */
let natural: readonly number[]
beforeAll(async () => {
  const path = fileURLToPath(new URL('../models/verbatim-tiny.gguf', import.meta.url))
  model = await loadModel(path, { maxSequences: 8, threads: 1 })
  worker = await startWorker({ model })
  const { tokenIds, finishReason } = await run({})
  expect(finishReason).toBe('stop')
  natural = tokenIds
})
afterAll(async () => {
  await worker.close()
  await model.dispose()
})

const run = (options: GenerateOptions) =>
  model.generateInference(messages, { ...greedy, maxTokens: 100, ...options })

describe('minTokens', () => {
  test('changes nothing where the message is long enough', async () => {
    for (const minTokens of [0, 1, natural.length - 1])
      expect((await run({ minTokens })).tokenIds).toEqual(natural)
  })

  test('keeps the message from ending before that many tokens', async () => {
    const end = natural.at(-1) as number
    for (const minTokens of [natural.length, natural.length + 1, 40]) {
      const { tokenIds } = await run({ minTokens })
      expect(tokenIds.length).toBeGreaterThanOrEqual(minTokens)
      expect(tokenIds.slice(0, natural.length - 1)).toEqual(natural.slice(0, -1))
      expect(tokenIds.slice(0, minTokens)).not.toContain(end)
    }
  })

  test('generates exactly as many where maxTokens is the same', async () => {
    const { usage, finishReason } = await run({ minTokens: 30, maxTokens: 30 })
    expect(usage.completionTokens).toBe(30)
    expect(finishReason).toBe('length')
  })

  test('does not keep a stop text from ending the run', async () => {
    const { finishReason, usage, text } = await run({ minTokens: 40, stop: 'QUIET' })
    expect(finishReason).toBe('stop-string')
    expect(usage.completionTokens).toBeLessThan(40)
    expect(text).toBe('THE ')
  })

  test('leaves the log probabilities the model’s own', async () => {
    const { logprobs } = await run({ minTokens: natural.length, logprobs: 1 })
    const [plain, held] = [await run({ logprobs: 1 }), logprobs]
    const last = natural.length - 1
    expect(held?.[last]?.top[0]).toEqual(plain.logprobs?.[last]?.top[0])
    expect(held?.[last]?.tokenId).not.toBe(held?.[last]?.top[0]?.tokenId)
  })

  test('gives the same tokens with speculation and when reproducible', async () => {
    const { tokenIds } = await run({ minTokens: 60, reproducible: true })
    expect((await run({ minTokens: 60, speculative: 'prompt-lookup' })).tokenIds).toEqual(tokenIds)
    const together = await Promise.all([
      run({ minTokens: 60, reproducible: true }),
      run({ minTokens: 30 }),
      run({ minTokens: 60, reproducible: true, temperature: 1, seed: 1 }),
      run({ minTokens: 60, reproducible: true, temperature: 1, seed: 1 }),
    ])
    expect(together[0]?.tokenIds).toEqual(tokenIds)
    expect(together[2]?.tokenIds).toEqual(together[3]?.tokenIds)
  })

  test('holds for the one request that asks for it, and no other', async () => {
    const runs = await Promise.all([run({}), run({ minTokens: 50 }), run({}), run({ minTokens: 20 })])
    expect(runs.map(({ usage }) => usage.completionTokens >= 50)).toEqual([false, true, false, false])
    for (const i of [0, 2]) expect(runs[i]?.tokenIds).toEqual(natural)
  })

  test('holds with tools in the prompt', async () => {
    const tools = [{ type: 'function', function: { name: 'f', parameters: {} } }]
    expect((await run({ minTokens: 30, tools })).usage.completionTokens).toBeGreaterThanOrEqual(30)
  })

  test('is cancelled like any other run', async () => {
    const held = model.generateInference(messages, { ...greedy, minTokens: 3000, maxTokens: 3000 })
    await until('it runs', () => model.status.running > 0)
    held.cancel()
    const error = (await rejection(held.result)) as CancelledError
    expect(error).toBeInstanceOf(CancelledError)
    expect(error.partial?.tokenIds.length).toBeLessThan(3000)
  })

  test('is in the receipt, and receipts from before it verify', async () => {
    const { receipt, tokenIds } = await run({ minTokens: 3 })
    expect(receipt.sampling.minTokens).toBe(3)
    const { minTokens: _, ...sampling } = receipt.sampling
    const old = { ...receipt, sampling } as unknown as Receipt
    for (const each of [receipt, old])
      expect(await verifyReceipt(each, { model, messages, tokenIds })).toMatchObject({
        ok: true,
        mismatches: [],
      })
  })

  test.each<[GenerateOptions, string]>([
    [{ minTokens: 101 }, 'minTokens is 101, more than the 100 tokens of maxTokens.'],
    [{ minTokens: 513, maxTokens: undefined }, 'minTokens is 513, more than the 512 tokens of maxTokens.'],
    [{ minTokens: 1, ignoreEndOfSequence: true }, 'minTokens has no effect with ignoreEndOfSequence.'],
    [{ minTokens: -1 }, 'minTokens must be an integer from 0 to'],
    [{ minTokens: 1.5 }, 'minTokens must be an integer from 0 to'],
  ])('is refused as %j: %s', async (options, message) => {
    const error = (await rejection(run(options).result)) as InvalidOptionError
    expect(error).toBeInstanceOf(InvalidOptionError)
    expect(error.path).toBe('minTokens')
    expect(error.message).toContain(message)
  })

  test('is min_tokens over HTTP', async () => {
    const body = { messages, temperature: 0, max_tokens: 60 }
    const { status, body: answer } = await post(`${worker.url}/chat`, { ...body, min_tokens: 60 })
    expect(status).toBe(200)
    expect(answer).toMatchObject({
      usage: { completion_tokens: 60 },
      receipt: { sampling: { min_tokens: 60 } },
    })
    const refused = await post(`${worker.url}/chat`, { ...body, min_tokens: 61 })
    expect(refused.status).toBe(400)
    expect(refused.body.error).toMatchObject({
      code: 'INVALID_OPTION',
      path: 'min_tokens',
      message: 'min_tokens is 61, more than the 60 tokens of max_tokens.',
    })
    const enhanced = await post(`${worker.url}/enhance`, { messages, min_tokens: 201 })
    expect(enhanced.body.error).toMatchObject({ path: 'min_tokens' })
    const openAi = await post(`${worker.url}/v1/chat/completions`, {
      ...body,
      model: 'verbatim-tiny',
      min_tokens: 60,
    })
    expect(openAi.body.usage.completion_tokens).toBe(60)
  })
})
