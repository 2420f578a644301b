// Transformers on the same GPU: the way such models are mostly served from Python.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { keepTrackOf } from '../../bench/contenders/processes.js'
import { SHAPES } from '../../scripts/make-model/shapes.js'
import { findPython, PYTHON } from '../run/machine-programs.js'
import type { KitContext } from '../run/step-types.js'
import { benchShape } from '../run/synthetic-models.js'

/** Requests that are generated in batches, one batch after the other. */
export interface TransformersCase {
  readonly name: string
  readonly requests: number
  readonly batch: number
  readonly prompt: number
  readonly generate: number
}

/** Result of a case: `seconds` of all its requests, one batch after the other; `tokensPerSecond` of one batch. */
export interface CaseResult {
  readonly seconds: number
  readonly firstTokenMs: number
  readonly tokensPerSecond: number
}

export interface TransformersResult {
  readonly versions: Readonly<Record<string, string>>
  /** Most memory that torch has reserved; null on the CPU. */
  readonly memoryMB: number | null
}

export type TransformersMode = 'eager' | 'compiled'

/** Size of the vocabulary of Qwen2.5, as make-model pads it. */
const TOKENS = 151_936

/** Reason that Transformers cannot be measured here; null where it seems that it can. */
export function transformersProblem(): string | null {
  const python = findPython()
  if (python === null) return `there is no ${PYTHON}`
  if (python.torch === null) return `${PYTHON} has no torch`
  if (python.transformers === null) return `${PYTHON} has no transformers`
  return null
}

/** Runs the cases in a process that makes the model and ends after them. Calls `onCase` for each as it is done. */
export async function runTransformers(
  context: KitContext,
  mode: TransformersMode,
  cases: readonly TransformersCase[],
  onCase: (name: string, result: CaseResult) => void,
): Promise<TransformersResult> {
  const script = fileURLToPath(new URL('./transformers_generate.py', import.meta.url))
  // Do not mix the libraries of CUDA that torch brings along with those that the addon was given.
  const env = { ...process.env, LD_LIBRARY_PATH: context.ownLibraryPath }
  const child = keepTrackOf(spawn(PYTHON, [script], { env }))
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => {
    process.stderr.write(chunk)
    errors = (errors + chunk.toString()).slice(-1500)
  })
  let end: TransformersResult | undefined
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (!line.startsWith('{')) return
    const { case: name, ...result } = JSON.parse(line)
    if (name === undefined) end = result as TransformersResult
    else onCase(name, result as CaseResult)
  })
  child.stdin.on('error', () => {}) // it has ended, and its own words say why
  child.stdin.end(
    JSON.stringify({
      shape: { ...SHAPES[benchShape(context)], tokens: TOKENS },
      mode,
      device: context.cpuOnly ? 'cpu' : 'cuda',
      dtype: context.cpuOnly ? 'float32' : 'bfloat16',
      cases,
    }),
  )
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  if (code !== 0 || !end)
    throw new Error(`Transformers (${mode}) ended with ${signal ?? `status ${code}`}\n${errors}`)
  return end
}
