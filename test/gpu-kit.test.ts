// The GPU kit runs where nobody can help it: what is packed must be all there, and a call must go on where the last stopped.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { compilingHelps } from '../scripts/gpu-kit/build.js'
import { executeStep, lastLines } from '../scripts/gpu-kit/execute.js'
import { findLibraries } from '../scripts/gpu-kit/libraries.js'
import { LLAMA_FILES, OWN_FILES, PROJECTS } from '../scripts/gpu-kit/pack.js'
import { writeReport } from '../scripts/gpu-kit/report.js'
import { type Execution, runStages } from '../scripts/gpu-kit/runner.js'
import type { KitContext, Stage, Step } from '../scripts/gpu-kit/step.js'
import { STAGES, STEPS } from '../scripts/gpu-kit/steps.js'
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
  return {
    name,
    group: 'test',
    title: name,
    usualSeconds: 60,
    limitSeconds: 100,
    run: async () => ({}),
    ...more,
  }
}

/** A stage without a limit of its own. */
const rest = (...steps: Step[]): Stage => ({ title: 'all', steps })
const stage = (limitSeconds: number, ...steps: Step[]): Stage => ({ title: 'some', limitSeconds, steps })
const status = (name: string) => new Store(folder, 'gpu').read(name)?.status

/** One call of the kit, in which each step takes so many seconds of an imagined clock. */
async function call(
  stages: readonly Stage[],
  {
    budget = 1000,
    takes = {} as Record<string, number>,
    usually = 50,
    mode = 'gpu' as 'gpu' | 'cpu',
    results = {} as Record<string, Execution>,
  } = {},
) {
  let now = 0
  const executed: string[] = []
  const done = await runStages(stages, {
    store: new Store(folder, mode),
    mode,
    budgetSeconds: budget,
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
      reason: 'needs test, which did not pass',
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
    // The next call has all of its time for it.
    expect(await call(stages, { budget: 200, takes: { slow: 150 } })).toEqual({
      done: true,
      executed: ['slow'],
    })
    expect(status('slow')).toBe('passed')
  })
})

describe('the report', () => {
  const context = (): KitContext => ({
    cpuOnly: true,
    root: repository,
    report: folder,
    work: folder,
    models: folder,
    libraries: null,
    libraryPath: '',
    ownLibraryPath: '',
  })
  const read = (name: string) => readFileSync(join(folder, name), 'utf8')

  test('says what passed, failed, was skipped or ended early and why, and that a dry run proves nothing', async () => {
    const steps = ['good', 'bad', 'cut', 'gpu', 'later'].map((name) =>
      step(name, { needsGpu: name === 'gpu' }),
    )
    const log = ['the end', 'of the ``` log']
    const bad: Execution = { status: 'failed', reason: 'tokens\ndiffer', findings: {}, log }
    const cut: Execution = { status: 'partial', reason: 'it was ended after 40 s', findings: {} }
    await call([rest(...steps.slice(0, 4))], { mode: 'cpu', results: { bad, cut } })
    expect(writeReport(steps, context(), null).counts).toEqual({
      passed: 1,
      failed: 1,
      partial: 1,
      skipped: 1,
      missing: 1,
    })
    const text = read('report.md')
    expect(text).toContain('**CPU dry run, proves nothing about a GPU.**')
    expect(text).toContain('1 passed, 1 failed, 1 partial, 1 skipped, 1 not run yet.')
    expect(text).toContain('- bad: tokens · differ')
    expect(text).toContain('- cut: it was ended after 40 s')
    expect(text).toContain('- gpu: needs a GPU; this is a dry run on the CPU')
    expect(text).toContain('- later')
    expect(text).toContain("## The end of bad's log\n\n```\nthe end\nof the ''' log\n```")
    expect(JSON.parse(read('report.json')).results[1].log).toEqual(log)
  })

  test('is written after every step', async () => {
    const written: string[] = []
    await runStages([rest(step('a'), step('b'))], {
      store: new Store(folder, 'cpu'),
      mode: 'cpu',
      budgetSeconds: 1000,
      say: () => {},
      execute: async () => passed,
      kept: () => {
        writeReport([step('a'), step('b')], context(), null)
        written.push(read('report.md'))
      },
    })
    expect(written.map((text) => /(\d) passed/.exec(text)?.[1])).toEqual(['1', '2'])
  })

  test('keeps the last sixty lines of a log, and of each line the beginning', () => {
    const lines = lastLines(Array.from({ length: 100 }, (_, i) => `${i} ${'x'.repeat(500)}`).join('\n'))
    expect(lines).toHaveLength(60)
    expect(lines[0]).toMatch(/^40 x{197}$/)
  })
})

describe.runIf(process.platform === 'linux')('a step in a process of its own', () => {
  /** Runs this as the step's process. */
  const execute = (script: string, { seconds = 60, cut = false, more = {} as Partial<Step> } = {}) => {
    const module = join(folder, 'step.mjs')
    writeFileSync(module, script)
    const context: KitContext = {
      cpuOnly: true,
      root: repository,
      report: folder,
      work: folder,
      models: folder,
      libraries: null,
      libraryPath: '/where/cuda/is',
      ownLibraryPath: '',
    }
    return executeStep(step('a', more), context, seconds, cut, module)
  }
  const hang = 'setInterval(() => {}, 1000)'
  const tell = `process.send({ status: 'told', findings: { facts: { known: 1 } } })`

  test('says what it has found', async () => {
    const result = await execute(`
      const [name, context, seconds] = process.argv.slice(2)
      const facts = { name, seconds, root: JSON.parse(context).root, path: process.env.LD_LIBRARY_PATH }
      process.send({ status: 'passed', reason: null, findings: { facts } }, () => process.exit())`)
    expect(result).toEqual({
      status: 'passed',
      reason: null,
      findings: { facts: { name: 'a', seconds: '60', root: repository, path: '/where/cuda/is' } },
    })
  })

  test('that dies has failed, with what it knew and the end of what it printed', async () => {
    const result = await execute(
      `${tell}; console.error('CUDA error'); setTimeout(() => process.abort(), 100)`,
    )
    expect(result).toMatchObject({
      status: 'failed',
      reason: expect.stringContaining('SIGABRT'),
      findings: { facts: { known: 1 } },
      log: expect.arrayContaining(['CUDA error']),
    })
    expect(readFileSync(join(folder, 'logs/a.log'), 'utf8')).toContain('CUDA error')
  })

  test('that is ended early is partial, with what it knew and what it printed', async () => {
    const script = `${tell}; console.log('hello'); ${hang}`
    expect(await execute(script, { seconds: 1.5, cut: true })).toEqual({
      status: 'partial',
      reason: 'it was ended after 2 s',
      findings: { facts: { known: 1 } },
      log: ['hello'],
    })
  })

  test('that is ended at its own limit without a finding has failed; a build goes on', async () => {
    expect(await execute(hang, { seconds: 1 })).toMatchObject({ status: 'failed' })
    expect(await execute(hang, { seconds: 1, more: { resumes: true } })).toMatchObject({
      status: 'partial',
      reason: expect.stringContaining('a further call goes on'),
    })
  })

  test('ends with all that it has started, in other process groups too', async () => {
    const script = `
      import { spawn } from 'node:child_process'
      const child = spawn('bash', ['-c', 'set -m; sleep 600 & echo $!; wait'])
      child.stdout.on('data', (pid) => process.send({ status: 'told', findings: { facts: { pid: Number(pid) } } }))`
    const { findings } = await execute(script, { seconds: 2, cut: true })
    const pid = findings.facts?.pid as number
    expect(pid).toBeGreaterThan(0)
    const state = () => /^State:\s+(\w)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    await expect.poll(() => !existsSync(`/proc/${pid}`) || state() === 'Z').toBe(true)
  })
})

test('libraries of CUDA are taken from the first place that has them, and the loader is told what it does not know', () => {
  const place = (what: 'toolkit' | 'loader' | 'Python', ...names: string[]) => {
    const path = join(folder, what)
    mkdirSync(path)
    for (const name of names) writeFileSync(join(path, name), '')
    return { what, folder: path }
  }
  const toolkit = place('toolkit', 'libcudart.so.13')
  const loader = place('loader', 'libcuda.so.1', 'libcudart.so.13')
  const python = place('Python', 'libcublas.so.13', 'libcudart.so.13')
  const names = ['libcuda.so.1', 'libcudart.so.13', 'libcublas.so.13', 'libnone.so.1']
  const { found, libraryPath } = findLibraries(names, [toolkit, loader, python])
  expect(found).toEqual({
    'libcuda.so.1': loader,
    'libcudart.so.13': toolkit,
    'libcublas.so.13': python,
    'libnone.so.1': null,
  })
  const own = process.env.LD_LIBRARY_PATH
  expect(libraryPath).toBe([toolkit.folder, python.folder, ...(own ? [own] : [])].join(':'))
})

test.each([
  ['none was packed', true],
  ['…libggml-cuda.so: libcublas.so.13: cannot open shared object file: No such file or directory', true],
  ['…libggml-cuda.so: libcuda.so.1: cannot open shared object file: No such file or directory', false],
  ["/lib/libc.so.6: version `GLIBC_2.38' not found (required by llama-bench)", true],
  ['verbatim-llama: before that: CUDA error: no kernel image is available for execution on the device', true],
  ['a GPU has compute capability 8.0, and this library was built for 9.0 and later', true],
  [
    'CUDA driver version is insufficient for CUDA runtime version. To use it, update the NVIDIA driver',
    false,
  ],
  ['it finds no device. To use it, nvidia-smi must list a GPU', false],
  ['the addon does not work on this machine (spawnSync node ETIMEDOUT): ', false],
])(
  'of what is packed and does not load another is compiled only where it can be better: %s',
  (reason, helps) => {
    expect(compilingHelps(reason)).toBe(helps)
  },
)

test('the limits of the stages fit into a call of seven minutes, and only the last stage has none', () => {
  const limits = STAGES.map(({ limitSeconds }) => limitSeconds)
  expect(limits.filter((limit) => limit === undefined)).toHaveLength(1)
  expect(limits.at(-1)).toBeUndefined()
  expect(limits.reduce((sum: number, limit) => sum + (limit ?? 0), 0)).toBeLessThanOrEqual(420)
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
