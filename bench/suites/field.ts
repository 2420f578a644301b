import { type Contender, type ContenderId, LABELS, type Running } from '../contenders/contender.js'
import type { LoadOptions } from '../protocol.js'
import type { BenchContext } from '../suite.js'

/** A step of a round: the contender's name, and its measurement. */
export type Step = readonly [who: string, measure: () => Promise<void>]

/** Longest time that another contender may take for the prompts of one measurement, else it is left out. */
const MOST_SECONDS = 20

/** Versions of started contenders and of their llama.cpp. */
export const startedVersions = new Map<string, string>()

/**
 * The contenders of one suite, each loaded once and idle until its turn. One that fails is left out from then on, with
 * the reason.
 */
export class Field {
  readonly #failed: Record<string, string> = {}
  readonly #slow: Record<string, string> = {}
  /** Prompt tokens a second, measured by first requests. */
  readonly #speeds = new Map<ContenderId, number>()
  readonly #context: BenchContext
  readonly #running = new Map<ContenderId, Running>()

  private constructor(context: BenchContext) {
    this.#context = context
  }

  /** Starts the contenders of these `ids`, one after the other. */
  static async open(
    context: BenchContext,
    options: LoadOptions,
    ids: readonly ContenderId[] = Object.keys(LABELS) as ContenderId[],
  ): Promise<Field> {
    const field = new Field(context)
    for (const contender of context.contenders.filter(({ id }) => ids.includes(id)))
      await field.attempt(contender.label, async () => {
        const running = await startContender(contender, options)
        field.#running.set(contender.id, running)
        field.#speeds.set(contender.id, await firstSpeed(context, running))
      })
    return field
  }

  /** Contenders that were left out, everywhere or where they would take too long, with the reasons. */
  get missing(): Record<string, string> {
    return { ...this.#slow, ...this.#failed }
  }

  /** Makes a step for each contender that still takes part, unless `promptTokens` would take it too long. */
  steps(measure: (running: Running, id: ContenderId) => Promise<void>, promptTokens: number): Step[] {
    return [...this.#running].flatMap(([id, running]): Step[] => {
      const seconds = promptTokens / (this.#speeds.get(id) ?? Number.POSITIVE_INFINITY)
      if (id === 'ours' || seconds <= MOST_SECONDS) return [[LABELS[id], () => measure(running, id)]]
      this.#slow[LABELS[id]] ??=
        `left out from ${promptTokens} tokens of prompt on: they would take it about ${seconds.toFixed(0)} s`
      return []
    })
  }

  /** Runs the steps one after the other, beginning with another one in each round. */
  async round(round: number, steps: readonly Step[]): Promise<void> {
    const first = round % Math.max(1, steps.length)
    for (const [who, measure] of [...steps.slice(first), ...steps.slice(0, first)])
      if (!(who in this.#failed)) await this.attempt(who, measure)
  }

  /** Runs `work` for a contender; when it fails, the contender is left out. */
  async attempt(who: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      const [reason] = (error instanceof Error ? error.message : String(error)).split('\n')
      this.#failed[who] = reason ?? ''
      this.#context.say(`${who} is left out: ${error instanceof Error ? error.message : error}`)
      for (const [id, running] of this.#running)
        if (LABELS[id] === who) {
          this.#running.delete(id)
          await running.close()
        }
    }
  }

  async close(): Promise<void> {
    for (const running of this.#running.values()) await running.close()
    this.#running.clear()
  }
}

/** Warms a contender up, and measures how fast it evaluates a prompt, in tokens a second. */
async function firstSpeed({ prompts }: BenchContext, running: Running): Promise<number> {
  const speeds: number[] = []
  for (const sampling of ['greedy', 'nucleus'] as const) {
    const prompt = await prompts.alone(128)
    const { outcomes } = await running.run([{ prompt, maxTokens: 4, sampling, stream: true }])
    speeds.push((prompt.tokenIds.length / (outcomes[0]?.firstTokenMs ?? Number.POSITIVE_INFINITY)) * 1000)
  }
  return Math.max(...speeds)
}

/** Starts a contender and notes its version. */
export async function startContender(contender: Contender, options: LoadOptions): Promise<Running> {
  if (options.gpuLayers > 0 && (contender.id === 'node-llama-cpp' || contender.id === 'llama.node'))
    throw new Error('not available: installed for the CPU only')
  const running = await contender.start(options)
  const { version, llamaCpp } = running.loaded
  startedVersions.set(contender.label, version === llamaCpp ? version : `${version} (llama.cpp ${llamaCpp})`)
  return running
}
