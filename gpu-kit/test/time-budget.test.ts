// The order in which the GPU kit does its steps, and its use of the time that it has.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Store } from '../run/result-store.js'
import type { Stage, Step, StepResult } from '../run/step-types.js'
import { type Execution, runStages } from '../run/time-budget.js'
import { rest, step } from './support.js'

const passed: Execution = { status: 'passed', reason: null, findings: {} }

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpu-kit-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const stage = (limitSeconds: number, ...steps: Step[]): Stage => ({ title: 'some', limitSeconds, steps })
const status = (name: string) => new Store(folder, 'gpu').read(name)?.status

/** Calls the kit with an imagined clock, on which a step takes its seconds in `takes`, or `usually`. */
async function call(
  stages: readonly Stage[],
  {
    budget = 1000,
    takes = {} as Record<string, number>,
    usually = 50,
    mode = 'gpu' as 'gpu' | 'cpu',
    results = {} as Record<string, Execution>,
    again = new Set<string>() as ReadonlySet<string>,
    isStale = (_: StepResult): boolean => false,
  } = {},
) {
  let now = 0
  const executed: string[] = []
  const done = await runStages(stages, {
    store: new Store(folder, mode),
    mode,
    budgetSeconds: budget,
    again,
    isStale,
    say: () => {},
    now: () => now,
    execute: async ({ name }, seconds): Promise<Execution> => {
      executed.push(name)
      const wanted = takes[name] ?? usually
      now += Math.min(wanted, seconds)
      if (wanted <= seconds) return results[name] ?? passed
      return { status: 'partial', reason: 'it was ended', findings: {} }
    },
  })
  return { done, executed }
}

describe('a call', () => {
  test('stops before its budget is used up, and the next goes on', async () => {
    const stages = [rest(...['a', 'b', 'c', 'd'].map((name) => step(name)))]
    expect(await call(stages, { budget: 210 })).toEqual({ done: false, executed: ['a', 'b', 'c'] })
    expect(await call(stages, { budget: 210 })).toEqual({ done: true, executed: ['d'] })
    expect(await call(stages)).toEqual({ done: true, executed: [] })
  })

  test('goes on with a build where it was interrupted; another step that needs more than a whole call has failed', async () => {
    const build = [rest(step('build', { resumes: true }))]
    expect(await call(build, { budget: 60, usually: 90 })).toEqual({ done: false, executed: ['build'] })
    expect(status('build')).toBe('partial')
    expect(await call(build, { usually: 900 })).toMatchObject({ done: true }) // longer than its limit
    const other = [rest(step('test'))]
    expect(await call(other, { budget: 60, usually: 90 })).toEqual({ done: true, executed: ['test'] })
    expect(new Store(folder, 'gpu').read('test')).toMatchObject({
      status: 'failed',
      reason: expect.stringMatching(/larger --budget/),
    })
  })

  test('tries a failed build again, a failed test not, and skips what needs it', async () => {
    const stages = [
      rest(step('build', { resumes: true }), step('test'), step('needs-test', { after: ['test'] })),
    ]
    const failed: Execution = { status: 'failed', reason: 'broken', findings: {} }
    const { executed } = await call(stages, { results: { build: failed, test: failed } })
    expect(executed).toEqual(['build', 'test'])
    expect(new Store(folder, 'gpu').read('needs-test')).toMatchObject({
      status: 'skipped',
      reason: 'needs test (failed)',
    })
    expect((await call(stages)).executed).toEqual(['build'])
  })

  test('loses no time with steps that are skipped at once', async () => {
    const skipped: Execution = { status: 'skipped', reason: 'no torch', findings: {} }
    const stages = [rest(step('a'), step('b', { usualSeconds: 400 }))]
    const results = { a: skipped, b: skipped }
    expect(await call(stages, { budget: 400, usually: 1, results })).toEqual({
      done: true,
      executed: ['a', 'b'],
    })
  })

  test('does what was skipped once nothing is in the way', async () => {
    const stages = [rest(step('build', { resumes: true }), step('test', { after: ['build'] }))]
    const failed: Execution = { status: 'failed', reason: 'no compiler', findings: {} }
    expect((await call(stages, { results: { build: failed } })).executed).toEqual(['build'])
    expect((await call(stages)).executed).toEqual(['build', 'test'])
    expect((await call(stages)).executed).toEqual([])
  })

  test('of the dry run skips what needs a GPU, needs none of it, and counts for nothing in a real run', async () => {
    const stages = [rest(step('a'), step('gpu', { needsGpu: true }), step('b', { after: ['gpu'] }))]
    expect((await call(stages, { mode: 'cpu' })).executed).toEqual(['a', 'b'])
    expect(new Store(folder, 'cpu').read('gpu')?.reason).toMatch(/dry run/)
    expect((await call(stages)).executed).toEqual(['a', 'gpu', 'b'])
  })
})

test('what is to be done again keeps what it found until it is done', async () => {
  const stages = [rest(step('build', { resumes: true }), step('a', { after: ['build'] }), step('b'))]
  await call(stages)
  const again = new Set(['a'])
  const failed: Execution = { status: 'failed', reason: 'no compiler', findings: {} }
  expect((await call(stages, { again })).executed).toEqual(['a'])
  new Store(folder, 'gpu').remove('build')
  expect((await call(stages, { again, results: { build: failed } })).executed).toEqual(['build'])
  expect(status('a')).toBe('passed')
})

test('what has left something is done anew where that is gone', async () => {
  const stages = [rest(step('model'), step('bench', { after: ['model'] }))]
  await call(stages)
  const isStale = ({ name, seconds }: StepResult) => name === 'model' && seconds === 50
  expect((await call(stages, { isStale, usually: 40 })).executed).toEqual(['model'])
})

test('a build that fails for long in every call keeps nothing from being done in the end', async () => {
  const stages = [rest(step('build', { resumes: true }), step('long', { usualSeconds: 90 }))]
  const failed: Execution = { status: 'failed', reason: 'no compiler', findings: {} }
  const options = { budget: 120, takes: { build: 60 }, results: { build: failed } }
  expect(await call(stages, options)).toEqual({ done: false, executed: ['build'] })
  expect(await call(stages, options)).toEqual({ done: true, executed: ['build', 'long'] })
})

test('what was ended at its own limit is not begun again with the same', async () => {
  const stages = [rest(step('a'), step('slow', { limitSeconds: 100 }))]
  const budget = Number.POSITIVE_INFINITY
  expect(await call(stages, { budget, takes: { slow: 500 } })).toEqual({
    done: true,
    executed: ['a', 'slow'],
  })
  expect(await call(stages, { budget, takes: { slow: 500 } })).toEqual({ done: true, executed: [] })
})

describe('a stage', () => {
  const quick = (name: string, more: Partial<Step> = {}) => step(name, { usualSeconds: 10, ...more })

  test('is ended at its limit, so that those after it have theirs', async () => {
    const stages = [stage(40, quick('slow')), stage(60, quick('next')), rest(step('last'))]
    expect(await call(stages, { budget: 150, takes: { slow: 90 } })).toEqual({
      done: false,
      executed: ['slow', 'next'],
    })
    expect(['slow', 'next', 'last'].map(status)).toEqual(['partial', 'passed', undefined])
  })

  test('has what those before it have left', async () => {
    const stages = [stage(60, quick('a')), stage(60, quick('b'))]
    await call(stages, { takes: { a: 10, b: 95 } })
    expect(status('b')).toBe('passed')
  })

  test('counts of a build that has to be done here no more than looking at what was packed takes', async () => {
    const stages = [stage(30, quick('build', { resumes: true }), quick('a'))]
    const takes = { build: 300, a: 15 }
    expect(await call(stages, { takes })).toEqual({ done: true, executed: ['build', 'a'] })
    expect(status('a')).toBe('passed')
  })

  test('is gone through again when time is left: what was not begun, and what was ended early', async () => {
    const stages = [stage(40, quick('slow'), quick('starved')), stage(60, quick('next')), rest(step('last'))]
    const { done, executed } = await call(stages, { takes: { slow: 70 } })
    expect(executed).toEqual(['slow', 'next', 'starved', 'last', 'slow'])
    expect(done).toBe(true)
    expect(['slow', 'starved', 'next', 'last'].map(status)).toEqual(Array(4).fill('passed'))
  })

  test('does what fits into the time that is left, past what does not', async () => {
    const stages = [stage(20, quick('slow')), rest(step('long', { usualSeconds: 200 }), quick('short'))]
    expect(await call(stages, { budget: 150, takes: { slow: 90 } })).toEqual({
      done: false,
      executed: ['slow', 'short', 'slow'],
    })
    expect(['slow', 'long', 'short'].map(status)).toEqual(['partial', undefined, 'passed'])
  })

  test('does what needs a step that was ended early, once that has passed', async () => {
    const stages = [stage(20, quick('model'), quick('bench', { after: ['model'] }))]
    const { done, executed } = await call(stages, { takes: { model: 90 } })
    expect(executed).toEqual(['model', 'model', 'bench'])
    expect(done).toBe(true)
  })

  test('does not begin again what was ended early while there is too little time for more', async () => {
    const stages = [stage(50, quick('slow', { limitSeconds: 300 })), stage(60, quick('next'))]
    expect(await call(stages, { budget: 200, takes: { slow: 500 } })).toEqual({
      done: false,
      executed: ['slow', 'next'],
    })
    // Call again: the next call has all of its time for the step.
    expect(await call(stages, { budget: 200, takes: { slow: 150 } })).toEqual({
      done: true,
      executed: ['slow'],
    })
    expect(status('slow')).toBe('passed')
  })
})
