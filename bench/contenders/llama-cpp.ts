// llama.cpp's own programs: finds them, and builds them when they are missing.
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findTool, forgetFormerPlace, hashFiles, hasStamp, requireTools, run, writeStamp } from '../tools.js'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const build = join(repository, 'bench/build')
const ending = process.platform === 'win32' ? '.exe' : ''

/** The programs that are measured. */
export const PROGRAMS = ['llama-bench', 'llama-batched-bench', 'llama-server'] as const

/** The path of a program. */
export function program(name: (typeof PROGRAMS)[number]): string {
  return join(build, 'bin', name + ending)
}

/** The version of the pinned llama.cpp, which this library and the programs are built from. */
export function llamaCppVersion(): string {
  return `v${JSON.parse(readFileSync(join(repository, 'llama.cpp.json'), 'utf8')).version}`
}

/** The CPU features that ggml was built for, from CMake's cache. */
export function cpuFeatures(): string[] {
  const cache = join(build, 'CMakeCache.txt')
  if (!existsSync(cache)) return []
  const found = readFileSync(cache, 'utf8').matchAll(/^VERBATIM_CPU_HAS_(\w+):INTERNAL=1$/gm)
  return [...found].map(([, name]) => name as string)
}

/** Builds the programs, unless they are there: from the same source and with the same options as the addon. */
export function buildPrograms(): void {
  const source = resolve(process.env.LLAMA_CPP_DIR ?? join(repository, 'llama.cpp'))
  const cuda = process.env.VERBATIM_CUDA ?? 'auto'
  const inputs = ['llama.cpp.json', 'cmake/cpu-features.cmake', 'cmake/cuda.cmake', 'bench/llama-cpp']
  const wanted = `${hashFiles(inputs.map((path) => join(repository, path)))} ${source} ${cuda}`
  const stamp = join(build, '.verbatim-llama-bench')
  if (hasStamp(stamp, wanted) && PROGRAMS.every((name) => existsSync(program(name)))) return
  requireTools()
  process.stderr.write("[bench] building llama.cpp's own programs (a few minutes, once)\n")
  const project = join(repository, 'bench/llama-cpp')
  forgetFormerPlace(build, project)
  const generator = findTool('ninja') ? ['-G', 'Ninja'] : []
  const options = [`-DLLAMA_CPP_DIR=${source}`, `-DVERBATIM_CUDA=${cuda}`]
  run('cmake', ['-S', project, '-B', build, ...generator, ...options], 'CMake could not configure')
  const jobs = process.env.VERBATIM_JOBS ? [process.env.VERBATIM_JOBS] : []
  run(
    'cmake',
    ['--build', build, '--config', 'Release', '--target', 'bench-programs', '--parallel', ...jobs],
    "llama.cpp's programs could not be built",
  )
  writeStamp(stamp, wanted)
}
