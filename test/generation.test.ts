import { join } from 'node:path'
import {
  ContextOverflowError,
  type GenerateOptions,
  generateInference,
  type InferenceResult,
  type Model,
} from 'verbatim-llama'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { patchModel, temporaryFolder } from './support/gguf-patch.js'
import { contentOnly, loadRepeatable, promptOf, rejection, tinyModel, user } from './support/model.js'

const hello = user('Hello')
const folder = temporaryFolder()
let model: Model

beforeAll(async () => {
  model = await loadRepeatable({ contextSize: 256 })
})
afterAll(() => model.dispose())

const run = (options: GenerateOptions = {}) =>
  generateInference(hello, { model, maxTokens: 40, seed: 5, ignoreEndOfSequence: true, ...options })

/** The text of each delta, joined step by step. */
async function growth(options: GenerateOptions): Promise<string[]> {
  const texts = ['']
  for await (const { text } of run(options)) texts.push(texts.at(-1) + text)
  return texts
}

describe('seed', () => {
  test('is drawn and returned, and repeats the run', async () => {
    const { seed, tokenIds } = await run({ seed: undefined })
    expect(Number.isSafeInteger(seed)).toBe(true)
    expect(seed).toBeGreaterThanOrEqual(0)
    expect((await run({ seed })).tokenIds).toEqual(tokenIds)
    const other = await run({ seed: undefined })
    expect(other.seed).not.toBe(seed)
    expect(other.tokenIds).not.toEqual(tokenIds)
  })

  test('counts with all of its 53 bits', async () => {
    const results = await Promise.all([0, 1, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1].map((seed) => run({ seed })))
    expect(new Set(results.map(({ text }) => text)).size).toBe(5)
    expect(results.map(({ seed }) => seed)).toEqual([0, 1, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1])
  })

  test('means nothing at temperature 0', async () => {
    const [a, b] = await Promise.all([run({ temperature: 0, seed: 1 }), run({ temperature: 0, seed: 2 })])
    expect(a.tokenIds).toEqual(b.tokenIds)
    const one = await run({ topK: 1, temperature: 1.5 })
    expect(one.tokenIds).toEqual(a.tokenIds)
  })

  test('gives the same tokens, whatever was computed in between', async () => {
    const first = await run({ logprobs: 2 })
    for (const maxTokens of [1, 7, 100]) {
      await run({ maxTokens, seed: maxTokens })
      expect(await run({ logprobs: 2 })).toMatchObject({
        tokenIds: first.tokenIds,
        logprobs: first.logprobs ?? [],
      })
    }
  })
})

describe('stop strings', () => {
  let full: InferenceResult
  let cumulative: string[] // the text after each token

  beforeAll(async () => {
    full = await run()
    cumulative = []
    for (let n = 0; n <= full.tokenIds.length; n++) {
      cumulative.push(await model.detokenize(full.tokenIds.slice(0, n)))
    }
    expect(cumulative.at(-1)).toBe(full.text) // no control tokens, no unfinished character
  })

  /** The text between two offsets, with whole characters at its ends: the characters depend on the processor. */
  function piece(begin: number, end: number): string {
    const isLow = (at: number) => (full.text.charCodeAt(at) & 0xfc00) === 0xdc00
    return full.text.slice(isLow(begin) ? begin - 1 : begin, isLow(end) ? end + 1 : end)
  }
  const endOf = (tokens: number) => (cumulative[tokens] as string).length

  async function expectStop(stop: string | readonly string[], which: string) {
    const text = full.text.slice(0, full.text.indexOf(which))
    const tokens = cumulative.findIndex((part) => part.includes(which))
    const result = await run({ stop })
    expect(result).toMatchObject({ text, finishReason: 'stop-string' })
    expect(result.tokenIds).toEqual(full.tokenIds.slice(0, tokens))
    expect(result.usage.completionTokens).toBe(tokens)
    const shown = await growth({ stop })
    expect(shown.at(-1)).toBe(text)
    for (const part of shown) expect(text.startsWith(part)).toBe(true)
  }

  test('may be single characters, of one byte and of several', async () => {
    const characters = [...new Set(full.text)]
    const ascii = characters.filter((c) => c.charCodeAt(0) < 128)
    const multiByte = characters.filter((c) => c.charCodeAt(0) >= 0x800)
    expect(ascii.length).toBeGreaterThan(3)
    expect(multiByte.length).toBeGreaterThan(3)
    for (const stop of [ascii[0], ascii.at(-1), multiByte[0], multiByte.at(-1)]) {
      await expectStop(stop as string, stop as string)
    }
  })

  test('are found across the borders of tokens', async () => {
    for (const border of [3, 8, 15, 25]) {
      const stop = piece(endOf(border) - 2, endOf(border) + 2)
      await expectStop(stop, stop)
    }
  })

  test('are found over several tokens', async () => {
    const stop = piece(endOf(4) - 1, endOf(12) + 1)
    await expectStop(stop, stop)
  })

  test('may be the whole text, and its first and last character', async () => {
    await expectStop(full.text, full.text)
    await expectStop([...full.text][0] as string, [...full.text][0] as string)
    const last = piece(endOf(cumulative.length - 2) - 1, full.text.length)
    await expectStop(last, last)
  })

  test('end the text with the one that is completed first', async () => {
    const early = piece(endOf(5) - 1, endOf(6))
    const late = piece(endOf(9) - 1, endOf(10))
    await expectStop([late, early, 'never there'], early)
    // Start a run that begins first and ends last.
    const around = piece(endOf(3), endOf(12))
    await expectStop([around, late], late)
  })

  test('that never come change nothing, and what they held back is there in the end', async () => {
    const stop = `${piece(full.text.length - 3, full.text.length)}!`
    const result = await run({ stop })
    expect(result).toMatchObject({ text: full.text, tokenIds: full.tokenIds, finishReason: 'length' })
    const shown = await growth({ stop })
    expect(shown.at(-1)).toBe(full.text)
    const cut = await run({ stop: `${full.text}!`, maxTokens: 10 })
    expect(cut).toMatchObject({ text: cumulative[10], finishReason: 'length' })
  })

  test('are not found in the prompt, and are not normalised', async () => {
    expect(await run({ stop: ['Hello', '<|im_start|>'] })).toMatchObject({ text: full.text })
  })
})

describe('a run ends', () => {
  test.each([1, 2, 33])('after maxTokens: %i', async (maxTokens) => {
    const result = await run({ maxTokens })
    expect(result.finishReason).toBe('length')
    expect(result.tokenIds).toHaveLength(maxTokens)
  })

  test('after 512 tokens unless maxTokens says otherwise', async () => {
    await using roomy = await loadRepeatable({ contextSize: 1024 })
    const result = await roomy.generateInference(hello, { ignoreEndOfSequence: true, seed: 1 })
    expect(result.tokenIds).toHaveLength(512)
    expect(result.finishReason).toBe('length')
  })

  test('when its context is full', async () => {
    await using small = await loadRepeatable({ contextSize: 64, chatTemplate: contentOnly })
    const start = (prompt: number, maxTokens: number, options: GenerateOptions = {}) =>
      small.generateInference(promptOf(prompt), { maxTokens, ignoreEndOfSequence: true, ...options })
    expect(small.info.contextSize).toBe(64)

    const full = await start(30, 1000)
    expect(full.finishReason).toBe('context')
    expect(full.tokenIds).toHaveLength(34)
    expect(await start(30, 35)).toMatchObject({ finishReason: 'context' })
    expect(await start(30, 34)).toMatchObject({ finishReason: 'length' })
    expect(await start(63, 2)).toMatchObject({ finishReason: 'context', usage: { completionTokens: 1 } })

    const exact = await start(64, 5, { logprobs: 1 })
    expect(exact).toMatchObject({
      text: '',
      tokenIds: [],
      logprobs: [],
      finishReason: 'context',
      usage: { promptTokens: 64, cachedTokens: 0, completionTokens: 0 },
      timings: { prefillMs: 0, firstTokenMs: 0, perTokenMs: 0 },
    })
    for (const tokens of [65, 100, 5000]) {
      const error = await rejection(start(tokens, 1))
      expect(error).toBeInstanceOf(ContextOverflowError)
      expect(error).toMatchObject({ promptTokens: tokens, contextSize: 64, overflowBy: tokens - 64 })
      expect((error as Error).message).toContain(String(tokens))
    }
    expect(await start(10, 3)).toMatchObject({ usage: { completionTokens: 3 } })
  })

  test('at the end of the turn', async () => {
    const greedy = await run({ temperature: 0, ignoreEndOfSequence: false })
    expect(greedy.finishReason).toBe('length')
    const at = greedy.tokenIds.findIndex((id, i) => i >= 5 && greedy.tokenIds.indexOf(id) === i)
    const end = greedy.tokenIds[at] as number
    const path = join(folder, 'eos.gguf')
    patchModel(tinyModel, path, { 'tokenizer.ggml.eos_token_id': end })

    await using patched = await loadRepeatable({ contextSize: 256 }, path)
    const options = { maxTokens: 40, temperature: 0, logprobs: 0 }
    const stopped = await patched.generateInference(hello, options)
    expect(stopped.finishReason).toBe('stop')
    expect(stopped.tokenIds).toEqual(greedy.tokenIds.slice(0, at + 1))
    expect(stopped.text).toBe(await patched.detokenize(greedy.tokenIds.slice(0, at)))
    expect(stopped.logprobs).toHaveLength(at + 1)
    expect(stopped.usage.completionTokens).toBe(at + 1)

    const goesOn = await patched.generateInference(hello, { ...options, ignoreEndOfSequence: true })
    expect(goesOn).toMatchObject({
      finishReason: 'length',
      tokenIds: greedy.tokenIds,
      text: greedy.text,
    })

    // Accept both ends: the last token that is allowed may be the end of the turn.
    expect(await patched.generateInference(hello, { ...options, maxTokens: at + 1 })).toMatchObject({
      finishReason: 'stop',
    })
    expect(await patched.generateInference(hello, { ...options, maxTokens: at })).toMatchObject({
      finishReason: 'length',
      text: stopped.text,
    })
  })
})

describe('log probabilities', () => {
  test('are given for the chosen token and the most likely ones', async () => {
    const { logprobs = [], tokenIds } = await run({ logprobs: 5, temperature: 1.2, topP: 1 })
    expect(logprobs.map(({ tokenId }) => tokenId)).toEqual(tokenIds)
    let chosenFirst = 0
    for (const { tokenId, text, logprob, top } of logprobs) {
      expect(text).toBe(await model.detokenize([tokenId]))
      expect(top).toHaveLength(5)
      expect(new Set(top.map((token) => token.tokenId)).size).toBe(5)
      for (const [i, token] of top.entries()) {
        expect(token.logprob).toBeLessThanOrEqual(top[i - 1]?.logprob ?? 0)
        expect(token.text).toBe(await model.detokenize([token.tokenId]))
      }
      expect(logprob).toBeLessThanOrEqual(top[0]?.logprob as number)
      const listed = top.find((token) => token.tokenId === tokenId)
      if (listed) expect(listed).toEqual({ tokenId, text, logprob })
      else expect(logprob).toBeLessThanOrEqual(top[4]?.logprob as number)
      if (top[0]?.tokenId === tokenId) chosenFirst++
      const mass = top.reduce((sum, token) => sum + Math.exp(token.logprob), 0)
      expect(mass).toBeGreaterThan(0)
      expect(mass).toBeLessThanOrEqual(1 + 1e-5)
    }
    expect(chosenFirst).toBeLessThan(40)
  })

  test('at temperature 0 are highest for the chosen token', async () => {
    const { logprobs = [] } = await run({ logprobs: 1, temperature: 0 })
    expect(logprobs).toHaveLength(40)
    for (const { top, ...chosen } of logprobs) expect(top).toEqual([chosen])
  })

  test('are those of the model: sampling settings do not change them', async () => {
    const first = async (options: GenerateOptions) =>
      (await run({ logprobs: 20, maxTokens: 1, ...options })).logprobs?.[0]?.top
    const plain = await first({ temperature: 1, topP: 1 })
    expect(plain).toHaveLength(20)
    for (const options of [
      { temperature: 0 },
      { temperature: 2, topK: 3 },
      { minP: 0.5, repetitionPenalty: 2, presencePenalty: 1 },
    ]) {
      expect(await first(options)).toEqual(plain)
    }
  })

  test('are of the chosen tokens only for 0, and absent without the option', async () => {
    const { logprobs = [] } = await run({ logprobs: 0 })
    expect(logprobs).toHaveLength(40)
    for (const { top, logprob } of logprobs) {
      expect(top).toEqual([])
      expect(logprob).toBeLessThanOrEqual(0)
    }
    expect(await run()).not.toHaveProperty('logprobs')
  })
})

describe('usage and timings', () => {
  test('agree with the prompt, the tokens and each other', async () => {
    const { usage, timings, tokenIds } = await run()
    const prompt = await model.renderPrompt(hello)
    expect(usage).toEqual({
      promptTokens: prompt.tokenIds.length,
      cachedTokens: 0,
      completionTokens: tokenIds.length,
    })
    const { queueMs, prefillMs, firstTokenMs, perTokenMs, totalMs } = timings
    for (const duration of [queueMs, prefillMs, firstTokenMs, perTokenMs, totalMs])
      expect(duration).toBeGreaterThan(0)
    expect(timings).toMatchObject({ draftedTokens: 0, acceptedTokens: 0 })
    expect(Object.keys(timings)).toHaveLength(7)
    expect(queueMs + prefillMs).toBeCloseTo(firstTokenMs, 3)
    expect(firstTokenMs + perTokenMs * (tokenIds.length - 1)).toBeLessThanOrEqual(totalMs + 1e-3)
  })

  test('have no time per token for a single token', async () => {
    expect((await run({ maxTokens: 1 })).timings.perTokenMs).toBe(0)
  })

  test('count the time in the queue until the run before has ended', async () => {
    const begun = performance.now()
    const first = run({ maxTokens: 200 })
    await first.stream[Symbol.asyncIterator]().next() // it runs
    const second = run({ maxTokens: 1 })
    const called = performance.now()
    const ended = begun + (await first).timings.totalMs
    expect((await second).timings.queueMs).toBeGreaterThanOrEqual(ended - called - 1e-3)
  })
})

describe('penalties', () => {
  test('keep tokens from coming again when they are large', async () => {
    const plain = await run({ temperature: 0, maxTokens: 100 })
    expect(new Set(plain.tokenIds).size).toBeLessThan(100)
    for (const penalty of [{ presencePenalty: 100 }, { frequencyPenalty: 100 }]) {
      const result = await run({ temperature: 0, maxTokens: 100, ...penalty })
      expect(new Set(result.tokenIds).size).toBe(100)
    }
    const eager = await run({ temperature: 0, maxTokens: 100, presencePenalty: -100 })
    expect(new Set(eager.tokenIds).size).toBe(1)
  })

  test('count the prompt too, if they are for repetition', async () => {
    const prompt = new Set((await model.renderPrompt(hello)).tokenIds)
    const result = await run({ temperature: 0, maxTokens: 50, repetitionPenalty: 100 })
    expect(result.tokenIds.filter((id) => prompt.has(id))).toEqual([])
    expect(new Set(result.tokenIds).size).toBe(50)
  })
})
