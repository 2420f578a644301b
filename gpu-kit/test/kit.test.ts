// The GPU kit runs where nobody can help it: its files must all be there, and a call must go on where the last stopped.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { llamaCppDir } from '../../scripts/make-model/vocab.js'
import { LLAMA_FILES, OWN_FILES, PROJECTS } from '../pack/archive.js'
import { findLibraries } from '../run/cuda-libraries.js'
import { compilingHelps } from '../run/packed-or-built.js'
import { writeReport } from '../run/report.js'
import { Store } from '../run/result-store.js'
import { STAGES, STEPS } from '../run/stages.js'
import { executeStep, lastLines } from '../run/step-supervisor.js'
import type { KitContext, Step } from '../run/step-types.js'
import { type Execution, runStages } from '../run/time-budget.js'
import { rest, step } from './support.js'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const passed: Execution = { status: 'passed', reason: null, findings: {} }

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpu-kit-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

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

describe('the report', () => {
  const read = (name: string) => readFileSync(join(folder, name), 'utf8')

  test('says what passed, failed, was skipped or ended early and why, and that a dry run proves nothing', async () => {
    const steps = ['good', 'bad', 'cut', 'gpu', 'later'].map((name) =>
      step(name, { needsGpu: name === 'gpu' }),
    )
    const log = ['the end', 'of the ``` log']
    const bad: Execution = { status: 'failed', reason: 'tokens\ndiffer', findings: {}, log }
    const cut: Execution = { status: 'partial', reason: 'it was ended after 40 s', findings: {} }
    const results: Record<string, Execution> = { bad, cut }
    let seconds = 0
    await runStages([rest(...steps.slice(0, 4))], {
      store: new Store(folder, 'cpu'),
      mode: 'cpu',
      budgetSeconds: 1000,
      say: () => {},
      now: () => seconds,
      execute: async ({ name }) => {
        seconds += 300
        return results[name] ?? passed
      },
    })
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
    expect(lines[0]).toMatch(/^40 x{397}$/)
  })
})

describe.runIf(process.platform === 'linux')('a step in a process of its own', () => {
  /** Runs `script` as the step's process. */
  const execute = (script: string, { seconds = 60, cut = false, more = {} as Partial<Step> } = {}) => {
    const module = join(folder, 'step.mjs')
    writeFileSync(module, script)
    const withCuda = { ...context(), libraryPath: '/where/cuda/is' }
    return executeStep(step('a', more), withCuda, seconds, cut, module)
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
  // Require that a call of ten minutes is enough for each.
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
  const peers = new Set(['verbatim-llama', 'node-llama-cpp', '@fugood/llama.node']) // and unmeasured peers
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!path.endsWith('.js')) continue
    const text = readFileSync(join(folder, path), 'utf8')
    for (const [, name = ''] of text.matchAll(/(?:from|import\() ?['"]([^'".][^'"]*)['"]/g))
      expect(name.startsWith('node:') || packed.has(name) || peers.has(name), `${path}: ${name}`).toBe(true)
  }
})

test('run.sh is a shell script that names no tool of the machine that packed it', () => {
  const text = readFileSync(join(repository, 'gpu-kit/run/run.sh'), 'utf8')
  expect(text).toMatch(/^#!\/bin\/sh\n/)
  expect(text).toContain('set -eu')
  expect(spawnSync('sh', ['-n'], { input: text }).status).toBe(0)
})
