import { type Contender, type ContenderId, LABELS, type Running } from '../contenders/contender.js'
import type { LoadOptions } from '../protocol.js'
import type { BenchContext } from '../suite.js'

/** A step of a round: who is measured, and how. */
export type Step = readonly [who: string, measure: () => Promise<void>]

/** Another contender that would need longer than this for the prompts of one measurement is spared it. */
const MOST_SECONDS = 20

/** Version and llama.cpp of everyone who was started, in this run of the benchmarks. */
export const startedVersions = new Map<string, string>()

/**
 * The contenders of one suite, each loaded once and idle until its turn. Who fails is left out from then on, and the
 * reason is kept.
 */
export class Field {
  readonly #failed: Record<string, string> = {}
  readonly #slow: Record<string, string> = {}
  /** Prompt tokens a second, as a first request took. */
  readonly #speeds = new Map<ContenderId, number>()
  readonly #context: BenchContext
  readonly #running = new Map<ContenderId, Running>()

  private constructor(context: BenchContext) {
    this.#context = context
  }

  /** Starts the contenders one after the other. `ids`: only these. */
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

  /** Who was left out, everywhere or where it would take too long, and why. */
  get missing(): Record<string, string> {
    return { ...this.#slow, ...this.#failed }
  }

  /** One step for each contender that still takes part, unless so many tokens of prompt would take it too long. */
  steps(measure: (running: Running, id: ContenderId) => Promise<void>, promptTokens: number): Step[] {
    return [...this.#running].flatMap(([id, running]): Step[] => {
      const seconds = promptTokens / (this.#speeds.get(id) ?? Number.POSITIVE_INFINITY)
      if (id === 'ours' || seconds <= MOST_SECONDS) return [[LABELS[id], () => measure(running, id)]]
      this.#slow[LABELS[id]] ??=
        `left out from ${promptTokens} tokens of prompt on: they would take it about ${seconds.toFixed(0)} s`
      return []
    })
  }

  /** Takes the steps one after the other, beginning with another one in each round. */
  async round(round: number, steps: readonly Step[]): Promise<void> {
    const first = round % Math.max(1, steps.length)
    for (const [who, measure] of [...steps.slice(first), ...steps.slice(0, first)])
      if (!(who in this.#failed)) await this.attempt(who, measure)
  }

  /** Does something for a contender; when it fails, the contender is left out. */
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

/** Warms a contender up, and finds out how fast it evaluates a prompt. */
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
