// The GPU kit runs where nobody can help it: what is packed must be all there, and a call must go on where the last stopped.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LLAMA_FILES, OWN_FILES, PROJECTS } from '../scripts/gpu-kit/pack.js'
import { writeReport } from '../scripts/gpu-kit/report.js'
import { type Execution, runSteps } from '../scripts/gpu-kit/runner.js'
import type { KitContext, Step } from '../scripts/gpu-kit/step.js'
import { STEPS } from '../scripts/gpu-kit/steps.js'
import { Store } from '../scripts/gpu-kit/store.js'
import { llamaCppDir } from '../scripts/make-model/vocab.js'

const repository = fileURLToPath(new URL('..', import.meta.url))
const passed: Execution = { status: 'passed', reason: null, findings: {} }

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpu-kit-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function step(name: string, more: Partial<Step> = {}): Step {
  return { name, group: 'test', title: name, limitSeconds: 100, run: async () => ({}), ...more }
}

/** One call of the kit, in which each step takes so many seconds of an imagined clock. */
async function call(
  steps: readonly Step[],
  {
    budget = 1000,
    takes = 50,
    mode = 'gpu' as 'gpu' | 'cpu',
    results = {} as Record<string, Execution>,
  } = {},
) {
  let now = 0
  const executed: string[] = []
  const done = await runSteps(steps, {
    store: new Store(folder, mode),
    mode,
    budgetSeconds: budget,
    say: () => {},
    now: () => now,
    execute: async ({ name }, seconds) => {
      executed.push(name)
      now += Math.min(takes, seconds)
      if (takes > seconds) return 'interrupted'
      return results[name] ?? passed
    },
  })
  return { done, executed }
}

test('a call stops before its budget is used up, and the next goes on', async () => {
  const steps = ['a', 'b', 'c', 'd'].map((name) => step(name))
  expect(await call(steps, { budget: 215 })).toEqual({ done: false, executed: ['a', 'b', 'c'] })
  expect(await call(steps, { budget: 215 })).toEqual({ done: true, executed: ['d'] })
  expect(await call(steps)).toEqual({ done: true, executed: [] })
})

test('a build goes on where it was interrupted; another step that needs more than a whole call has failed', async () => {
  expect(await call([step('build', { resumes: true })], { budget: 60, takes: 90 })).toEqual({
    done: false,
    executed: ['build'],
  })
  expect(new Store(folder, 'gpu').read('build')).toBeUndefined()
  expect(await call([step('build', { resumes: true })], { takes: 900 })).toMatchObject({ done: true }) // longer than its limit
  expect(await call([step('test')], { budget: 60, takes: 90 })).toEqual({ done: true, executed: ['test'] })
  expect(new Store(folder, 'gpu').read('test')).toMatchObject({ status: 'failed', reason: /larger --budget/ })
})

test('a failed build is tried again, a failed test is not, and what needs it is skipped', async () => {
  const steps = [step('build', { resumes: true }), step('test'), step('needs-test', { after: ['test'] })]
  const failed: Execution = { status: 'failed', reason: 'broken', findings: {} }
  const results = { build: failed, test: failed }
  expect((await call(steps, { results })).executed).toEqual(['build', 'test'])
  expect(new Store(folder, 'gpu').read('needs-test')).toMatchObject({
    status: 'skipped',
    reason: 'needs test, which did not pass',
  })
  expect((await call(steps, { results: {} })).executed).toEqual(['build'])
})

test('steps that are skipped at once take no time from those that need a whole call', async () => {
  const skipped: Execution = { status: 'skipped', reason: 'no torch', findings: {} }
  const steps = [step('a'), step('b', { usualSeconds: 400 })]
  const results = { a: skipped, b: skipped }
  expect(await call(steps, { budget: 400, takes: 1, results })).toEqual({ done: true, executed: ['a', 'b'] })
})

test('what was skipped is done once nothing is in the way', async () => {
  const steps = [step('build', { resumes: true }), step('test', { after: ['build'] })]
  const failed: Execution = { status: 'failed', reason: 'no compiler', findings: {} }
  expect((await call(steps, { results: { build: failed } })).executed).toEqual(['build'])
  expect((await call(steps)).executed).toEqual(['build', 'test'])
  expect((await call(steps)).executed).toEqual([])
})

test('a dry run skips what needs a GPU, and counts for nothing in a real run', async () => {
  const steps = [step('a'), step('b', { needsGpu: true })]
  expect((await call(steps, { mode: 'cpu' })).executed).toEqual(['a'])
  expect(new Store(folder, 'cpu').read('b')?.reason).toMatch(/dry run/)
  expect((await call(steps)).executed).toEqual(['a', 'b'])
})

test('the report says what passed, failed, was skipped and why, and that a dry run proves nothing', async () => {
  const steps = [step('good'), step('bad'), step('gpu', { needsGpu: true }), step('later')]
  const bad: Execution = { status: 'failed', reason: 'tokens\ndiffer', findings: {} }
  await call(steps.slice(0, 3), { mode: 'cpu', results: { bad } })
  const context: KitContext = { cpuOnly: true, root: repository, report: folder, models: folder }
  expect(writeReport(steps, context, null).counts).toEqual({ passed: 1, failed: 1, skipped: 1, missing: 1 })
  const text = readFileSync(join(folder, 'report.md'), 'utf8')
  expect(text).toContain('**CPU dry run, proves nothing about a GPU.**')
  expect(text).toContain('1 passed, 1 failed, 1 skipped, 1 not run yet.')
  expect(text).toContain('- bad: tokens · differ')
  expect(text).toContain('- gpu: needs a GPU; this is a dry run on the CPU')
  expect(text).toContain('- later')
})

test('steps have names of their own, and need only steps before them', () => {
  const names = STEPS.map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
  for (const [index, { after = [] }] of STEPS.entries())
    for (const name of after) expect(names.slice(0, index)).toContain(name)
  // A call of ten minutes must be enough for each.
  for (const { limitSeconds } of STEPS) expect(limitSeconds).toBeLessThan(540)
})

test('what is packed is there', () => {
  for (const path of OWN_FILES) expect(existsSync(join(repository, path)), path).toBe(true)
  for (const path of LLAMA_FILES) expect(existsSync(join(llamaCppDir(), path)), path).toBe(true)
})

test('what is compiled into the kit imports nothing that is not packed', () => {
  const tsc = join(repository, 'node_modules/typescript/bin/tsc')
  for (const project of PROJECTS) {
    const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', project, '--outDir', folder], {
      cwd: repository,
      encoding: 'utf8',
    })
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
  }
  const packed = new Set(OWN_FILES.flatMap((path) => /^node_modules\/(.+)/.exec(path)?.[1] ?? []))
  const peers = new Set(['verbatim-llama', 'node-llama-cpp', '@fugood/llama.node']) // itself, and what is not measured
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!path.endsWith('.js')) continue
    const text = readFileSync(join(folder, path), 'utf8')
    for (const [, name = ''] of text.matchAll(/(?:from|import\() ?['"]([^'".][^'"]*)['"]/g))
      expect(name.startsWith('node:') || packed.has(name) || peers.has(name), `${path}: ${name}`).toBe(true)
  }
})

test('run.sh is a shell script that names no tool of the machine that packed it', () => {
  const text = readFileSync(join(repository, 'scripts/gpu-kit/run.sh'), 'utf8')
  expect(text).toMatch(/^#!\/bin\/sh\n/)
  expect(text).toContain('set -eu')
  expect(spawnSync('sh', ['-n'], { input: text }).status).toBe(0)
})
