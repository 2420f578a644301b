// What every suite is given, and what it returns.
import type { Contender } from './contenders/contender.js'
import type { ProgramOptions } from './contenders/llama-bench.js'
import type { Machine } from './machine.js'
import type { PromptMaker } from './prompts.js'
import type { LoadOptions } from './protocol.js'
import type { Rounds, Spread } from './statistics.js'

/** This library takes so many sequence ids more than it evaluates together, for prefixes that it keeps. */
export const SPARE_SEQUENCES = 16

/** What the command line says. */
export interface BenchOptions {
  readonly modelPath: string
  readonly threads: number
  readonly gpuLayers: number
  /** Null: as many as the suite takes by itself. */
  readonly rounds: number | null
  /** How many requests at once. Null: as the suite has them by itself. */
  readonly requests: readonly number[] | null
  readonly quick: boolean
}

/** What a suite is given. */
export interface BenchContext {
  readonly options: BenchOptions
  readonly program: ProgramOptions
  readonly prompts: PromptMaker
  readonly contenders: readonly Contender[]
  /** Notes what is going on, on stderr. */
  readonly say: (text: string) => void
  /** Shows how much of the suite is done, on a terminal. */
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
  /** Of the file, without its ending. */
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

/** A goal and what was measured of it. */
export interface Goal {
  /** Its number in the list of goals. */
  readonly number: number
  readonly text: string
  readonly measured: Spread | null
  readonly limit: number
  readonly want: 'at least' | 'at most'
  readonly unit: string
}

/** What a suite returns. */
export interface SuiteResult {
  readonly rounds: Rounds
  readonly tables: readonly Table[]
  readonly plots: readonly Plot[]
  readonly goals: readonly Goal[]
  /** How to read the tables. */
  readonly legend: readonly string[]
  /** Who could not be measured, and why. */
  readonly missing: Readonly<Record<string, string>>
}

/** A suite that can be asked for by its name. */
export interface Suite {
  readonly name: string
  readonly title: string
  /** Whether it starts contenders, and so needs the peers and llama.cpp's programs. */
  readonly needsContenders: boolean
  run(context: BenchContext): Promise<SuiteResult>
}

/** What is written for a suite. */
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
  /** How many cores other programs had meanwhile, on average; null where it is not known. */
  readonly coresOfOthers: number | null
  readonly series: Readonly<Record<string, readonly (number | null)[]>>
}

/** How many rounds a suite takes: as many as were asked for, or its own number. */
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
