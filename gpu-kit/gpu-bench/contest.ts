// Contenders in turn, in rounds: started, measured and ended, so that each has the whole GPU for itself.

import { Child, type RunningChild, startChild } from '../../bench/contenders/child.js'
import type { ProgramOptions } from '../../bench/contenders/llama-bench.js'
import { killAll } from '../../bench/contenders/processes.js'
import { residentMemory } from '../../bench/machine.js'
import { PromptMaker } from '../../bench/prompts.js'
import { Rounds } from '../../bench/statistics.js'
import { type Goal, loadOptions } from '../../bench/suite.js'
import type { ModelType } from '../../scripts/make-model.js'
import { gpuMemory } from '../run/machine-programs.js'
import { CALL_SECONDS, type Findings, type KitContext, type Progress, type Step } from '../run/step-types.js'
import { benchModel, testModel } from '../run/synthetic-models.js'

export const OURS = 'verbatim-llama'
const ALL_LAYERS = 999
const ROUNDS = 3
/** Part of a step's time kept for ending it. */
const SPARE_SECONDS = 4

/** A contest on the model of a type, as a step of the kit. */
export function contestStep(
  name: string,
  title: string,
  type: ModelType,
  usualSeconds: number,
  run: (contest: Contest) => Promise<Findings>,
): Step {
  return {
    name: `bench-${name}-${type}`,
    group: 'bench',
    title: `${title}, ${type}`,
    after: ['addon', 'backend', 'model-tests', `model-${type}`],
    usualSeconds,
    limitSeconds: CALL_SECONDS,
    run: (context, progress) => Contest.hold(context, progress, type, run),
  }
}

/** Name of a series. */
export const series = (who: string, what: string) => `${who}: ${what}`

export type Turn = readonly [who: string, measure: (round: number) => Promise<void>]

export class Contest {
  readonly rounds = new Rounds()
  readonly missing: Record<string, string> = {}
  readonly versions: Record<string, string> = {}
  readonly prompts: PromptMaker
  readonly program: ProgramOptions
  readonly context: KitContext
  readonly type: ModelType
  readonly #progress: Progress
  #describe: () => Findings = () => ({})

  private constructor(context: KitContext, progress: Progress, type: ModelType, renderer: Child) {
    this.context = context
    this.type = type
    this.#progress = progress
    this.prompts = new PromptMaker(renderer)
    const gpuLayers = context.cpuOnly ? 0 : ALL_LAYERS
    const threads = context.cpuOnly ? 2 : 8
    this.program = { modelPath: benchModel(context, type), threads, gpuLayers, verbose: true }
  }

  /** Opens a contest on the model of this type, does the work, and ends every process of it. */
  static async hold<T>(
    context: KitContext,
    progress: Progress,
    type: ModelType,
    work: (contest: Contest) => Promise<T>,
  ): Promise<T> {
    // Render prompts with a small model of the same vocabulary and template.
    const renderer = new Child('ours')
    try {
      const cells = { contextSize: 4096, cacheSize: 4096, maxSequences: 1, sequences: 1 }
      await renderer.call('load', { modelPath: testModel(context), threads: 1, gpuLayers: 0, ...cells })
      return await work(new Contest(context, progress, type, renderer))
    } finally {
      await renderer.end()
      killAll()
    }
  }

  /**
   * Runs all turns in every round, each time another one first, as many rounds as there is time for. A contender that
   * fails is left out from then on, with the reason. Sends the findings of `describe` after every turn.
   */
  async run(turns: readonly Turn[], describe: () => Findings): Promise<Findings> {
    this.#describe = describe
    for (let round = 0; round < (this.context.cpuOnly ? 1 : ROUNDS); round++) {
      // Stop when another round may not fit: the first one includes the start of everyone.
      if (round > 0 && this.#seconds * (1 + 1 / round) > this.#progress.seconds - SPARE_SECONDS) break
      const first = round % turns.length
      for (const [who, measure] of [...turns.slice(first), ...turns.slice(0, first)]) {
        if (who in this.missing) continue
        try {
          await measure(round)
        } catch (error) {
          if (who === OURS) throw error // without it there is nothing to compare
          this.missing[who] = error instanceof Error ? error.message : String(error)
        }
        this.tell()
      }
    }
    return this.#findings()
  }

  /** A goal for the contest's model: the least ratio of two series. */
  goal(number: number, text: string, above: string, below: string, limit: number): Goal {
    const measured = this.rounds.ratio(above, below)
    return { number, text: `${this.type}: ${text}`, measured, limit, want: 'at least', unit: '' }
  }

  /** Keeps the findings so far. */
  tell(): void {
    this.#progress.tell(this.#findings())
  }

  #findings(): Findings {
    const { facts, ...rest } = this.#describe()
    return {
      facts: { versions: this.versions, series: this.rounds.all, ...facts },
      ...rest,
      missing: this.missing,
    }
  }

  /** Time since the step's process was started. */
  get #seconds(): number {
    return performance.now() / 1000
  }

  /** Measures this library in a process of its own, with the memory it takes as a series. */
  async withOurs(
    round: number,
    sizes: { contextSize: number; cacheSize: number; maxSequences: number },
    measure: (running: RunningChild) => Promise<void>,
  ): Promise<void> {
    const before = gpuMemory()?.usedMiB
    const base = { ...this.program, rounds: null, requests: null, quick: false }
    const running = await startChild('ours', loadOptions(base, sizes))
    this.versions[OURS] = `${running.loaded.version} (llama.cpp ${running.loaded.llamaCpp})`
    try {
      await measure(running)
      const after = gpuMemory()?.usedMiB
      const memory =
        this.context.cpuOnly || before === undefined || after === undefined
          ? (residentMemory(running.pid)?.peakMB ?? null)
          : ((after - before) * 2 ** 20) / 1e6
      this.rounds.add(series(OURS, 'memory'), round, memory)
    } finally {
      await running.close()
    }
  }
}
