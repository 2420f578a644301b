import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type GenerateOptions,
  type InferenceResult,
  type LoadModelOptions,
  loadModel,
  type Model,
} from 'verbatim-llama'
import { describe, expect, test } from 'vitest'
import { readGguf } from '../scripts/make-model/gguf-reader.js'
import { temporaryFolder } from './support/gguf-patch.js'
import { contentOnly, lfm2Model, mambaModel, rejection, until, user, windowModel } from './support/model.js'

const folder = temporaryFolder()

// Options that make sums of 32 bits, so that rounding depends little on who shares a batch.
const EXACT = { flashAttention: false, kvCacheType: 'f32' } as const

const load = (path: string, options: LoadModelOptions = {}): Promise<Model> =>
  loadModel(path, {
    contextSize: 512,
    maxSequences: 4,
    threads: 1,
    chatTemplate: contentOnly,
    ...EXACT,
    ...options,
  })

const words =
  'Ask what it was that the old man had seen from the hill before the rain came over the sea'.split(' ')
/** A text of `length` words, another one for each `number`. */
const textOf = (length: number, number = 0) =>
  Array.from({ length }, (_, i) => words[(i * (number + 1) + number) % words.length]).join(' ')

const ask = (model: Model, text: string, options: GenerateOptions = {}) =>
  model.generateInference(user(text), {
    maxTokens: 12,
    temperature: 0,
    ignoreEndOfSequence: true,
    logprobs: 2,
    ...options,
  })

/** Resolves when a run has generated something; unlike a loop that is left, this does not cancel it. */
const begun = (run: AsyncIterable<unknown>) => run[Symbol.asyncIterator]().next()

const isIdle = (model: Model) =>
  model.status.waiting === 0 && model.status.running === 0 && model.status.usedCells === 0

/** Requires equal tokens up to the first near-tie; returns the number of tokens compared. */
function expectAlike(result: InferenceResult, alone: InferenceResult): number {
  for (const [i, id] of alone.tokenIds.entries()) {
    const [best, second] = alone.logprobs?.[i]?.top ?? []
    if (best === undefined || second === undefined) throw new Error('no logprobs')
    if (best.logprob - second.logprob < 0.1) return i
    expect(result.tokenIds[i]).toBe(id)
  }
  return alone.tokenIds.length
}

describe.each([
  { name: 'recurrent', path: mambaModel, reason: /recurrent/ },
  { name: 'hybrid', path: lfm2Model, reason: /recurrent layers/ },
  { name: 'sliding window', path: windowModel, reason: /sliding window/ },
])('a model of kind $name', ({ path, reason }) => {
  test('says why it shares nothing, and shares nothing', async () => {
    await using model = await load(path)
    expect(model.info.prefixSharing).toEqual({ enabled: false, reason: expect.stringMatching(reason) })
    expect(model.info.prefixCacheSize).toBe(0)
    const first = await ask(model, textOf(40))
    const second = await ask(model, textOf(40))
    expect(first.usage.cachedTokens + second.usage.cachedTokens).toBe(0)
    expect(second.tokenIds).toEqual(first.tokenIds)
    expect(new Set(first.tokenIds).size).toBeGreaterThan(3)
    expect((await ask(model, `The ${textOf(40)}`)).tokenIds).not.toEqual(first.tokenIds)
    await until('it is idle', () => isIdle(model))
    expect(model.status.savedTokens).toBe(0)
  })

  test('answers many at once, too many for its cells, as each alone', async () => {
    await using model = await load(path, { contextSize: 256, cacheSize: 256 })
    const requests = Array.from({ length: 12 }, (_, i) => ({
      text: textOf(5 + ((i * 7) % 60), i),
      maxTokens: i % 3 === 0 ? 90 : 10,
    }))
    const alone: InferenceResult[] = []
    for (const { text, maxTokens } of requests) alone.push(await ask(model, text, { maxTokens }))
    const together = await Promise.all(requests.map(({ text, maxTokens }) => ask(model, text, { maxTokens })))
    let compared = 0
    for (const [i, result] of together.entries()) {
      expect(result.usage).toEqual(alone[i]?.usage)
      expect(result.finishReason).toBe('length')
      compared += expectAlike(result, alone[i] as InferenceResult)
    }
    expect(compared).toBeGreaterThan(40)
    await until('it is idle', () => isIdle(model))
  })

  test('goes on beside requests that are cancelled while they are read or generate', async () => {
    await using model = await load(path, { contextSize: 4096, cacheSize: 8192 })
    const alone = await ask(model, textOf(30), { maxTokens: 60 })
    const others = [1, 2].map(() => ask(model, textOf(30), { maxTokens: 60 }))
    const generating = new AbortController()
    const generates = ask(model, textOf(20, 1), { maxTokens: 400, signal: generating.signal })
    await begun(generates)
    generating.abort('enough')
    expect(await rejection(generates.result)).toBe('enough')
    for (const number of [2, 3]) {
      const reading = new AbortController()
      const reads = ask(model, textOf(2500, number), { signal: reading.signal })
      await until('it is read', () => model.status.usedCells > 300)
      reading.abort('enough')
      expect(await rejection(reads)).toBe('enough')
    }
    for (const other of others) expectAlike(await other, alone)
    // Check that later requests have nothing of those that are gone.
    expectAlike(await ask(model, textOf(30), { maxTokens: 60 }), alone)
    await until('it is idle', () => isIdle(model))
  })

  test('ends a request when the context is full, and refuses a longer prompt', async () => {
    await using model = await load(path, { contextSize: 256, cacheSize: 256 })
    const { finishReason, usage } = await ask(model, textOf(150), { maxTokens: 1000 })
    expect(finishReason).toBe('context')
    expect(usage.promptTokens + usage.completionTokens).toBe(256)
    expect(await rejection(ask(model, textOf(400)))).toMatchObject({ code: 'CONTEXT_OVERFLOW' })
  })

  test('answers a conversation that outgrows the window the same way again', async () => {
    await using model = await load(path, { contextSize: 1024 })
    let text = textOf(20)
    for (let turn = 0; turn < 5; turn++) {
      const result = await ask(model, text, { maxTokens: 30 })
      expect(result.tokenIds).toHaveLength(30)
      expect(result.usage.cachedTokens).toBe(0)
      const again = await ask(model, text, { maxTokens: 30 })
      expect(again.tokenIds).toEqual(result.tokenIds)
      text += ` ${textOf(30, turn)}`
    }
  })

  test('refuses to guess', async () => {
    await using model = await load(path)
    expect(await rejection(ask(model, 'x', { speculative: 'prompt-lookup' }))).toMatchObject({
      code: 'INVALID_OPTION',
      path: 'speculative',
      message: expect.stringMatching(reason),
    })
  })

  test('gives a reproducible request the same ids alone and beside others, also after one was cancelled', async () => {
    await using model = await load(path)
    const options = { maxTokens: 20, temperature: 1, seed: 3, reproducible: true }
    const alone = await ask(model, textOf(50), options)
    const others = [1, 2, 3].map((i) => ask(model, textOf(30, i), { maxTokens: 40 }))
    const abort = new AbortController()
    const cancelled = ask(model, textOf(60, 4), { ...options, maxTokens: 400, signal: abort.signal })
    await begun(cancelled)
    const again = [ask(model, textOf(50), options), ask(model, textOf(50), options)]
    abort.abort('enough')
    expect(await rejection(cancelled.result)).toBe('enough')
    for (const result of again) expect((await result).tokenIds).toEqual(alone.tokenIds)
    await Promise.all(others)
  })

  test.each(['idle', 'reading', 'generating', 'waiting'])('ends runs if disposed while %s', async (state) => {
    const model = await load(path, { contextSize: 4096, cacheSize: 8192, maxSequences: 2 })
    const runs =
      state === 'idle'
        ? []
        : Array.from({ length: state === 'waiting' ? 4 : 2 }, (_, i) =>
            ask(model, textOf(state === 'reading' ? 2500 : 20, i), { maxTokens: 1000 }),
          )
    const ends = runs.map((run) => rejection(run.result))
    if (state === 'generating') await begun(runs[0] as (typeof runs)[0])
    else if (state !== 'idle') await until('it runs', () => model.status.running === 2)
    await model.dispose()
    for (const end of ends) expect(await end).toMatchObject({ code: 'DISPOSED' })
    expect(await rejection(ask(model, 'x'))).toMatchObject({ code: 'DISPOSED' })
  })

  test('keeps a token without a usable embedding from harming other requests', async () => {
    const poisoned = join(folder, `${path.split('/').pop()}`)
    await using sound = await load(path)
    const [token] = (await sound.renderPrompt(user('rain'))).tokenIds.slice(-1)
    writeFileSync(poisoned, withInfiniteEmbedding(path, token as number))
    const before = await ask(sound, textOf(20).replace('rain', 'fog'))
    await using model = await load(poisoned, { maxSequences: 1 })
    for (let i = 0; i < 2; i++) {
      expect(await rejection(ask(model, 'what rain'))).toMatchObject({ code: 'DECODE_FAILED' })
      expect((await ask(model, textOf(20).replace('rain', 'fog'))).tokenIds).toEqual(before.tokenIds)
    }
  })
})

/** A copy of the model in which the embedding of one token is infinite. */
function withInfiniteEmbedding(path: string, token: number): Buffer {
  const { tensors, dataOffset } = readGguf(path)
  const embedding = tensors.find(({ name }) => name === 'token_embd.weight')
  if (embedding === undefined) throw new Error('no embedding')
  const file = readFileSync(path)
  const row = ((embedding.dims[0] as number) / 32) * 34
  const at = dataOffset + Number(embedding.offset) + token * row
  for (let block = at; block < at + row; block += 34) file.writeUInt16LE(0x7c00, block)
  return file
}
