// The profile of the engine's steps, which benchmarks read, changes nothing, and adds up. The durations themselves are
// measured in bench/.

import * as api from 'verbatim-llama'
import { loadModel, type Model } from 'verbatim-llama'
import { expect, test } from 'vitest'
import { probeLogits, STEP_PARTS, startStepProfile, takeStepProfile } from '#lib/step-profile.js'
import { loadRepeatable, mambaModel, rejection, tinyModel, user } from './support/model.js'

const exact = { maxTokens: 12, temperature: 0, ignoreEndOfSequence: true }

/** Runs `count` requests together. */
async function run(model: Model, count: number) {
  const requests = Array.from({ length: count }, (_, i) =>
    model.generateInference(user(`Request ${i}`), exact),
  )
  for (const { tokenIds } of await Promise.all(requests)) expect(tokenIds).toHaveLength(exact.maxTokens)
}

test('a profile says what each step held, and its parts are no more than the step', async () => {
  await using model = await loadModel(tinyModel, { threads: 1, contextSize: 512, maxSequences: 4 })
  startStepProfile(model, 10_000)
  await run(model, 1) // the engine records from its next turn on
  await run(model, 4)
  const steps = takeStepProfile(model)
  expect(steps.some(({ generating }) => generating === 4)).toBe(true)
  expect(steps.reduce((sum, { generating }) => sum + generating, 0)).toBeGreaterThanOrEqual(4 * 11)
  for (const { total, parts } of steps) {
    expect(Object.keys(parts)).toEqual([...STEP_PARTS])
    const covered = STEP_PARTS.reduce((sum, part) => sum + parts[part], 0)
    expect(covered).toBeGreaterThan(0)
    expect(covered).toBeLessThanOrEqual(total + 1e-6)
  }
  await run(model, 1)
  expect(takeStepProfile(model)).toEqual([])
})

test('a profile keeps as many steps as were asked for, and changes no token', async () => {
  await using model = await loadRepeatable()
  const { tokenIds } = await model.generateInference(user('A question'), exact)
  startStepProfile(model, 3)
  expect((await model.generateInference(user('A question'), exact)).tokenIds).toEqual(tokenIds)
  expect((await model.generateInference(user('A question'), exact)).tokenIds).toEqual(tokenIds)
  expect(takeStepProfile(model)).toHaveLength(3)
})

test('logits are probed once nothing is in progress, and the model goes on as before', async () => {
  await using model = await loadModel(tinyModel, { threads: 1, contextSize: 512, maxSequences: 4 })
  const before = await model.generateInference(user('A question'), exact)
  const running = model.generateInference(user('Another'), { ...exact, maxTokens: 100 })
  const probe = await probeLogits(model, { sequences: 4, depth: 100, steps: 4 })
  expect((await running).tokenIds).toHaveLength(100)
  for (const kind of ['all', 'one', 'none'] as const)
    expect(probe[kind].submitMs + probe[kind].waitMs).toBeGreaterThan(0)
  const after = await model.generateInference(user('A question'), exact)
  expect(after.tokenIds).toEqual(before.tokenIds)
  expect(after.usage.cachedTokens).toBe(0) // the probe has taken the cache
})

test('a probe that does not fit, or cannot be, is refused', async () => {
  await using model = await loadModel(tinyModel, { threads: 1, contextSize: 512, maxSequences: 2 })
  const fits = { sequences: 2, depth: 10, steps: 2 }
  for (const wrong of [
    { ...fits, sequences: 0 },
    { ...fits, sequences: 3 },
    { ...fits, depth: 0 },
    { ...fits, steps: 0 },
    { ...fits, depth: 100_000 },
    { ...fits, steps: 4_000_000_000 },
  ])
    expect(await rejection(probeLogits(model, wrong))).toMatchObject({ code: 'INVALID_OPTION' })
  await using recurrent = await loadModel(mambaModel, {
    threads: 1,
    chatTemplate: '{{ messages[0].content }}',
  })
  expect(await rejection(probeLogits(recurrent, fits))).toMatchObject({ code: 'INVALID_OPTION' })
  await model.dispose()
  expect(await rejection(probeLogits(model, fits))).toMatchObject({ code: 'DISPOSED' })
  expect(takeStepProfile(model)).toEqual([])
})

test('the profile is no part of the public API', () => {
  for (const name of ['startStepProfile', 'takeStepProfile', 'probeLogits', 'nativeModelOf'])
    expect(api).not.toHaveProperty(name)
})
