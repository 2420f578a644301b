// The types of a suite: its context and its result.
import type { Contender } from './contenders/contender.js'
import type { ProgramOptions } from './contenders/llama-bench.js'
import type { Machine } from './machine.js'
import type { PromptMaker } from './prompts.js'
import type { LoadOptions } from './protocol.js'
import type { Rounds, Spread } from './statistics.js'

/** Sequence ids that this library takes beyond those it evaluates together, for prefixes that it keeps. */
export const SPARE_SEQUENCES = 16

/** Options of the command line. */
export interface BenchOptions {
  readonly modelPath: string
  readonly threads: number
  readonly gpuLayers: number
  /** Rounds of every suite; null for the suite's own number. */
  readonly rounds: number | null
  /** Numbers of requests at once; null for the suite's own. */
  readonly requests: readonly number[] | null
  readonly quick: boolean
}

/** The context that a suite runs in. */
export interface BenchContext {
  readonly options: BenchOptions
  readonly program: ProgramOptions
  readonly prompts: PromptMaker
  readonly contenders: readonly Contender[]
  /** Writes a note to stderr. */
  readonly say: (text: string) => void
  /** Shows the progress of the suite, on a terminal. */
  readonly progress: (done: number, total: number) => void
}

/** A table, ready to print. */
export interface Table {
  readonly title: string
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** A plot: bars, or lines over `x`. */
export interface Plot {
  /** Name of the file, without its ending. */
  readonly name: string
  readonly title: string
  readonly unit: string
  readonly betterIs: 'higher' | 'lower'
  readonly bars?: readonly {
    readonly label: string
    readonly value: Spread | null
    readonly ours?: boolean
  }[]
  readonly lines?: {
    readonly x: readonly number[]
    readonly xLabel: string
    readonly logarithmic: boolean
    readonly series: readonly {
      readonly label: string
      readonly y: readonly (Spread | null)[]
      readonly ours?: boolean
      readonly dashed?: boolean
    }[]
  }
}

/** A goal and its measurement. */
export interface Goal {
  /** Its number in the list of goals. */
  readonly number: number
  readonly text: string
  readonly measured: Spread | null
  readonly limit: number
  readonly want: 'at least' | 'at most'
  readonly unit: string
}

/** The result of a suite. */
export interface SuiteResult {
  readonly rounds: Rounds
  readonly tables: readonly Table[]
  readonly plots: readonly Plot[]
  readonly goals: readonly Goal[]
  /** Notes on reading the tables. */
  readonly legend: readonly string[]
  /** Contenders that could not be measured, with the reasons. */
  readonly missing: Readonly<Record<string, string>>
}

/** A suite that can be asked for by its name. */
export interface Suite {
  readonly name: string
  readonly title: string
  /** True when it starts contenders, and so needs the peers and llama.cpp's programs. */
  readonly needsContenders: boolean
  run(context: BenchContext): Promise<SuiteResult>
}

/** The report of a suite, as it is written. */
export interface SuiteReport extends Omit<SuiteResult, 'rounds'> {
  readonly suite: string
  readonly title: string
  readonly date: string
  readonly quick: boolean
  readonly machine: Machine
  readonly model: string
  readonly threads: number
  readonly gpuLayers: number
  readonly cpuFeatures: readonly string[]
  /** Version and llama.cpp of everyone who was measured. */
  readonly versions: Readonly<Record<string, string>>
  readonly seconds: number
  /** Cores that other programs had meanwhile, on average; null where it is not known. */
  readonly coresOfOthers: number | null
  readonly series: Readonly<Record<string, readonly (number | null)[]>>
}

/** Rounds of a suite: as many as were asked for, or its own number. */
export function roundsOf({ rounds, quick }: BenchOptions, usual: number, whenQuick = 1): number {
  return rounds ?? (quick ? whenQuick : usual)
}

/** The options that all contenders are loaded with in a suite. */
export function loadOptions(
  { modelPath, threads, gpuLayers }: BenchOptions,
  { contextSize, cacheSize, maxSequences }: Pick<LoadOptions, 'contextSize' | 'cacheSize' | 'maxSequences'>,
): LoadOptions {
  const sequences = maxSequences + SPARE_SEQUENCES
  return { modelPath, threads, gpuLayers, contextSize, cacheSize, maxSequences, sequences }
}
