// How options are refused: the texts, and values that only look right.
import { generateInference, type Model, verifyReceipt } from 'verbatim-llama'
import { createWorker } from 'verbatim-llama/worker'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readLoadOptions } from '#lib/options/read.js'
import { loadRepeatable, rejection, spmModel, user } from './support/model.js'
import { generate, refusal } from './support/options.js'

let model: Model
beforeAll(async () => {
  model = await loadRepeatable({}, spmModel)
})
afterAll(() => model.dispose())

test('a signal that cannot be listened to, or not be left, is refused', () => {
  const [addEventListener, removeEventListener] = [() => {}, () => {}]
  const signal = { aborted: false, addEventListener, removeEventListener }
  expect(generate({ signal }).signal).toBe(signal)
  for (const lacking of [
    { aborted: false, addEventListener },
    { aborted: false, removeEventListener },
    { aborted: false, addEventListener, removeEventListener: 1 },
  ])
    expect(refusal(() => generate({ signal: lacking })).message).toMatch(/^signal must be an AbortSignal/)
})
