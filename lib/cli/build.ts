// Builds the addon on the user's machine, from the sources in the package: for platforms without a prebuilt addon, for
// a GPU, or for the last bit of speed of this processor. Needs CMake and a compiler, and no network.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { installedPackage } from '../package-root.js'
import { hasNvcc, missingTools, onPath, unwritable, whatIsNeeded } from './build-tools.js'

/** Choice of the CUDA backend: `'auto'` builds it too where a toolkit with cuBLAS is found. */
export type CudaChoice = 'auto' | 'on' | 'off'

export const CUDA_CHOICES: readonly CudaChoice[] = ['auto', 'on', 'off']

export interface BuildOptions {
  /** Default: `'auto'`. */
  readonly cuda?: CudaChoice
  /** Files that are compiled at once. Default: one per processor. */
  readonly jobs?: number
  /** Ends the build. */
  readonly signal?: AbortSignal
  /** Called with a step that begins, and then with the fraction of it that is done, from 0 to 1. */
  readonly onProgress?: (step: string, fraction?: number) => void
}

/** A failure of the build, with a message for the user. */
export class BuildFailure extends Error {}

/**
 * Builds the addon for this machine and puts it where the package looks first. An addon that is there already is
 * replaced only when all has gone well.
 *
 * @returns the path of the addon
 * @throws BuildFailure, or the reason of the signal
 */
export async function buildFromSource(options: BuildOptions = {}): Promise<string> {
  const { cuda = 'auto', jobs = availableParallelism(), signal, onProgress } = options
  const { root } = installedPackage()
  const archive = join(root, 'sources.tar.xz')
  if (existsSync(join(root, 'scripts/setup.mjs')))
    throw new BuildFailure(
      `This is a clone of the repository: run npm run ${cuda === 'on' ? 'build:cuda' : 'setup'}.`,
    )
  if (!existsSync(archive))
    throw new BuildFailure(`${archive} is missing. The installation is incomplete: install the package anew.`)
  const missing = missingTools()
  if (missing.length > 0)
    throw new BuildFailure(
      `This machine lacks what the build needs: ${missing.join('; ')}. ${whatIsNeeded()}`,
    )
  if (cuda === 'on' && !hasNvcc())
    throw new BuildFailure(
      "The CUDA backend cannot be built here. Missing: the compiler nvcc, in CUDACXX or on the PATH. NVIDIA's package " +
        'cuda-toolkit has it, and cuBLAS, which is needed too. For the CPU alone: verbatim-llama build --cuda off.',
    )
  const target = join(root, 'build/Release')
  const closed = unwritable([root, join(root, 'build'), target])
  if (closed !== undefined)
    throw new BuildFailure(
      `This user may not write to ${closed}, where the addon belongs. Build as the user who installed the package.`,
    )

  // Work in the package's folder, so that the last step is a rename on one file system.
  const work = await mkdtemp(join(root, 'build-')).catch((error: Error) => {
    throw new BuildFailure(`The folder of the package must be writable: ${error.message}`)
  })
  try {
    onProgress?.('unpacking the sources')
    await cmake(['-E', 'tar', 'xf', archive], { cwd: work, signal })
    const source = join(work, 'sources')
    const output = join(work, 'build')
    onProgress?.('configuring')
    await cmake(['-S', source, '-B', output, ...(await configuration(source, output, cuda))], {
      cwd: work,
      signal,
      refusal: join(output, 'verbatim-refusal.txt'),
    })
    onProgress?.('compiling llama.cpp and the addon', 0)
    await cmake(['--build', output, '--config', 'Release', '--parallel', String(jobs)], {
      cwd: work,
      signal,
      onLine: (line) => {
        const fraction = fractionOf(line)
        if (fraction !== undefined) onProgress?.('compiling llama.cpp and the addon', fraction)
      },
    })
    return await moveInto(target, join(output, 'Release'))
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** Arguments that cmake-js would give CMake; the headers of Node-API come with the sources. */
async function configuration(source: string, output: string, cuda: CudaChoice): Promise<string[]> {
  const nodeApi = join(source, 'node-api')
  const variables: Record<string, string> = {
    CMAKE_BUILD_TYPE: 'Release',
    CMAKE_JS_INC: [join(nodeApi, 'include'), join(source, 'node-addon-api')].join(';'),
    LLAMA_CPP_DIR: join(source, 'llama.cpp'),
    VERBATIM_BUILD_TESTS: 'OFF',
    VERBATIM_CUDA: cuda,
  }
  if (process.platform === 'win32') {
    const library = join(output, 'node.lib')
    Object.assign(variables, {
      CMAKE_JS_LIB: library,
      CMAKE_JS_NODELIB_DEF: join(nodeApi, 'def/node_api.def'),
      CMAKE_JS_NODELIB_TARGET: library,
      CMAKE_JS_SRC: join(nodeApi, 'win_delay_load_hook.cc'),
      CMAKE_SHARED_LINKER_FLAGS: '/DELAYLOAD:NODE.EXE',
    })
  }
  if (process.platform === 'darwin') variables.CMAKE_SHARED_LINKER_FLAGS = '-undefined dynamic_lookup'
  // CMake takes forward slashes everywhere.
  const slashes = (path: string) => (process.platform === 'win32' ? path.replaceAll('\\', '/') : path)
  const ninja = onPath('ninja') && process.platform !== 'win32' ? ['-G', 'Ninja'] : []
  return [...ninja, ...Object.entries(variables).map(([name, value]) => `-D${name}=${slashes(value)}`)]
}

/** Reads the progress in a line of Ninja (`[12/340]`) or Make (`[ 42%]`). */
function fractionOf(line: string): number | undefined {
  const [, done, total, percentage] = /^\[(?:(\d+)\/(\d+)| *(\d+)%)\]/.exec(line) ?? []
  if (percentage !== undefined) return Number(percentage) / 100
  return done === undefined ? undefined : Number(done) / Number(total)
}

const KEPT_LINES = 40

interface CommandOptions {
  readonly cwd: string
  readonly signal: AbortSignal | undefined
  readonly onLine?: (line: string) => void
  /** File with the reason, where our own files refused to be configured. */
  readonly refusal?: string
}

async function cmake(
  args: readonly string[],
  { cwd, signal, onLine, refusal }: CommandOptions,
): Promise<void> {
  signal?.throwIfAborted()
  const lines: string[] = []
  // Give it a process group, so that the compilers end with it.
  const child = spawn('cmake', args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], detached: canEndGroup })
  const end = () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    if (canEndGroup && child.pid !== undefined) process.kill(-child.pid)
    else child.kill()
  }
  signal?.addEventListener('abort', end, { once: true })
  for (const stream of [child.stdout, child.stderr])
    createInterface(stream).on('line', (line) => {
      lines.push(line)
      if (lines.length > KEPT_LINES) lines.shift()
      onLine?.(line)
    })
  try {
    const code = await new Promise<number | NodeJS.Signals | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (status, killedBy) => resolve(status ?? killedBy))
    })
    signal?.throwIfAborted()
    if (code !== 0 && refusal !== undefined && existsSync(refusal))
      throw new BuildFailure(`${await readFile(refusal, 'utf8')}.`)
    if (code !== 0)
      throw new BuildFailure(
        `${lines.join('\n')}\n\nCMake ended with ${code}; the lines above say why. ${whatIsNeeded()}`,
      )
  } finally {
    signal?.removeEventListener('abort', end)
  }
}

const canEndGroup = process.platform !== 'win32'

async function moveInto(target: string, built: string): Promise<string> {
  const addon = 'verbatim-llama.node'
  if (!existsSync(join(built, addon)))
    throw new BuildFailure(`The build ended without ${addon}. ${whatIsNeeded()}`)
  await mkdir(join(target, '..'), { recursive: true })
  await rm(target, { recursive: true, force: true })
  await rename(built, target)
  return join(target, addon)
}
