// A long prompt beside running streams is computed in a lane of its own (cpp/engine/prefill-lane.h). Native tests check
// its results; these check that only the pace shows.

import { CancelledError, DisposedError, type Inference, loadModel, type Model } from 'verbatim-llama'
import { expect, test } from 'vitest'
import { contentOnly, longModel, promptOf, rejection, until, user } from './support/model.js'

const LONG = 6000

const load = () =>
  loadModel(longModel, {
    contextSize: 8192,
    cacheSize: 16384,
    maxSequences: 4,
    threads: 1,
    chatTemplate: contentOnly,
  })

/** Starts streams that go on until they are cancelled. */
async function startStreams(model: Model): Promise<Inference[]> {
  const streams = ['one', 'two', 'three'].map((text) =>
    model.generateInference(user(text), { maxTokens: 8000, temperature: 5, ignoreEndOfSequence: true }),
  )
  for (const stream of streams) await stream.stream[Symbol.asyncIterator]().next()
  return streams
}

const askLong = (model: Model) =>
  model.generateInference(promptOf(LONG), { maxTokens: 3, temperature: 0, ignoreEndOfSequence: true })

test('a long prompt is answered beside streams, and its prefix is there afterwards', async () => {
  await using model = await load()
  const streams = await startStreams(model)
  const { usage, tokenIds } = await askLong(model)
  expect(usage).toEqual({ promptTokens: LONG, cachedTokens: 0, completionTokens: 3 })
  expect(tokenIds).toHaveLength(3)
  await until('only the streams go on', () => model.status.running === 3)
  expect((await askLong(model)).usage.cachedTokens).toBe(LONG - 1)
  for (const stream of streams) stream.cancel()
  for (const stream of streams) expect(await rejection(stream)).toBeInstanceOf(CancelledError)
  await until('nothing runs', () => model.status.running === 0 && model.status.usedCells === 0)
})

test.each([0, 20, 200])('a long prompt cancelled after %i ms leaves nothing behind', async (milliseconds) => {
  await using model = await load()
  const streams = await startStreams(model)
  const long = askLong(model)
  await new Promise((resolve) => setTimeout(resolve, milliseconds))
  long.cancel()
  await rejection(long)
  for (const stream of streams) stream.cancel()
  await until('nothing runs', () => model.status.running === 0 && model.status.usedCells === 0)
  expect((await askLong(model)).usage.promptTokens).toBe(LONG)
})

test('a model can be disposed while its lane computes', async () => {
  const model = await load()
  const streams = await startStreams(model)
  const long = askLong(model)
  await new Promise((resolve) => setTimeout(resolve, 50))
  await model.dispose()
  expect(await rejection(long)).toBeInstanceOf(DisposedError)
  for (const stream of streams) expect(await rejection(stream)).toBeInstanceOf(DisposedError)
})
