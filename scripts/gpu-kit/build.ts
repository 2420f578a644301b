// Builds on the machine: the CUDA backend for its GPUs and llama.cpp's own programs, from one configuration, so that
// the backend is compiled once and all of them compute with the same library.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { PROGRAMS } from '../../bench/contenders/llama-cpp.js'
import { ask, findCudaTool, runProgram } from './commands.js'
import { trainedModel } from './models.js'
import { type KitContext, Skipped, type Step } from './step.js'

const CUDA_LIBRARY = 'libggml-cuda.so'
/** Of a call of the kit with a budget of ten minutes. */
const LIMIT_SECONDS = 520

/** The folder of the addon in use: built for any processor, or for the one that packed the kit. */
export function addonFolder(root: string): string {
  const prebuilt = join(root, 'prebuilds', `${process.platform}-${process.arch}`)
  return existsSync(prebuilt) ? prebuilt : join(root, 'build/Release')
}

const addon: Step = {
  name: 'build-addon',
  group: 'build',
  title: 'the packed addon, or one that is built here where it does not load',
  after: ['check'],
  resumes: true,
  usualSeconds: 20, // whatever it has done is kept
  limitSeconds: LIMIT_SECONDS,
  async run(context) {
    const reason = addonProblem(context, 0)
    if (reason === undefined) return { facts: { addon: 'as packed' } }
    configure(context)
    build(context, ['verbatim-llama', 'ggml-cpu'])
    const folder = addonFolder(context.root)
    rmSync(folder, { recursive: true })
    mkdirSync(join(context.root, 'build/Release'), { recursive: true })
    for (const name of readdirSync(output(context)).filter((file) => /\.(node|so)$/.test(file)))
      copyFileSync(join(output(context), name), join(context.root, 'build/Release', name))
    const stillWrong = addonProblem(context, 0)
    if (stillWrong !== undefined) throw new Error(stillWrong)
    return { facts: { addon: 'built here', why: reason } }
  },
}

const plugin: Step = {
  name: 'build-plugin',
  group: 'build',
  title: 'the CUDA backend, for the GPUs of this machine',
  needsGpu: true,
  after: ['build-addon'],
  resumes: true,
  usualSeconds: 20, // whatever it has done is kept
  limitSeconds: LIMIT_SECONDS,
  async run(context) {
    configure(context)
    build(context, ['ggml-cuda'])
    copyFileSync(join(output(context), CUDA_LIBRARY), join(addonFolder(context.root), CUDA_LIBRARY))
    const problem = addonProblem(context, 1)
    if (problem !== undefined) throw new Error(problem)
    return { facts: { library: join(addonFolder(context.root), CUDA_LIBRARY) } }
  },
}

const programs: Step = {
  name: 'build-programs',
  group: 'build',
  title: 'llama-bench and llama-batched-bench',
  after: ['check'],
  resumes: true,
  usualSeconds: 20, // whatever it has done is kept
  limitSeconds: LIMIT_SECONDS,
  async run(context) {
    configure(context)
    build(context, ['llama-bench', 'llama-batched-bench', 'ggml-cpu'])
    // Where the benchmarks look for them.
    const bin = join(context.root, 'bench/build/bin')
    mkdirSync(join(bin, '..'), { recursive: true })
    rmSync(bin, { force: true })
    symlinkSync(output(context), bin)
    return { facts: { programs: PROGRAMS.filter((name) => existsSync(join(bin, name))) } }
  },
}

const blocker: Step = {
  name: 'build-blocker',
  group: 'build',
  title: 'a program that fills the memory of the GPU',
  needsGpu: true,
  after: ['check'],
  resumes: true,
  limitSeconds: 120,
  async run(context) {
    const program = blockerPath(context)
    mkdirSync(join(program, '..'), { recursive: true })
    runProgram(findCudaTool('nvcc') ?? 'nvcc', [
      '-O1',
      '-o',
      program,
      join(context.root, 'test/gpu/blocker.cu'),
    ])
    return { facts: { program } }
  },
}

export const BUILD_STEPS: readonly Step[] = [addon, plugin, programs, blocker]

/** For what would otherwise measure or test the CPU without a word. */
export function requireBackend({ cpuOnly, root }: KitContext): void {
  if (!cpuOnly && !existsSync(join(addonFolder(root), CUDA_LIBRARY)))
    throw new Skipped('the CUDA backend was not built: see build-plugin')
}

export function blockerPath({ root }: KitContext): string {
  return join(root, 'build-gpu/blocker')
}

const buildFolder = ({ root, cpuOnly }: KitContext) => join(root, cpuOnly ? 'build-cpu' : 'build-gpu')
const output = (context: KitContext) => join(buildFolder(context), 'Release')

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

function build(context: KitContext, targets: readonly string[]): void {
  const jobs = process.env.VERBATIM_JOBS || String(availableParallelism())
  runProgram('cmake', ['--build', buildFolder(context), '--parallel', jobs, '--target', ...targets])
}

/** Why the addon cannot be used so; asked in another process, because a wrong one may end it. */
function addonProblem({ root }: KitContext, gpuLayers: number): string | undefined {
  const script = `
    const { loadModel } = await import(${JSON.stringify(join(root, 'dist/index.js'))})
    const model = await loadModel(${JSON.stringify(trainedModel(root))}, { gpuLayers: ${gpuLayers} })
    await model.generateInference([{ role: 'user', content: 'Hello' }], { maxTokens: 4 })
    process.stdout.write('works')`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
  })
  return stdout === 'works' ? undefined : `the addon does not work on this machine: ${stderr.slice(-2000)}`
}
