// The inventory of the machine, taken before minutes are spent on it.
import { existsSync, statfsSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { thisMachine } from '../../bench/machine.js'
import { ask, findCudaTool, findPython, gpuMemory } from './machine-programs.js'
import { readManifest } from './manifest.js'
import type { Step } from './step-types.js'

/** Size of the three synthetic 7B models, in F16, Q8_0 and Q4_K. */
export const MODELS_GB = 28

export const check: Step = {
  name: 'check',
  group: 'check',
  title: 'what this machine has',
  usualSeconds: 5,
  limitSeconds: 120,
  async run({ models, root, libraries }) {
    const nvcc = findCudaTool('nvcc')
    const facts = {
      machine: thisMachine(),
      cores: availableParallelism(),
      memoryGB: Math.round(totalmem() / 1e9),
      gpus: ask('nvidia-smi', [
        '--query-gpu=name,driver_version,memory.total,compute_cap',
        '--format=csv,noheader',
      ]),
      gpuMemory: gpuMemory(),
      packed: readManifest(root),
      libraries,
      nvcc: nvcc === undefined ? null : { path: nvcc, version: lastLine(ask(nvcc, ['--version'])) },
      cublas: nvcc === undefined ? null : cublasHeader(nvcc),
      cmake: firstLine(ask('cmake', ['--version'])),
      compiler: firstLine(ask('c++', ['--version'])),
      ninja: ask('ninja', ['--version']) ?? null,
      computeSanitizer: findCudaTool('compute-sanitizer') ?? null,
      python: findPython(),
      modelsFolder: models,
      modelsFreeGB: freeGB(models),
    }
    return { facts }
  },
}

/** Tools for compiling that this machine lacks, in words. */
export function missingToCompile(cuda: boolean): string[] {
  const nvcc = cuda ? findCudaTool('nvcc') : undefined
  return [
    !ask('cmake', ['--version']) && 'cmake 3.19 or later (apt-get install cmake)',
    !ask('c++', ['--version']) && 'a C++ compiler (apt-get install g++)',
    cuda && !nvcc && 'nvcc (the CUDA toolkit, or CUDACXX=/path/to/nvcc)',
    nvcc && !cublasHeader(nvcc) && 'cublas_v2.h (libcublas-dev of the CUDA toolkit)',
  ].filter((what) => typeof what === 'string')
}

function cublasHeader(nvcc: string): string | null {
  const [, root] = /#\$ TOP=(\S+)/.exec(ask('sh', ['-c', `'${nvcc}' -v __root 2>&1 || true`]) ?? '') ?? []
  const places = [`${root ?? '/usr/local/cuda'}/include`, '/usr/local/cuda/include', '/usr/include']
  return places.find((folder) => existsSync(`${folder}/cublas_v2.h`)) ?? null
}

/** Free space on the disk of a folder that may not be there yet. */
export function freeGB(folder: string): number {
  const existing = existsSync(folder) ? folder : '/'
  const { bavail, bsize } = statfsSync(existing)
  return Math.round((bavail * bsize) / 1e9)
}

const firstLine = (text: string | undefined) => text?.split('\n', 1)[0] ?? null
const lastLine = (text: string | undefined) => text?.split('\n').at(-1) ?? null
