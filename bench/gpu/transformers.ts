// Transformers on the same GPU: the way such models are mostly served from Python.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { findPython } from '../../scripts/gpu-kit/commands.js'
import { benchShape } from '../../scripts/gpu-kit/models.js'
import type { KitContext } from '../../scripts/gpu-kit/step.js'
import { SHAPES } from '../../scripts/make-model/shapes.js'
import { keepTrackOf } from '../contenders/processes.js'

/** Requests that are generated in batches, one batch after the other. */
export interface TransformersCase {
  readonly name: string
  readonly requests: number
  readonly batch: number
  readonly prompt: number
  readonly generate: number
}

export interface TransformersResult {
  readonly versions: Readonly<Record<string, string>>
  readonly memoryMB: number | null
  readonly cases: Readonly<
    Record<
      string,
      { readonly seconds: number; readonly firstTokenMs: number; readonly tokensPerSecond: number }
    >
  >
}

export type TransformersMode = 'eager' | 'compiled'

/** Of the vocabulary of Qwen2.5, as make-model pads it. */
const TOKENS = 151_936

/** Why it cannot be measured here; null where it can. */
export function transformersProblem({ cpuOnly }: KitContext): string | null {
  const python = findPython()
  if (python === null) return 'there is no python3'
  if (python.torch === null) return 'python3 has no torch'
  if (python.transformers === null) return 'python3 has no transformers'
  if (!cpuOnly && !python.cuda) return 'the torch of python3 sees no GPU'
  return null
}

/** One process, which makes the model, goes through the cases and ends. */
export async function runTransformers(
  context: KitContext,
  mode: TransformersMode,
  cases: readonly TransformersCase[],
): Promise<TransformersResult> {
  const script = fileURLToPath(new URL('./transformers_generate.py', import.meta.url))
  const child = keepTrackOf(spawn('python3', [script]))
  child.stderr.pipe(process.stderr)
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
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
  if (code !== 0)
    throw new Error(`Transformers (${mode}) ended with ${signal ?? `status ${code}`}: see the log`)
  return JSON.parse(output.trim().split('\n').at(-1) ?? '') as TransformersResult
}
