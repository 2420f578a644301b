import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { readModelPath } from '../lib/options/paths.js'
import type { BenchOptions } from './suite.js'
import { SetupFailure } from './tools.js'

const RESULTS = fileURLToPath(new URL('results', import.meta.url))

/** The command line, read. */
export interface CommandLine extends Omit<BenchOptions, 'modelPath'> {
  /** The suites, in the order they were named; empty for all. */
  readonly suites: readonly string[]
  readonly modelPath: string | null
  readonly out: string
  readonly help: boolean
}

/** Reads the command line; everything unknown is an error. */
export function readCommandLine(args: readonly string[], suites: readonly string[]): CommandLine {
  const { values, positionals } = parse(args)
  for (const name of positionals)
    if (!suites.includes(name))
      throw new SetupFailure(`there is no suite '${name}'; there are ${suites.join(', ')}`)
  const quick = values.quick ?? false
  return {
    suites: positionals,
    modelPath: values.model === undefined ? null : resolve(readModelPath(values.model)),
    threads: integer('threads', values.threads, 1) ?? 2,
    gpuLayers: integer('gpu-layers', values['gpu-layers'], 0) ?? 0,
    rounds: integer('rounds', values.rounds, 1),
    requests: integers('requests', values.requests),
    quick,
    // Keep a quick run from replacing the results of a real one.
    out: values.out === undefined ? resolve(RESULTS, quick ? 'quick' : '.') : resolve(values.out),
    help: values.help ?? false,
  }
}

export function usage(suites: readonly { readonly name: string; readonly title: string }[]): string {
  const width = Math.max(...suites.map(({ name }) => name.length)) + 2
  return `usage: npm run bench -- [suite ...] [options]

suites (all unless some are named):
${suites.map(({ name, title }) => `  ${name.padEnd(width)}${title}`).join('\n')}

options:
  --model PATH      a GGUF file (a synthetic Qwen2.5 0.5B in Q4_0, which is made when it is not there)
  --threads N       CPU threads of everyone (2)
  --gpu-layers N    layers on the GPU (0; the peers are measured on the CPU only)
  --rounds N        rounds of every suite (as many as the suite finds right)
  --requests N,…    of fan-out and distinct: how many at once (1,2,4,8,16,32)
  --quick           one round, few cases: whether it works, not how fast it is
  --out FOLDER      where the results go (bench/results, or bench/results/quick)
`
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        model: { type: 'string' },
        threads: { type: 'string' },
        'gpu-layers': { type: 'string' },
        rounds: { type: 'string' },
        requests: { type: 'string' },
        quick: { type: 'boolean' },
        out: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new SetupFailure(error instanceof Error ? error.message : String(error))
  }
}

function integers(name: string, text: string | undefined): number[] | null {
  return text === undefined ? null : text.split(',').map((part) => integer(name, part, 1) as number)
}

function integer(name: string, text: string | undefined, least: number): number | null {
  if (text === undefined) return null
  if (!/^\d{1,9}$/.test(text) || Number(text) < least)
    throw new SetupFailure(`--${name} must be an integer of at least ${least}, not '${text}'`)
  return Number(text)
}
