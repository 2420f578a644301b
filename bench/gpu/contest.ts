// Everyone in turn, in rounds: started, measured and ended, so that each has the whole GPU for itself.

import { requireBackend } from '../../scripts/gpu-kit/build.js'
import { gpuMemory } from '../../scripts/gpu-kit/commands.js'
import { benchModel, testModel } from '../../scripts/gpu-kit/models.js'
import type { Findings, KitContext, Step } from '../../scripts/gpu-kit/step.js'
import type { ModelType } from '../../scripts/make-model.js'
import { Child, childContender } from '../contenders/child.js'
import type { Running } from '../contenders/contender.js'
import type { ProgramOptions } from '../contenders/llama-bench.js'
import { killAll } from '../contenders/processes.js'
import { residentMemory } from '../machine.js'
import { PromptMaker } from '../prompts.js'
import { Rounds } from '../statistics.js'
import { loadOptions } from '../suite.js'
import { runTransformers, type TransformersCase, transformersProblem } from './transformers.js'

export const OURS = 'verbatim-llama'
export const EAGER = 'Transformers, eager'
export const ALL_LAYERS = 999
const ROUNDS = 3

/** Only beside weights in half precision: Transformers has the others in no comparable form. */
export const BESIDE_TRANSFORMERS: ModelType = 'F16'

/** A contest on the model of a type, as a step of the kit. */
export function contestStep(
  name: string,
  title: string,
  type: ModelType,
  run: (context: KitContext, type: ModelType, contest: Contest) => Promise<Findings>,
): Step {
  return {
    name: `bench-${name}-${type}`,
    group: 'bench',
    title: `${title}, ${type}`,
    after: ['build-addon', 'build-programs', 'model-tests', `model-${type}`],
    usualSeconds: 240,
    limitSeconds: 520,
    run: (context) => Contest.hold(context, type, (contest) => run(context, type, contest)),
  }
}

/** As a series is named. */
export const series = (who: string, what: string) => `${who}: ${what}`

type Turn = readonly [who: string, measure: (round: number) => Promise<void>]

export class Contest {
  readonly rounds = new Rounds()
  readonly missing: Record<string, string> = {}
  readonly versions: Record<string, string> = {}
  readonly prompts: PromptMaker
  readonly program: ProgramOptions
  readonly #context: KitContext

  private constructor(context: KitContext, type: ModelType, renderer: Child) {
    this.#context = context
    this.prompts = new PromptMaker(renderer)
    const gpuLayers = context.cpuOnly ? 0 : ALL_LAYERS
    this.program = { modelPath: benchModel(context, type), threads: context.cpuOnly ? 2 : 8, gpuLayers }
  }

  /** Opens a contest on the model of this type, does the work, and ends every process of it. */
  static async hold<T>(
    context: KitContext,
    type: ModelType,
    work: (contest: Contest) => Promise<T>,
  ): Promise<T> {
    requireBackend(context)
    // Prompts are rendered by a small model of the same vocabulary and template.
    const renderer = new Child('ours')
    try {
      const cells = { contextSize: 4096, cacheSize: 4096, maxSequences: 1, sequences: 1 }
      await renderer.call('load', { modelPath: testModel(context), threads: 1, gpuLayers: 0, ...cells })
      return await work(new Contest(context, type, renderer))
    } finally {
      await renderer.end()
      killAll()
    }
  }

  /** Everyone in every round, each time another one first. Who fails is left out from then on, with the reason. */
  async run(turns: readonly Turn[]): Promise<void> {
    const count = this.#context.cpuOnly ? 1 : ROUNDS
    for (let round = 0; round < count; round++) {
      const first = round % turns.length
      for (const [who, measure] of [...turns.slice(first), ...turns.slice(0, first)]) {
        if (who in this.missing) continue
        try {
          await measure(round)
        } catch (error) {
          if (who === OURS) throw error // without it there is nothing to compare
          this.missing[who] = error instanceof Error ? error.message : String(error)
        }
      }
    }
  }

  /** This library in a process of its own, with the memory it takes as a series. */
  async withOurs(
    round: number,
    sizes: { contextSize: number; cacheSize: number; maxSequences: number },
    measure: (running: Running) => Promise<void>,
  ): Promise<void> {
    const before = gpuMemory()?.usedMiB
    const base = { ...this.program, rounds: null, requests: null, quick: false }
    const running = await childContender('ours', 'ours').start(loadOptions(base, sizes))
    this.versions[OURS] = `${running.loaded.version} (llama.cpp ${running.loaded.llamaCpp})`
    try {
      await measure(running)
      const after = gpuMemory()?.usedMiB
      const memory =
        this.#context.cpuOnly || before === undefined || after === undefined
          ? (residentMemory(running.pid)?.peakMB ?? null)
          : ((after - before) * 2 ** 20) / 1e6
      this.rounds.add(series(OURS, 'memory'), round, memory)
    } finally {
      await running.close()
    }
  }

  /** The turn of Transformers, if it can be measured here. */
  transformers(cases: readonly TransformersCase[]): Turn[] {
    const problem = transformersProblem(this.#context)
    if (problem !== null) {
      this.missing[EAGER] = problem
      return []
    }
    const measure = async (round: number) => {
      const result = await runTransformers(this.#context, 'eager', cases)
      Object.assign(this.versions, result.versions)
      this.rounds.add(series(EAGER, 'memory'), round, result.memoryMB)
      for (const [name, { seconds, firstTokenMs, tokensPerSecond }] of Object.entries(result.cases)) {
        this.rounds.add(series(EAGER, `${name}, tokens/s`), round, tokensPerSecond)
        this.rounds.add(series(EAGER, `${name}, first token`), round, firstTokenMs)
        this.rounds.add(series(EAGER, `${name}, seconds`), round, seconds)
      }
    }
    return [[EAGER, measure]]
  }
}
