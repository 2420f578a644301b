import {
  CancelledError,
  ContextOverflowError,
  type Delta,
  DisposedError,
  type GenerateOptions,
  generateInference,
  type Inference,
  InvalidMessagesError,
  InvalidOptionError,
  loadModel,
  type Model,
  type PartialInferenceResult,
  QueueFullError,
} from 'verbatim-llama'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contentOnly, loadRepeatable, longModel, promptOf, rejection, until, user } from './support/model.js'

const PROMPT = 16_000 // takes seconds to evaluate
const hello = user('Hello')

let model: Model
beforeAll(async () => {
  model = await loadModel(longModel, {
    contextSize: 16384,
    maxSequences: 1,
    maxQueue: 1,
    prefixCacheSize: 0,
    threads: 1,
    chatTemplate: contentOnly,
  })
})
afterAll(() => model.dispose())

const start = (options: GenerateOptions = {}) =>
  generateInference(hello, { model, maxTokens: 30, seed: 1, ...options })

/** Starts a run that goes on until it is cancelled. */
const startLong = (options: GenerateOptions = {}) =>
  start({ maxTokens: 15_000, ignoreEndOfSequence: true, ...options })

/** Resolves when the engine has taken the run up: the status may still count an earlier one. */
const begun = (run: Inference) => until('it is taken up', () => run.partial().usage.promptTokens > 0)

const NO_TIMINGS = {
  queueMs: 0,
  prefillMs: 0,
  firstTokenMs: 0,
  perTokenMs: 0,
  totalMs: 0,
  draftedTokens: 0,
  acceptedTokens: 0,
}
const NO_USAGE = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 }
const NOTHING = { text: '', tokenIds: [], usage: NO_USAGE, timings: NO_TIMINGS, seed: 1 }

function joined(deltas: readonly Delta[]) {
  return {
    text: deltas.map(({ text }) => text).join(''),
    tokenIds: deltas.flatMap(({ tokenIds }) => tokenIds),
  }
}

/** Expects that `part` is a beginning of `whole`. */
function expectBeginning(
  part: Pick<PartialInferenceResult, 'text' | 'tokenIds'>,
  whole: Pick<PartialInferenceResult, 'text' | 'tokenIds'>,
) {
  expect(whole.text.slice(0, part.text.length)).toBe(part.text)
  expect(whole.tokenIds.slice(0, part.tokenIds.length)).toEqual(part.tokenIds)
}

describe('partial() of a run that', () => {
  test('waits for its turn has only waited', async () => {
    const ahead = startLong()
    await begun(ahead)
    const run = start({ logprobs: 1 })
    await until('it waits', () => model.status.waiting === 1)
    const { timings, ...rest } = run.partial()
    expect(rest).toEqual({ text: '', tokenIds: [], logprobs: [], usage: NO_USAGE, seed: 1 })
    expect(timings.queueMs).toBeGreaterThan(0)
    expect(timings).toEqual({ ...NO_TIMINGS, queueMs: timings.queueMs, totalMs: timings.queueMs })
    expect(run.partial().timings.totalMs).toBeGreaterThanOrEqual(timings.totalMs)
    ahead.cancel()
    expect((await run).tokenIds).toHaveLength(30)
  })

  test('reads its prompt in has that prompt, and nothing generated', async () => {
    const run = generateInference(promptOf(PROMPT), { model, maxTokens: 1, seed: 1 })
    await begun(run)
    const partial = run.partial()
    expect(partial).toMatchObject({
      text: '',
      tokenIds: [],
      usage: { promptTokens: PROMPT, cachedTokens: 0, completionTokens: 0 },
      timings: { prefillMs: 0, firstTokenMs: 0, perTokenMs: 0 },
    })
    run.cancel()
    await rejection(run)
  })

  test('generates lies between what was read and what comes out', async () => {
    const run = start({ maxTokens: 200, logprobs: 2, ignoreEndOfSequence: true })
    const deltas: Delta[] = []
    const partials: PartialInferenceResult[] = []
    for await (const delta of run) {
      deltas.push(delta)
      const partial = run.partial()
      partials.push(partial)
      expectBeginning(joined(deltas), partial)
      expect(partial.usage.completionTokens).toBe(partial.tokenIds.length)
      expect(partial.logprobs?.map(({ tokenId }) => tokenId)).toEqual(partial.tokenIds)
      expect(Object.isFrozen(partial)).toBe(true)
    }
    const result = await run
    for (const [i, partial] of partials.entries()) {
      expectBeginning(partial, partials[i + 1] ?? result)
      expect(partial.timings.totalMs).toBeLessThanOrEqual(result.timings.totalMs)
      expect(partial.timings.firstTokenMs).toBe(result.timings.firstTokenMs)
    }
    expect(joined(deltas)).toEqual({ text: result.text, tokenIds: result.tokenIds })
  })

  test('nobody reads tells it all, while the event loop stands still too', async () => {
    const run = start({ maxTokens: 5, ignoreEndOfSequence: true })
    const deadline = performance.now() + 30_000
    let last = run.partial()
    while (last.tokenIds.length < 5 && performance.now() < deadline) {
      const next = run.partial()
      expectBeginning(last, next)
      last = next
    }
    expect(last.tokenIds).toHaveLength(5) // the end has not been told yet
    const result = await run
    expectBeginning(last, result)
    expect(last.tokenIds).toEqual(result.tokenIds)
  })

  test('ended well is its result, the same object every time', async () => {
    const run = start({ logprobs: 1 })
    const { finishReason: _, receipt: __, ...rest } = await run
    expect(run.partial()).toEqual(rest)
    expect(run.partial()).toBe(run.partial())
    expect(Object.isFrozen(run.partial())).toBe(true)
    expect(run.partial()).not.toHaveProperty('finishReason')
    expect(joined(await collect(run)).text).toBe(rest.text) // the pieces are all there still
  })

  test('may not show a text yet, because it could become a stop text, does not show it either', async () => {
    const { text } = await start({ maxTokens: 60, ignoreEndOfSequence: true })
    const stop = [...text].slice(8, 14).join('')
    const run = start({ maxTokens: 60, ignoreEndOfSequence: true, stop })
    const partials: PartialInferenceResult[] = []
    for await (const _ of run) partials.push(run.partial())
    const result = await run
    expect(result.finishReason).toBe('stop-string')
    for (const partial of partials) expectBeginning(partial, result)
    expect(run.partial().text).toBe(result.text)
  })
})

async function collect(stream: AsyncIterable<Delta>): Promise<Delta[]> {
  const deltas: Delta[] = []
  for await (const delta of stream) deltas.push(delta)
  return deltas
}

describe('partial() after an end other than a good one holds what was generated:', () => {
  /** Starts a run, reads three pieces, ends the run, and returns it with the error and the pieces. */
  async function ended(end: (run: Inference) => unknown, options: GenerateOptions = {}) {
    const run = startLong(options)
    const deltas: Delta[] = []
    const loop = async () => {
      for await (const delta of run) {
        deltas.push(delta)
        if (deltas.length === 3) end(run)
      }
    }
    const error = await rejection(loop())
    return { run, error, deltas }
  }

  test('cancel()', async () => {
    const { run, error, deltas } = await ended((run) => run.cancel())
    expect(error).toBeInstanceOf(CancelledError)
    expect(run.partial()).toBe((error as CancelledError).partial)
    expect(run.partial()).toMatchObject({ ...joined(deltas), seed: 1 })
  })

  test('an aborted signal, whose reason cannot hold it', async () => {
    const controller = new AbortController()
    const reason = Object.freeze(new Error('mine'))
    const { run, error, deltas } = await ended(() => controller.abort(reason), { signal: controller.signal })
    expect(error).toBe(reason)
    const partial = run.partial()
    expect(partial).toMatchObject({ ...joined(deltas), seed: 1 })
    expect(partial.tokenIds.length).toBeGreaterThanOrEqual(3)
    expect(partial.usage.completionTokens).toBe(partial.tokenIds.length)
    expect(partial.timings.totalMs).toBeGreaterThan(0)
  })

  test('a loop that was left', async () => {
    const run = startLong()
    let text = ''
    for await (const delta of run) {
      text += delta.text
      if (run.partial().tokenIds.length >= 3) break
    }
    const error = (await rejection(run)) as CancelledError
    expect(run.partial()).toBe(error.partial)
    expect(run.partial().text.startsWith(text)).toBe(true)
  })

  test('a model that was disposed', async () => {
    const other = await loadRepeatable({ contextSize: 4096 })
    const run = other.generateInference(hello, { maxTokens: 4000, seed: 1, ignoreEndOfSequence: true })
    const iterator = run[Symbol.asyncIterator]()
    const first = (await iterator.next()).value as Delta
    await other.dispose()
    expect(await rejection(run)).toBeInstanceOf(DisposedError)
    expectBeginning(first, run.partial())
    expect(run.partial().tokenIds.length).toBeGreaterThan(0)
    const late = other.generateInference(hello, { seed: 1 })
    expect(await rejection(late)).toBeInstanceOf(DisposedError)
    expect(late.partial()).toEqual(NOTHING)
  })

  test('cancel() in the queue, and while the prompt is read in', async () => {
    const prefill = generateInference(promptOf(PROMPT), { model, maxTokens: 1, seed: 1 })
    await begun(prefill)
    const waiting = start()
    await until('it waits', () => model.status.waiting === 1)
    waiting.cancel()
    prefill.cancel()
    expect(prefill.partial()).toMatchObject({ tokenIds: [], usage: { promptTokens: PROMPT } })
    for (const run of [waiting, prefill]) {
      const { partial } = (await rejection(run)) as CancelledError
      expect(run.partial()).toBe(partial)
      expect(partial).toMatchObject({ text: '', tokenIds: [] })
    }
    expect(waiting.partial().usage).toEqual(NO_USAGE)
    expect(prefill.partial().usage.promptTokens).toBe(PROMPT)
  })

  test('a failure: nothing, where the prompt does not fit', async () => {
    const run = generateInference(promptOf(20_000), { model, seed: 1 })
    expect(await rejection(run)).toBeInstanceOf(ContextOverflowError)
    expect(run.partial()).toMatchObject({ text: '', tokenIds: [], usage: NO_USAGE, seed: 1 })
  })
})

describe('partial() of a call that was refused', () => {
  test('has nothing, and the seed that was given', async () => {
    const run = generateInference([], { model, seed: 1, logprobs: 1 })
    expect(run.partial()).toEqual({ ...NOTHING, logprobs: [] })
    expect(await rejection(run)).toBeInstanceOf(InvalidMessagesError)
    expect(run.partial()).toEqual({ ...NOTHING, logprobs: [] })
    expect(Object.isFrozen(run.partial())).toBe(true)
    const forgotten = generateInference(hello, { model: Promise.resolve(model) as never, seed: 1 })
    expect(await rejection(forgotten)).toBeInstanceOf(InvalidOptionError)
    expect(forgotten.partial()).toEqual(NOTHING)
    expect(start({ signal: AbortSignal.abort() }).partial()).toEqual(NOTHING)
  })

  test('has the seed that was drawn, or NaN where the options were refused', async () => {
    const unseeded = generateInference([], { model })
    expect(await rejection(unseeded)).toBeInstanceOf(InvalidMessagesError)
    expect(Number.isSafeInteger(unseeded.partial().seed)).toBe(true)
    const run = start({ maxTokens: 0 })
    expect(await rejection(run)).toBeInstanceOf(InvalidOptionError)
    expect(run.partial()).toEqual({ ...NOTHING, seed: Number.NaN })
  })

  test('because the queue is full has nothing', async () => {
    const ahead = startLong()
    await begun(ahead)
    const waiting = start()
    await until('it waits', () => model.status.waiting === 1)
    const refused = start()
    expect(await rejection(refused)).toBeInstanceOf(QueueFullError)
    expect(refused.partial()).toMatchObject({ text: '', tokenIds: [], usage: NO_USAGE, seed: 1 })
    ahead.cancel()
    await waiting
  })
})

test('partial() changes nothing: a run that was asked all the time is the same', async () => {
  const options = { maxTokens: 100, ignoreEndOfSequence: true, logprobs: 1 }
  const quiet = await start(options)
  const run = start(options)
  let isOver = false
  const asking = (async () => {
    while (!isOver) {
      for (let i = 0; i < 10; i++) run.partial()
      await new Promise((resolve) => setImmediate(resolve))
    }
  })()
  const deltas = await collect(run)
  isOver = true
  await asking
  const { text, tokenIds, logprobs } = await run
  expect({ text, tokenIds, logprobs }).toEqual({
    text: quiet.text,
    tokenIds: quiet.tokenIds,
    logprobs: quiet.logprobs,
  })
  expect(joined(deltas)).toEqual({ text, tokenIds })
})

test('the counts and times of a partial result and of the result cannot be written to', async () => {
  const run = start()
  const waiting = run.partial()
  const result = await run
  const refused = start({ maxTokens: 0 })
  const nothing = refused.partial()
  await rejection(refused)
  for (const { usage, timings } of [waiting, run.partial(), result, nothing]) {
    expect(() => Object.assign(usage, { promptTokens: 99 })).toThrow(TypeError)
    expect(() => Object.assign(timings, { totalMs: 99 })).toThrow(TypeError)
  }
})

test('partial() of many runs at once, which are computed together, is whole at every moment', async () => {
  await using shared = await loadRepeatable({ maxSequences: 8, contextSize: 256, cacheSize: 256 })
  const runs = Array.from({ length: 24 }, (_, i) =>
    shared.generateInference(user(`Question ${i}`), {
      maxTokens: 20,
      seed: i,
      ignoreEndOfSequence: true,
      temperature: 1.5,
      ...(i % 2 === 0 && { logprobs: 1 }),
    }),
  )
  const last: PartialInferenceResult[] = runs.map((run) => run.partial())
  let isOver = false
  const asking = (async () => {
    while (!isOver) {
      for (const [i, run] of runs.entries()) {
        const partial = run.partial()
        expectBeginning(last[i] as PartialInferenceResult, partial)
        expect(partial.usage.completionTokens).toBe(partial.tokenIds.length)
        if (i % 2 === 0) expect(partial.logprobs).toHaveLength(partial.tokenIds.length)
        last[i] = partial
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
  })()
  const results = await Promise.all(runs)
  isOver = true
  await asking
  for (const [i, result] of results.entries()) {
    expectBeginning(last[i] as PartialInferenceResult, result)
    expect(runs[i]?.partial().tokenIds).toEqual(result.tokenIds)
  }
})
