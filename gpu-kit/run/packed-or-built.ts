// The addon, the CUDA backend and the programs: as packed, where they work; otherwise built here from the packed
// sources, in one configuration, so that all of them compute with the same libraries.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { program } from '../../bench/contenders/llama-cpp.js'
import { missingToCompile } from './machine-inventory.js'
import { ask, findCudaTool, runProgram } from './machine-programs.js'
import { readManifest } from './manifest.js'
import { CALL_SECONDS, type KitContext, type Step } from './step-types.js'
import { trainedModel } from './synthetic-models.js'

export const CUDA_LIBRARY = 'libggml-cuda.so'
/** Programs of llama.cpp that are measured. */
export const PROGRAMS = ['llama-bench', 'llama-batched-bench'] as const
/** Properties of all builds; the work of an interrupted one is kept. */
const BUILD = { group: 'build', resumes: true, usualSeconds: 10, limitSeconds: CALL_SECONDS } as const
/** Limit of a try, so that a driver that hangs does not take the whole call. */
const PROBE_MS = 60_000
/** Faults of a packed library that one built here does not have; a missing or old driver is none of them. */
const BUILT_FOR_ANOTHER = new RegExp(
  [
    'none was packed',
    'there is no llama',
    '(?<!libcuda\\.so\\.1: )cannot open shared object',
    'undefined symbol',
    "version `[^']+' not found",
    'compute capability',
    'no kernel image',
    'SIGILL',
  ].join('|'),
)

/** The folder of the addon in use: built for any processor, or for the one that packed the kit. */
export function addonFolder(root: string): string {
  const prebuilt = join(root, 'prebuilds', `${process.platform}-${process.arch}`)
  return existsSync(prebuilt) ? prebuilt : join(root, 'build/Release')
}

export const addon: Step = {
  ...BUILD,
  name: 'addon',
  title: 'the packed addon, or one that is built here where it does not load',
  after: ['check'],
  async run(context) {
    const reason = addonProblem(context, 0)
    if (reason === undefined) return { facts: { used: 'as packed' } }
    compile(context, ['verbatim-llama', 'ggml-cpu'], reason)
    const folder = addonFolder(context.root)
    // Keep a packed CUDA backend, which may work.
    for (const name of readdirSync(folder).filter((file) => /^libggml-cpu/.test(file)))
      rmSync(join(folder, name))
    for (const name of readdirSync(output(context)).filter((file) => /\.(node|so)$/.test(file)))
      copyFileSync(join(output(context), name), join(folder, name))
    const stillWrong = addonProblem(context, 0)
    if (stillWrong !== undefined) throw new Error(stillWrong)
    return { facts: { used: 'built here', why: reason } }
  },
}

export const backend: Step = {
  ...BUILD,
  name: 'backend',
  title: 'the packed CUDA backend, or one that is built for the GPUs of this machine where it does not load',
  needsGpu: true,
  after: ['addon'],
  async run(context) {
    const library = join(addonFolder(context.root), CUDA_LIBRARY)
    let reason = 'none was packed'
    if (existsSync(library)) {
      const problem = addonProblem(context, 1)
      if (problem === undefined)
        return { facts: { used: 'as packed', ...readManifest(context.root)?.backend } }
      reason = problem
    }
    compile(context, ['ggml-cuda'], reason)
    copyFileSync(join(output(context), CUDA_LIBRARY), library)
    const stillWrong = addonProblem(context, 1)
    if (stillWrong !== undefined) throw new Error(stillWrong)
    return { facts: { used: 'built here', why: reason, library } }
  },
}

export const programs: Step = {
  ...BUILD,
  name: 'programs',
  title: 'llama-bench and llama-batched-bench: as packed, or built here where they do not run',
  after: ['addon', 'backend'],
  async run(context) {
    const reason = useProgramsIn(context.root, addonFolder(context.root))
    if (reason === undefined) return { facts: { used: 'as packed' } }
    compile(context, [...PROGRAMS, 'ggml-cpu', ...(context.cpuOnly ? [] : ['ggml-cuda'])], reason)
    const stillWrong = useProgramsIn(context.root, output(context))
    if (stillWrong !== undefined) throw new Error(stillWrong)
    return { facts: { used: 'built here', why: reason } }
  },
}

export const blocker: Step = {
  ...BUILD,
  name: 'blocker',
  title: 'the program that fills the memory of the GPU: as packed, or built here',
  needsGpu: true,
  after: ['backend'],
  async run(context) {
    const path = blockerPath(context)
    if (ask(path, ['--check']) !== undefined) return { facts: { used: 'as packed' } }
    runProgram('c++', blockerArguments(join(context.root, BLOCKER_SOURCE), path))
    return { facts: { used: 'built here' } }
  },
}

export const BLOCKER = 'gpu-kit/gpu-tests/blocker'
export const BLOCKER_SOURCE = 'gpu-kit/gpu-tests/blocker.cpp'

/** Arguments for a C++ compiler. */
export const blockerArguments = (source: string, out: string) => [
  '-O1',
  '-std=c++17',
  '-o',
  out,
  source,
  '-ldl',
]

export function blockerPath({ root }: KitContext): string {
  return join(root, BLOCKER)
}

/** Has the benchmarks take llama.cpp's programs from a folder. @returns the reason that they do not work, if any */
function useProgramsIn(root: string, folder: string): string | undefined {
  const bin = join(root, 'bench/build/bin')
  mkdirSync(join(bin, '..'), { recursive: true })
  rmSync(bin, { force: true })
  symlinkSync(folder, bin)
  for (const name of PROGRAMS) {
    const path = program(name)
    if (!existsSync(path)) return `there is no ${name} in ${folder}`
    const options = { encoding: 'utf8', timeout: PROBE_MS, killSignal: 'SIGKILL' } as const
    const { error, stdout, stderr } = spawnSync(path, ['--help'], options)
    if (!/usage/i.test(stdout + stderr))
      return `${name} does not run here: ${error?.message ?? stderr.slice(-500)}`
  }
  return undefined
}

const buildFolder = ({ root, cpuOnly }: KitContext) => join(root, cpuOnly ? 'build-cpu' : 'build-gpu')
const output = (context: KitContext) => join(buildFolder(context), 'Release')

/** True when a library that is built here may not have the fault of a packed one. */
export const compilingHelps = (reason: string) => BUILT_FOR_ANOTHER.test(reason)

/** Builds targets from the packed sources, for the `reason` that the packed ones do not work. */
function compile(context: KitContext, targets: readonly string[], reason: string): void {
  if (!compilingHelps(reason)) throw new Error(reason)
  process.stderr.write(`compiling ${targets.join(', ')}: ${reason}\n`)
  const missing = missingToCompile(!context.cpuOnly)
  if (missing.length > 0)
    throw new Error(`${reason}\nand to compile it here, this is missing: ${missing.join('; ')}`)
  configure(context)
  const jobs = process.env.VERBATIM_JOBS || String(availableParallelism())
  runProgram('cmake', ['--build', buildFolder(context), '--parallel', jobs, '--target', ...targets])
}

function configure(context: KitContext): void {
  const { root, cpuOnly } = context
  const options = {
    CMAKE_BUILD_TYPE: 'Release',
    CMAKE_JS_INC: `${join(root, 'node-api/include')};${join(root, 'node-addon-api')}`,
    VERBATIM_BUILD_TESTS: 'OFF',
    VERBATIM_BUILD_PROGRAMS: 'ON',
    VERBATIM_CUDA: cpuOnly ? 'off' : 'on',
    VERBATIM_CUDA_ARCHITECTURES: 'native',
  }
  const nvcc = cpuOnly ? undefined : findCudaTool('nvcc')
  const ninja = ask('ninja', ['--version']) === undefined ? [] : ['-G', 'Ninja']
  const variables = Object.entries(options).map(([name, value]) => `-D${name}=${value}`)
  runProgram(
    'cmake',
    ['-S', root, '-B', buildFolder(context), ...ninja, ...variables],
    nvcc === undefined || nvcc === 'nvcc' ? {} : { CUDACXX: nvcc },
  )
}

/** Reason that the addon does not work, if any; tried in another process, which a bad addon may abort. */
function addonProblem({ root }: KitContext, gpuLayers: number): string | undefined {
  const script = `
    try {
      const { loadModel } = await import(${JSON.stringify(join(root, 'dist/index.js'))})
      const model = await loadModel(${JSON.stringify(trainedModel(root))}, { gpuLayers: ${gpuLayers} })
      await model.generateInference([{ role: 'user', content: 'Hello' }], { maxTokens: 4 })
      if (model.info.gpuLayers < ${gpuLayers}) throw new Error('no layer is on a GPU')
      process.stdout.write('works')
    } catch (error) {
      process.stderr.write(error.name + ': ' + error.message)
    }`
  const { error, signal, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', script],
    {
      encoding: 'utf8',
      timeout: PROBE_MS,
      killSignal: 'SIGKILL',
      // Hide the GPU from a try of the addon alone: faults of CUDA are not its own.
      env: gpuLayers === 0 ? { ...process.env, CUDA_VISIBLE_DEVICES: '-1' } : process.env,
    },
  )
  if (stdout === 'works') return undefined
  const said = stderr.trim().slice(-2000)
  return [error?.message ?? signal, said].filter(Boolean).join(': ') || 'it ended without a word'
}
