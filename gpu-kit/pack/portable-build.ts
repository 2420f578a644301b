// Builds the native parts of a kit, for other machines than this one: the addon with every CPU variant, llama.cpp's
// programs, the program that fills a card, and the CUDA backend, which needs nvcc and no GPU.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { llamaCppVersion } from '../../bench/contenders/llama-cpp.js'
import { run, SetupFailure } from '../../bench/tools.js'
import { llamaCppDir } from '../../scripts/make-model/vocab.js'
import { compileNative, configureNative } from '../../scripts/setup/cmake-js.mjs'
import { ask, findCudaTool } from '../run/machine-programs.js'
import type { BackendOrigin, PackedBackend } from '../run/manifest.js'
import { BLOCKER_SOURCE, blockerArguments, CUDA_LIBRARY } from '../run/packed-or-built.js'

// Build folders, in which a further call goes on: with the backend, and without one where it is given.
const WITH_BACKEND = 'build-gpu-backend'
const WITHOUT_BACKEND = 'build-gpu-programs'
/** Machine code for Hopper alone: each other architecture is as large again, and the kit has a limit. */
export const ARCHITECTURES = '90-real'
/** Stand-ins for cuBLAS and the driver's library, which a backend is linked to by name only. */
const STAND_INS = fileURLToPath(new URL('./cuda-stand-ins.cmake', import.meta.url))
/** Priority as nice(1) counts it: everything else on this machine comes first. */
const LOWEST_PRIORITY = 19

/** A build: its places, and the origin of the backend. */
export interface PortableBuild {
  /** The addon, its libraries and backends, and llama.cpp's programs. */
  readonly folder: string
  readonly blocker: string
  /** Path of the library that is packed as the CUDA backend. */
  readonly library: string
  readonly backend: Omit<PackedBackend, 'sha256'>
}

/**
 * Builds everything, or all but the backend where a library is given that was built before.
 *
 * @param architectures of a backend that is built here, as CMake writes them
 * @throws SetupFailure
 */
export function buildPortable(architectures: string, givenLibrary?: string): PortableBuild {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new SetupFailure('the kit is for Linux x64')
  const given = givenLibrary === undefined ? undefined : inspect(givenLibrary)
  const build = given ? WITHOUT_BACKEND : WITH_BACKEND
  setPriority(LOWEST_PRIORITY)
  const nvcc = given ? undefined : requireNvcc()
  configureNative(build, [
    `--CDLLAMA_CPP_DIR=${llamaCppDir()}`,
    '--CDVERBATIM_PREBUILD=ON',
    '--CDVERBATIM_BUILD_TESTS=OFF',
    '--CDVERBATIM_BUILD_PROGRAMS=ON',
    `--CDVERBATIM_CUDA=${nvcc ? 'on' : 'off'}`,
    `--CDVERBATIM_CUDA_ARCHITECTURES=${architectures}`,
    `--CDVERBATIM_CUDA_STAND_INS=${STAND_INS}`,
    // Leave compressing to xz, which does it much better.
    '--CDGGML_CUDA_COMPRESSION_MODE=none',
  ])
  say(`building for other machines in ${build}/ (the CUDA backend takes most of an hour on 2 cores, once)`)
  compileNative(build)
  const folder = join(build, 'Release')
  const blocker = join(build, 'blocker')
  run('c++', blockerArguments(BLOCKER_SOURCE, blocker), 'the program that fills a card was not built')
  if (givenLibrary !== undefined && given) return { folder, blocker, library: givenLibrary, backend: given }
  const library = join(folder, CUDA_LIBRARY)
  const origin: BackendOrigin = { llamaCpp: llamaCppVersion(), nvcc: nvcc ?? null, architectures }
  writeFileSync(originPath(library), `${JSON.stringify(origin)}\n`)
  return { folder, blocker, library, backend: inspect(library) }
}

/** Path of the file beside a library that tells its origin. */
const originPath = (library: string) => `${library}.json`

function requireNvcc(): string {
  const nvcc = findCudaTool('nvcc')
  const version = nvcc && /release ([\d.]+)/.exec(ask(nvcc, ['--version']) ?? '')?.[1]
  if (!version)
    throw new SetupFailure(
      "nvcc is missing: NVIDIA's package cuda-nvcc, in CUDACXX or on the PATH. cuBLAS and the driver are not needed here",
    )
  return version
}

/** Reads the needs of a backend; refuses other files, and backends of another version or another llama.cpp. */
function inspect(library: string): PortableBuild['backend'] {
  if (!existsSync(library)) throw new SetupFailure(`${library} is not there`)
  const dynamic = ask('readelf', ['--dynamic', '--wide', library])
  const needed = [...(dynamic ?? '').matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name as string)
  const own = `libverbatim-llama-${JSON.parse(readFileSync('package.json', 'utf8')).version}-ggml-base.so`
  if (!needed.includes(own))
    throw new SetupFailure(
      `${library} is no CUDA backend of this version: it does not need ${own} but ${needed.join(', ') || 'nothing'}`,
    )
  const origin = readOrigin(library)
  if (origin.llamaCpp !== null && origin.llamaCpp !== llamaCppVersion())
    throw new SetupFailure(`${library} is of llama.cpp ${origin.llamaCpp}, this is ${llamaCppVersion()}`)
  const needs = needed.filter((name) => /^lib(cudart|cublas|cuda)\.so\./.test(name))
  // Add cublasLt, which cuBLAS loads by itself.
  const cublasLt = needs
    .filter((name) => name.startsWith('libcublas.'))
    .map((name) => name.replace('cublas', 'cublasLt'))
  return { ...origin, needs: [...needs, ...cublasLt] }
}

function readOrigin(library: string): BackendOrigin {
  const path = originPath(library)
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8')) as BackendOrigin
  say(`there is no ${path}: how the backend was built is not known`)
  return { llamaCpp: null, nvcc: null, architectures: null }
}

function say(text: string): void {
  process.stderr.write(`[gpu-kit] ${text}\n`)
}
