// Programs of the machine that the kit asks or runs.
import { spawnSync } from 'node:child_process'

/** What a program prints; undefined where it is not there or fails. */
export function ask(command: string, args: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync(command, [...args], { encoding: 'utf8', timeout: 60_000 })
  return status === 0 ? stdout.trim() : undefined
}

/** Runs a program with its output in the step's log. */
export function runProgram(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): void {
  const { status, signal, error } = spawnSync(command, [...args], {
    stdio: ['ignore', 2, 2],
    env: { ...process.env, ...env },
  })
  if (error) throw new Error(`${command}: ${error.message}`)
  if (status !== 0)
    throw new Error(`${command} ${args[0]} ended with ${signal ?? `status ${status}`}: see the log`)
}

/** A program of the CUDA toolkit: on the PATH, or where NVIDIA's packages put it. */
export function findCudaTool(name: 'nvcc' | 'compute-sanitizer'): string | undefined {
  const places = [name, `/usr/local/cuda/bin/${name}`]
  if (name === 'nvcc' && process.env.CUDACXX) places.unshift(process.env.CUDACXX)
  return places.find((place) => ask(place, ['--version']) !== undefined)
}

/** A Python with torch, and what else of it matters here. */
export interface Python {
  readonly torch: string | null
  readonly cuda: boolean
  readonly transformers: string | null
}

const PYTHON_PROBE = `
import json
found = {"torch": None, "cuda": False, "transformers": None}
try:
    import torch
    found.update(torch=torch.__version__, cuda=torch.cuda.is_available())
    import transformers
    found.update(transformers=transformers.__version__)
except ImportError:
    pass
print(json.dumps(found))
`

/** Null where there is no Python. */
export function findPython(): Python | null {
  const answer = ask('python3', ['-c', PYTHON_PROBE])
  return answer === undefined ? null : JSON.parse(answer.split('\n').at(-1) ?? '')
}

/** Memory of the first GPU in MiB, by nvidia-smi; null where there is none. */
export function gpuMemory(): { readonly usedMiB: number; readonly totalMiB: number } | null {
  const query = ['--query-gpu=memory.used,memory.total', '--format=csv,noheader,nounits', '--id=0']
  const [used, total] = (ask('nvidia-smi', query) ?? '').split(',').map(Number)
  return used !== undefined && total !== undefined && total > 0 ? { usedMiB: used, totalMiB: total } : null
}
