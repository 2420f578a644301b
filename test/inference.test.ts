import {
  CancelledError,
  ContextOverflowError,
  type Delta,
  type GenerateOptions,
  generateInference,
  Inference,
  InferenceConsumedError,
  InvalidMessagesError,
  InvalidOptionError,
  type Model,
} from 'verbatim-llama'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { expectScript } from './support/child.js'
import { loadRepeatable, rejection, until, user } from './support/model.js'

const hello = user('Hello')
let model: Model

beforeAll(async () => {
  model = await loadRepeatable()
})
afterAll(() => model.dispose())

function start(options: GenerateOptions = {}): Inference {
  return generateInference(hello, { model, maxTokens: 30, seed: 1, ...options })
}

async function collect(stream: AsyncIterable<Delta>): Promise<Delta[]> {
  const deltas: Delta[] = []
  for await (const delta of stream) deltas.push(delta)
  return deltas
}

function joined(deltas: readonly Delta[]) {
  return {
    text: deltas.map(({ text }) => text).join(''),
    tokenIds: deltas.flatMap(({ tokenIds }) => tokenIds),
  }
}

describe('streaming and awaiting are the same run', () => {
  test.each<GenerateOptions>([
    { temperature: 0 },
    {},
    { temperature: 1.5, topP: 1, topK: 40 },
    { minP: 0.2, seed: 7 },
    { repetitionPenalty: 1.3, presencePenalty: 0.5, frequencyPenalty: 0.5, seed: 8 },
    { logprobs: 3, seed: 9 },
    { stop: ['zzz', '奇'], seed: 10 },
  ])('with %j the deltas joined are the result', async (options) => {
    const awaited = await start(options)
    const deltas = await collect(start(options))
    expect(joined(deltas)).toEqual({ text: awaited.text, tokenIds: awaited.tokenIds })
    expect(deltas.length).toBeGreaterThan(1)
    expect(deltas.every(({ text, tokenIds }) => text !== '' || tokenIds.length > 0)).toBe(true)
    if (options.logprobs === undefined) expect(deltas.some((delta) => 'logprobs' in delta)).toBe(false)
    else expect(deltas.flatMap(({ logprobs }) => logprobs)).toEqual(awaited.logprobs)
  })

  test('awaiting before, while and after iterating gives one result', async () => {
    const before = start()
    const first = await before
    expect(joined(await collect(before))).toMatchObject({ text: first.text })

    const during = start()
    const [result, deltas] = await Promise.all([during, collect(during)])
    expect(joined(deltas)).toEqual({ text: result.text, tokenIds: result.tokenIds })
    expect(result.text).toBe(first.text)

    const after = start()
    const streamed = joined(await collect(after))
    expect(await after).toMatchObject(streamed)
    expect(await after).toBe(await after)
    expect(await after.result).toBe(await after)
  })

  test('awaiting in the middle of iterating leaves the rest as one piece', async () => {
    const run = start()
    const iterator = run[Symbol.asyncIterator]()
    const first = await iterator.next()
    const result = await run
    const rest: Delta[] = []
    for (let step = await iterator.next(); !step.done; step = await iterator.next()) rest.push(step.value)
    expect(rest).toHaveLength(1)
    expect(joined([first.value as Delta, ...rest])).toEqual({
      text: result.text,
      tokenIds: result.tokenIds,
    })
  })

  test('what nobody reads becomes one piece', async () => {
    const run = start()
    const { text, tokenIds } = await run
    expect(await collect(run)).toEqual([{ text, tokenIds }])
  })

  test('several steps may be asked for at once', async () => {
    const run = start({ maxTokens: 5 })
    const iterator = run[Symbol.asyncIterator]()
    const steps = await Promise.all(Array.from({ length: 10 }, () => iterator.next()))
    expect(steps.at(-1)).toEqual({ value: undefined, done: true })
    const deltas = steps.flatMap(({ value }) => (value ? [value] : []))
    expect(joined(deltas).tokenIds).toEqual((await run).tokenIds)
  })

  test('the result is frozen and says what was used', async () => {
    const result = await start()
    expect(Object.isFrozen(result)).toBe(true)
    expect(Object.keys(result).sort()).toEqual(
      ['finishReason', 'receipt', 'seed', 'text', 'timings', 'tokenIds', 'usage'].sort(),
    )
  })
})

describe('an inference', () => {
  test('has a stream that is not thenable and survives an async function', async () => {
    const run = start()
    const giveStream = async () => run.stream
    const stream = await giveStream()
    expect('then' in stream).toBe(false)
    expect(stream).toBe(run.stream)
    const deltas = await collect(stream)
    expect(joined(deltas).text).toBe((await run).text)
  })

  test('has a result that is a plain promise', async () => {
    const run = start({ maxTokens: 2 })
    expect(run.result).toBeInstanceOf(Promise)
    expect(run.result.constructor).toBe(Promise)
    expect(run).toBeInstanceOf(Inference)
    expect((await run.result).tokenIds).toHaveLength(2)
  })

  test('delivers its pieces once', async () => {
    const run = start({ maxTokens: 3 })
    await collect(run)
    const again = run[Symbol.asyncIterator]()
    expect(await rejection(again.next())).toBeInstanceOf(InferenceConsumedError)
    expect(await rejection(collect(run.stream))).toMatchObject({ code: 'INFERENCE_CONSUMED' })
    expect((await run).tokenIds).toHaveLength(3)
  })

  test('does not let a second iterator disturb the first', async () => {
    const run = start()
    const first = run[Symbol.asyncIterator]()
    await first.next()
    expect(await rejection(run[Symbol.asyncIterator]().next())).toBeInstanceOf(InferenceConsumedError)
    expect(await first.next()).toMatchObject({ done: false })
    expect(await run).toMatchObject({ finishReason: 'length' })
  })

  test('has the then, catch and finally of a promise', async () => {
    expect(await start({ maxTokens: 1 }).then((result) => result.tokenIds.length)).toBe(1)
    expect(await start({ maxTokens: 1 }).then()).toMatchObject({ finishReason: 'length' })
    expect(await start({ maxTokens: 1 }).catch(() => 'caught')).toMatchObject({ finishReason: 'length' })
    expect(await start({ maxTokens: 0 }).catch((error) => (error as InvalidOptionError).path)).toBe(
      'maxTokens',
    )
    expect(await start({ maxTokens: 0 }).then(null, (error) => (error as InvalidOptionError).code)).toBe(
      'INVALID_OPTION',
    )
    let called = 0
    const count = () => {
      called++
    }
    await start({ maxTokens: 1 }).finally(count)
    expect(await rejection(start({ maxTokens: 0 }).finally(count))).toBeInstanceOf(InvalidOptionError)
    expect(called).toBe(2)
  })

  test('gives its error to the reader once, and to the awaiting every time', async () => {
    const run = generateInference([], { model })
    const iterator = run[Symbol.asyncIterator]()
    const error = await rejection(iterator.next())
    expect(error).toBeInstanceOf(InvalidMessagesError)
    expect(await iterator.next()).toEqual({ value: undefined, done: true })
    expect(await rejection(run)).toBe(error)
    expect(await rejection(run.result)).toBe(error)
  })
})

describe('nothing that is wrong with a call is thrown', () => {
  test.each([
    ['no options', undefined],
    ['null', null],
    ['a string', 'options'],
    ['an array', []],
    ['no model', {}],
    ['another object as the model', { model: {} }],
    ['a promise as the model', { model: Promise.resolve() }],
  ])('generateInference() with %s as its options rejects', async (_, options) => {
    const run = generateInference(hello, options as never)
    expect(run).toBeInstanceOf(Inference)
    expect(await rejection(run)).toBeInstanceOf(InvalidOptionError)
  })

  test.each([
    ['null', null],
    ['a string', 'options'],
    ['an array', []],
    ['an unknown option', { maxToken: 1 }],
    ['a model', { model: 1 }],
  ])('model.generateInference() with %s as its options rejects', async (_, options) => {
    expect(await rejection(model.generateInference(hello, options as never))).toBeInstanceOf(
      InvalidOptionError,
    )
  })

  test('options are read once each, inherited ones too', async () => {
    const reads: string[] = []
    class Options {
      get model() {
        reads.push('model')
        return model
      }
      get maxTokens() {
        reads.push('maxTokens')
        return 2
      }
    }
    expect((await generateInference(hello, new Options())).tokenIds).toHaveLength(2)
    expect(reads.sort()).toEqual(['maxTokens', 'model'])
    expect((await model.generateInference(hello, Object.create({ maxTokens: 3 }))).tokenIds).toHaveLength(3)
  })

  test('what an accessor throws is the cause of the rejection', async () => {
    const cause = new Error('mine')
    const options = {
      model,
      get seed(): number {
        throw cause
      },
    }
    const error = await rejection(generateInference(hello, options))
    expect(error).toBeInstanceOf(InvalidOptionError)
    expect(error).toMatchObject({ path: 'seed', cause })
  })
})

describe('leaving a loop', () => {
  test('break cancels, and the result keeps what there was', async () => {
    const full = await start({ maxTokens: 300 })
    const run = start({ maxTokens: 300 })
    let text = ''
    let count = 0
    for await (const delta of run) {
      text += delta.text
      if (++count === 3) break
    }
    const error = await rejection(run)
    expect(error).toBeInstanceOf(CancelledError)
    const { partial } = error as CancelledError
    expect(partial?.text.startsWith(text)).toBe(true)
    expect(full.text.startsWith(partial?.text ?? '?')).toBe(true)
    expect(full.tokenIds.slice(0, partial?.tokenIds.length)).toEqual(partial?.tokenIds)
    expect(partial?.tokenIds.length).toBeLessThan(300)
    expect(partial).toMatchObject({ seed: 1, usage: { completionTokens: partial?.tokenIds.length } })
    expect(partial).not.toHaveProperty('finishReason')
    expect(Object.isFrozen(partial)).toBe(true)
    await until('its cells are free', () => model.status.usedCells === 0)
  })

  test('an exception cancels, and reaches the caller', async () => {
    const run = start({ maxTokens: 300 })
    const mine = new Error('mine')
    const loop = async () => {
      for await (const _ of run) throw mine
    }
    expect(await rejection(loop())).toBe(mine)
    expect(await rejection(run)).toBeInstanceOf(CancelledError)
  })

  test('return() cancels before the end, and changes nothing after it', async () => {
    const early = start({ maxTokens: 300 })
    const iterator = early[Symbol.asyncIterator]()
    expect(await iterator.return?.()).toEqual({ value: undefined, done: true })
    expect(await iterator.next()).toEqual({ value: undefined, done: true })
    expect(await rejection(early)).toBeInstanceOf(CancelledError)

    const late = start({ maxTokens: 2 })
    const result = await late
    expect(await late[Symbol.asyncIterator]().return?.()).toEqual({ value: undefined, done: true })
    expect(await late).toBe(result)
  })
})

describe('many runs at once', () => {
  const asked = Array.from({ length: 32 }, (_, i) => ({
    messages: user(`Question ${i}: ${'why '.repeat(i)}`),
    options: { maxTokens: 4 + (i % 8), seed: i, ignoreEndOfSequence: true },
  }))

  test('32 runs of shared batches all finish, in a cache that holds only some of them', async () => {
    await using shared = await loadRepeatable({ maxSequences: 8, contextSize: 256, cacheSize: 256 })
    const runs = asked.map(({ messages, options }) => shared.generateInference(messages, options))
    const deltas = await Promise.all(runs.map(collect))
    for (const [i, run] of runs.entries()) {
      const { text, tokenIds, finishReason, usage } = await run
      expect(tokenIds).toHaveLength(4 + (i % 8))
      expect(finishReason).toBe('length')
      expect(joined(deltas[i] ?? [])).toEqual({ text, tokenIds })
      const prompt = await shared.renderPrompt(asked[i]?.messages ?? [])
      expect(usage).toEqual({
        promptTokens: prompt.tokenIds.length,
        cachedTokens: expect.any(Number),
        completionTokens: 4 + (i % 8),
      })
      // Control tokens and padding have no text of their own.
      const visible = tokenIds.filter((id) => id < 151_643)
      expect(text).toBe(await shared.detokenize(visible))
    }
    await until('nothing runs any more', () => shared.status.running === 0 && shared.status.usedCells === 0)
    expect(shared.status).toMatchObject({ waiting: 0, running: 0, usedCells: 0 })
  })

  test('in line for one place, each answers as if it were alone', async () => {
    const together = await Promise.all(
      asked.map(({ messages, options }) => model.generateInference(messages, options)),
    )
    for (const [i, { messages, options }] of asked.entries()) {
      const alone = await model.generateInference(messages, options)
      expect(together[i]?.tokenIds).toEqual(alone.tokenIds)
      expect(together[i]?.text).toBe(alone.text)
    }
  })
})

test('a slow reader misses nothing', async () => {
  const run = start({ maxTokens: 200 })
  const deltas: Delta[] = []
  for await (const delta of run) {
    deltas.push(delta)
    const seen = model.status.usedCells
    // Ask for the next piece only when the run is further on, or over.
    await until('the run goes on', () => model.status.usedCells > seen + 8 || model.status.running === 0)
  }
  const result = await run
  expect(joined(deltas)).toEqual({ text: result.text, tokenIds: result.tokenIds })
  expect(deltas.length).toBeLessThan(200)
  expect(Math.max(...deltas.map(({ tokenIds }) => tokenIds.length))).toBeGreaterThan(1)
})

test('errors that nobody looks at are no unhandled rejections', async () => {
  await expectScript(
    `process.on('unhandledRejection', (reason) => console.log('UNHANDLED', reason))
    const model = await loadModel(tinyModel, { ...quick, maxSequences: 1 })
    const codes = []
    const start = (messages, options) => generateInference(messages, { model, ...options })
    const runs = [
      start([]), start(user('a'), { maxTokens: 0 }), start(promptOf(300)), generateInference(user('a')),
      start(user('a'), { signal: AbortSignal.abort() }), start(user('a'), { maxTokens: 200 }),
    ]
    runs.at(-1).cancel()
    for await (const delta of start(user('a'), { maxTokens: 200 })) break
    runs.push(start(user('a'), { maxTokens: 200 }))
    await model.dispose()
    runs.push(start(user('a')))
    await new Promise((resolve) => setImmediate(resolve))
    for (const run of runs) await run.catch((error) => codes.push(error.code ?? error.name))
    console.log(codes.join(' '))`,
    {
      stdout: `${[
        'INVALID_MESSAGES',
        'INVALID_OPTION',
        'CONTEXT_OVERFLOW',
        'INVALID_OPTION',
        DOMException.ABORT_ERR,
        'CANCELLED',
        'DISPOSED',
        'DISPOSED',
      ].join(' ')}\n`,
    },
  )
})

test('an error of one run does not touch the others', async () => {
  const good = start()
  const bad = generateInference(user(' a'.repeat(1000)), { model })
  const alsoGood = start()
  expect(await rejection(bad)).toBeInstanceOf(ContextOverflowError)
  expect((await good).text).toBe((await alsoGood).text)
})
