import { getEventListeners, setMaxListeners } from 'node:events'
import {
  CancelledError,
  type Delta,
  type GenerateOptions,
  generateInference,
  type Inference,
  loadModel,
  type Model,
} from 'verbatim-llama'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contentOnly, longModel, promptOf, rejection, until, user } from './support/model.js'

let model: Model

beforeAll(async () => {
  model = await loadModel(longModel, {
    contextSize: 16384,
    maxSequences: 1,
    threads: 1,
    chatTemplate: contentOnly,
  })
})
afterAll(() => model.dispose())

const PROMPT = 16_000 // takes seconds to evaluate, in steps of at most 512

/** Starts a run that goes on until it is cancelled. */
function startLong(options: GenerateOptions = {}) {
  return generateInference(user('Hello'), {
    model,
    maxTokens: 15_000,
    seed: 1,
    ignoreEndOfSequence: true,
    ...options,
  })
}

const startPrefill = (options: GenerateOptions = {}) =>
  generateInference(promptOf(PROMPT), { model, maxTokens: 1, ...options })

const isIdle = () => model.status.waiting === 0 && model.status.running === 0 && model.status.usedCells === 0

/** A signal, its reason, and the number of its listeners. */
function abortable() {
  const controller = new AbortController()
  const reason = { mine: Symbol('reason') }
  return {
    signal: controller.signal,
    reason,
    abort: () => controller.abort(reason),
    listeners: () => getEventListeners(controller.signal, 'abort').length,
  }
}

describe('aborting a signal', () => {
  test.each(['the default', 'no'])(
    'ends many runs at once, with %s limit of listeners, and is not taken for a leak',
    async (limit) => {
      const warnings: Error[] = []
      const note = (warning: Error) => warnings.push(warning)
      process.on('warning', note)
      const { signal, reason, abort, listeners } = abortable()
      if (limit === 'no') setMaxListeners(0, signal)
      const runs = Array.from({ length: 20 }, () => startLong({ signal }))
      abort()
      for (const run of runs) expect(await rejection(run)).toBe(reason)
      expect(listeners()).toBe(0)
      await new Promise((resolve) => setImmediate(resolve))
      process.off('warning', note)
      expect(warnings).toEqual([])
      await until('the model is idle', isIdle)
    },
  )

  test('before the call starts nothing', async () => {
    const { signal, reason, abort, listeners } = abortable()
    abort()
    const run = startLong({ signal })
    expect(isIdle()).toBe(true)
    expect(await rejection(run)).toBe(reason)
    expect(await rejection(run.result)).toBe(reason)
    expect(listeners()).toBe(0)
  })

  test('right after the call ends the run before anything was computed', async () => {
    const { signal, reason, abort, listeners } = abortable()
    const run = startLong({ signal })
    expect(listeners()).toBe(1)
    abort()
    expect(await rejection(run)).toBe(reason)
    expect(listeners()).toBe(0)
    await until('the model is idle', isIdle)
  })

  test('ends a run that waits for its turn; the one ahead goes on', async () => {
    const ahead = startLong()
    const pieces = ahead[Symbol.asyncIterator]()
    await pieces.next()
    const { signal, reason, abort, listeners } = abortable()
    const run = startLong({ signal })
    await until('it waits', () => model.status.waiting === 1)
    abort()
    expect(await rejection(run)).toBe(reason)
    expect(listeners()).toBe(0)
    await until('it waits no more', () => model.status.waiting === 0)
    expect(await pieces.next()).toMatchObject({ done: false })
    ahead.cancel()
    expect(await rejection(ahead)).toBeInstanceOf(CancelledError)
  })

  test('ends a run whose prompt is evaluated', async () => {
    const { signal, reason, abort, listeners } = abortable()
    const run = startPrefill({ signal })
    await until('it is evaluated', () => model.status.running === 1)
    expect(model.status.usedCells).toBeLessThan(PROMPT)
    abort()
    expect(await rejection(run)).toBe(reason)
    expect(listeners()).toBe(0)
    await until('the model is idle', isIdle)
  })

  test('ends a run that generates; what was read before stays', async () => {
    const { signal, reason, abort, listeners } = abortable()
    const run = startLong({ signal })
    const deltas: Delta[] = []
    const loop = async () => {
      for await (const delta of run) {
        deltas.push(delta)
        if (deltas.length === 3) abort()
      }
    }
    expect(await rejection(loop())).toBe(reason)
    expect(await rejection(run)).toBe(reason)
    expect(deltas.length).toBeGreaterThanOrEqual(3)
    expect(listeners()).toBe(0)
    await until('the model is idle', isIdle)
  })

  test('after the end of a run changes nothing', async () => {
    const { signal, abort, listeners } = abortable()
    const run = startLong({ signal, maxTokens: 2 })
    const result = await run
    expect(listeners()).toBe(0)
    abort()
    expect(await run).toBe(result)
  })

  test('means nothing to a call that was refused, which does not listen', async () => {
    const { signal, listeners } = abortable()
    await rejection(startLong({ signal, maxTokens: 0 }))
    await rejection(generateInference([], { model, signal }))
    expect(listeners()).toBe(0)
    await rejection(generateInference(promptOf(20_000), { model, signal }))
    expect(listeners()).toBe(0)
  })

  test('ends all runs that share the signal', async () => {
    const { signal, reason, abort, listeners } = abortable()
    const runs = Array.from({ length: 10 }, () => startLong({ signal }))
    expect(listeners()).toBe(10)
    await until(
      'one runs and the others wait',
      () => model.status.running === 1 && model.status.waiting === 9,
    )
    abort()
    for (const run of runs) expect(await rejection(run)).toBe(reason)
    expect(listeners()).toBe(0)
    await until('the model is idle', isIdle)
  })

  test('gives its reason: an AbortError by default, a TimeoutError after a timeout', async () => {
    expect(await rejection(startLong({ signal: AbortSignal.abort() }))).toMatchObject({ name: 'AbortError' })
    const timeout = await rejection(startLong({ signal: AbortSignal.timeout(20) }))
    expect(timeout).toMatchObject({ name: 'TimeoutError' })
  })

  test('works with a minimal object that is no AbortSignal', async () => {
    const target = new EventTarget()
    const signal = {
      aborted: false,
      reason: undefined as unknown,
      addEventListener: target.addEventListener.bind(target),
      removeEventListener: target.removeEventListener.bind(target),
    }
    const run = startLong({ signal: signal as unknown as AbortSignal })
    await run[Symbol.asyncIterator]().next()
    signal.aborted = true
    signal.reason = 'enough'
    target.dispatchEvent(new Event('abort'))
    expect(await rejection(run)).toBe('enough')
    expect(await rejection(startLong({ signal: signal as unknown as AbortSignal }))).toBe('enough')
  })
})

describe('a CancelledError says how the run was cancelled', () => {
  test('by cancel()', async () => {
    const run = startLong()
    run.cancel()
    expect(await rejection(run)).toMatchObject({
      code: 'CANCELLED',
      message: 'The run was cancelled by cancel(). What was generated by then is in error.partial.',
    })
  })

  test.each<[string, (run: Inference) => Promise<unknown>]>([
    [
      'break',
      async (run) => {
        for await (const _ of run) break
      },
    ],
    [
      'an exception',
      async (run) => {
        for await (const _ of run.stream) throw new Error('mine')
      },
    ],
    ['return()', async (run) => run[Symbol.asyncIterator]().return?.()],
  ])('by leaving the loop, with %s', async (_, leave) => {
    const run = startLong()
    await leave(run).catch(() => {})
    const { message } = (await rejection(run)) as CancelledError
    expect(message).toContain('its loop was left before the end, by break, return or an exception')
    expect(message).not.toContain('cancel()')
  })

  test('by what came first', async () => {
    const { signal, reason, abort } = abortable()
    const aborted = startLong({ signal })
    abort()
    aborted.cancel()
    expect(await rejection(aborted)).toBe(reason)
    const cancelled = startLong()
    cancelled.cancel()
    await cancelled[Symbol.asyncIterator]().return?.()
    expect(await rejection(cancelled)).toMatchObject({ message: expect.stringContaining('by cancel()') })
  })
})

describe('cancel()', () => {
  test('ends a run right after the call', async () => {
    const run = startLong()
    run.cancel()
    run.cancel()
    const error = await rejection(run)
    expect(error).toBeInstanceOf(CancelledError)
    // Require only that the run did not finish, however far the engine got meanwhile.
    expect((error as CancelledError).partial?.tokenIds.length).toBeLessThan(15_000)
  })

  test('ends a run whose prompt is evaluated: nothing is generated, the prompt counts', async () => {
    await until('nothing else runs', () => model.status.running === 0)
    const run = startPrefill({ logprobs: 1 })
    await until('it is evaluated', () => model.status.running === 1)
    run.cancel()
    const { partial } = (await rejection(run)) as CancelledError
    expect(partial).toMatchObject({
      text: '',
      tokenIds: [],
      logprobs: [],
      usage: { promptTokens: PROMPT, cachedTokens: 0, completionTokens: 0 },
      timings: { firstTokenMs: 0, perTokenMs: 0 },
    })
  })

  test('ends a run that generates; partial holds the deltas', async () => {
    const run = startLong({ logprobs: 1 })
    const deltas: Delta[] = []
    const loop = async () => {
      for await (const delta of run) {
        deltas.push(delta)
        if (deltas.length === 5) run.cancel()
      }
    }
    const error = await rejection(loop())
    expect(error).toBeInstanceOf(CancelledError)
    expect(await rejection(run)).toBe(error)
    const { partial } = error as CancelledError
    expect(deltas.map(({ text }) => text).join('')).toBe(partial?.text)
    expect(deltas.flatMap(({ tokenIds }) => tokenIds)).toEqual(partial?.tokenIds)
    expect(deltas.flatMap(({ logprobs }) => logprobs)).toEqual(partial?.logprobs)
    expect(partial?.tokenIds.length).toBeGreaterThan(4)
  })

  test('after the end of a run changes nothing', async () => {
    const run = startLong({ maxTokens: 2 })
    const result = await run
    run.cancel()
    expect(await run).toBe(result)
  })

  test('wins over a signal that is aborted later', async () => {
    const { signal, abort } = abortable()
    const run = startLong({ signal })
    await run[Symbol.asyncIterator]().next()
    run.cancel()
    abort()
    expect(await rejection(run)).toBeInstanceOf(CancelledError)
  })
})

test('a model whose runs were cancelled answers as before', async () => {
  const first = await startLong({ maxTokens: 10 })
  const again = await startLong({ maxTokens: 10 })
  expect(again.tokenIds).toEqual(first.tokenIds)
  await until('the model is idle', isIdle)
})
