// llama-bench and llama-batched-bench: the ceilings that everything else is compared with.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { program } from './llama-cpp.js'
import { keepTrackOf, logOutput } from './processes.js'

/** Options that both programs take. */
export interface ProgramOptions {
  readonly modelPath: string
  readonly threads: number
  readonly gpuLayers: number
  /** True prints llama.cpp's log, without which llama-bench does not say why a device fails. */
  readonly verbose?: boolean
}

/** A test of llama-bench: evaluates `prompt` tokens or generates `generate` tokens, after `depth` others. */
export interface BenchTest {
  readonly prompt?: number
  readonly generate?: number
  readonly depth?: number
  /** Repetitions, of which the mean is taken. Default: 1. */
  readonly repetitions?: number
}

/** Runs llama-bench once, after its own warm-up. */
export async function llamaBench(
  options: ProgramOptions,
  { prompt = 0, generate = 0, depth = 0, repetitions = 1 }: BenchTest,
): Promise<{ seconds: number; tokensPerSecond: number }> {
  const test = ['-p', prompt, '-n', generate, '-d', depth, '-r', repetitions]
  const verbose = options.verbose ? ['-v'] : []
  const args = [...commonArguments(options), ...test, ...verbose, '-o', 'jsonl']
  const output = await runProgram('llama-bench', args)
  const { avg_ns, avg_ts } = JSON.parse(output.trim()) as { avg_ns: number; avg_ts: number }
  return { seconds: avg_ns / 1e9, tokensPerSecond: avg_ts }
}

/** A test of llama-batched-bench: `parallel` sequences, each of `prompt` tokens, generate `generate` tokens each. */
export interface BatchTest {
  readonly prompt: number
  readonly generate: number
  readonly parallel: number
  /** True when the sequences share their prompt. */
  readonly shared: boolean
  readonly cacheSize: number
}

/** Runs llama-batched-bench once; returns the seconds of the prompts and of the generation. */
export async function batchedBench(
  options: ProgramOptions,
  { prompt, generate, parallel, shared, cacheSize }: BatchTest,
): Promise<{ promptSeconds: number; generateSeconds: number; seconds: number }> {
  const sizes = ['-npp', prompt, '-ntg', generate, '-npl', parallel, '-c', cacheSize, '-b', 2048, '-ub', 512]
  const flags = ['-tb', options.threads, '-kvu', ...(shared ? ['-pps'] : []), '--output-format', 'jsonl']
  const output = await runProgram('llama-batched-bench', [...commonArguments(options), ...sizes, ...flags])
  const line = output.split('\n').find((text) => text.startsWith('{'))
  if (line === undefined) throw new Error('llama-batched-bench measured nothing: the cache is too small')
  const { t_pp, t_tg, t } = JSON.parse(line) as { t_pp: number; t_tg: number; t: number }
  return { promptSeconds: t_pp, generateSeconds: t_tg, seconds: t }
}

/** The arguments that both programs understand. */
export function commonArguments({ modelPath, threads, gpuLayers }: ProgramOptions): (string | number)[] {
  // Hide the GPU when no layer is on it: else some work is computed there all the same.
  const device = gpuLayers === 0 ? ['-dev', 'none'] : []
  return ['-m', modelPath, '-t', threads, '-ngl', gpuLayers, ...device]
}

/** Runs a program of llama.cpp to its end. Calls `onStart` with its process id; `signal` kills it. */
export async function runProgram(
  name: 'llama-bench' | 'llama-batched-bench',
  args: readonly (string | number)[],
  { onStart, signal }: { onStart?: (pid: number) => void; signal?: AbortSignal } = {},
): Promise<string> {
  const child = keepTrackOf(spawn(program(name), args.map(String), { stdio: ['ignore', 'pipe', 'pipe'] }))
  signal?.addEventListener('abort', () => child.kill('SIGKILL'), { once: true })
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    logOutput(chunk)
    errors = (errors + chunk.toString()).slice(-2000)
  })
  if (child.pid !== undefined) onStart?.(child.pid)
  const [code, killedBy] = (await once(child, 'close')) as [number | null, string | null]
  if (code !== 0) throw new Error(`${name} ended with ${killedBy ?? `status ${code}`}\n${errors}`)
  return output
}
