// Programs of the machine that the kit asks or runs.
import { spawnSync } from 'node:child_process'

/** The output of a program; undefined where it is not there, fails, or takes longer than `seconds`. */
export function ask(command: string, args: readonly string[], seconds = 10): string | undefined {
  const options = { encoding: 'utf8', timeout: seconds * 1000, killSignal: 'SIGKILL' } as const
  const { status, stdout } = spawnSync(command, [...args], options)
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

/** Versions of packages of a Python; null for one that is not installed. */
export interface Python {
  readonly torch: string | null
  readonly transformers: string | null
}

// Import nothing: torch alone takes a quarter of a minute.
const PYTHON_PROBE = `
import json
from importlib.metadata import PackageNotFoundError, version
found = {}
for name in ("torch", "transformers"):
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        found[name] = None
print(json.dumps(found))
`

/** The Python with torch and transformers: of the environment's choice, or the one on the PATH. */
export const PYTHON = process.env.VERBATIM_KIT_PYTHON || 'python3'

/** Asks {@link PYTHON} for its packages; null where there is no Python. */
export function findPython(): Python | null {
  const answer = ask(PYTHON, ['-c', PYTHON_PROBE])
  // Find the line of the answer: it may print more than it was asked for.
  const line = answer?.split('\n').findLast((text) => text.startsWith('{'))
  return line === undefined ? null : JSON.parse(line)
}

/** Memory of the first GPU in MiB, by nvidia-smi; null where there is none. */
export function gpuMemory(): { readonly usedMiB: number; readonly totalMiB: number } | null {
  const query = ['--query-gpu=memory.used,memory.total', '--format=csv,noheader,nounits', '--id=0']
  const [used, total] = (ask('nvidia-smi', query) ?? '').split(',').map(Number)
  return used !== undefined && total !== undefined && total > 0 ? { usedMiB: used, totalMiB: total } : null
}
