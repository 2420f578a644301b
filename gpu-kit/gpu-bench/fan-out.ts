// Requests that arrive at once and share a system prompt, on a GPU.

import type { Running } from '../../bench/contenders/contender.js'
import { batchedBench, llamaBench } from '../../bench/contenders/llama-bench.js'
import { ratio, rowName, spread } from '../../bench/report/format.js'
import { profileSteps, STEP_LEGEND, stepGoals, stepTable } from '../../bench/step-profile.js'
import type { Table } from '../../bench/suite.js'
import type { ModelType } from '../../scripts/make-model.js'
import type { Findings, KitContext, Step } from '../run/step-types.js'
import { type Contest, contestStep, OURS, series, type Turn } from './contest.js'

const CEILING = 'llama-batched-bench, no sampling'
/** Tokens that each request generates while the steps are profiled. */
const PROFILED = 64

export const ways = (count: number) => `${count} requests`
export const seconds = (who: string, count: number) => series(who, `${ways(count)}, seconds`)

/** Numbers of requests (`few`, `many`), and of their tokens: `prefix` in common, `suffix` of their own, generated. */
export function fanOutSize({ cpuOnly }: KitContext) {
  return cpuOnly
    ? { few: 2, many: 4, prefix: 64, suffix: 20, generate: 8, cacheSize: 1024 }
    : { few: 8, many: 32, prefix: 1000, suffix: 20, generate: 128, cacheSize: 8192 }
}

export function fanOutLoad(context: KitContext) {
  const { many, prefix, cacheSize } = fanOutSize(context)
  return { contextSize: 2 * prefix + 256, cacheSize, maxSequences: many }
}

/** Measures many requests, and the times of a step's parts with one of them and with all. */
export function manyStep(type: ModelType): Step {
  const title = 'requests at once with one system prompt, and where the time of a step goes'
  return contestStep('many', title, type, 30, (contest) => {
    const { context, rounds } = contest
    const { many, prefix } = fanOutSize(context)
    const counts = [1, many]
    const ours = (round: number) =>
      contest.withOurs(round, fanOutLoad(context), async (running) => {
        await warmUp(contest, running)
        await measureFanOut(contest, running, round, many)
        for (const count of counts) {
          const prompts = await promptsFor(contest, count)
          const missing = await profileSteps(rounds, round, running.child, {
            prompts,
            generate: context.cpuOnly ? 16 : PROFILED,
            depth: prefix,
          })
          if (missing !== null) contest.missing['a step without logits'] = missing
        }
      })
    return contest.run([[OURS, ours], ceilingTurn(contest, [many])], () => ({
      tables: [
        fanOutTable(contest, many, [OURS, CEILING]),
        stepTable(
          rounds,
          counts,
          `${type}: where the time of a step goes, after ${prefix} tokens, at 0.7/0.9`,
        ),
      ],
      goals: stepGoals(rounds, counts, `${type}: `),
      legend: STEP_LEGEND,
    }))
  })
}

/** Measures some and many requests. */
export function fanOutStep(type: ModelType): Step {
  const title = 'requests at once with one system prompt'
  return contestStep('fan-out', title, type, 60, (contest) => {
    const { few, many } = fanOutSize(contest.context)
    const counts = [few, many]
    const ours = (round: number) =>
      contest.withOurs(round, fanOutLoad(contest.context), async (running) => {
        await warmUp(contest, running)
        for (const count of counts) await measureFanOut(contest, running, round, count)
      })
    const describe = (): Findings => ({
      tables: counts.map((count) => fanOutTable(contest, count, [OURS, CEILING])),
    })
    return contest.run([[OURS, ours], ceilingTurn(contest, counts)], describe)
  })
}

async function warmUp({ prompts, context }: Contest, running: Running): Promise<void> {
  const prompt = await prompts.alone(fanOutSize(context).prefix)
  await running.run([{ prompt, maxTokens: 8, sampling: 'nucleus', stream: false }])
}

async function promptsFor({ prompts, context }: Contest, count: number) {
  const { prefix, suffix } = fanOutSize(context)
  return (await prompts.sharing(count, prefix, suffix)).map(({ prompt }) => prompt)
}

/** Measures `count` requests at once: until all are done, and until the last one's first token. */
export async function measureFanOut(
  contest: Contest,
  running: Running,
  round: number,
  count: number,
): Promise<void> {
  const { generate } = fanOutSize(contest.context)
  const prompts = await promptsFor(contest, count)
  const { wallMs, outcomes } = await running.run(
    prompts.map((prompt) => ({ prompt, maxTokens: generate, sampling: 'nucleus' as const, stream: true })),
  )
  contest.rounds.add(seconds(OURS, count), round, wallMs / 1000)
  const last = Math.max(...outcomes.map(({ firstTokenMs }) => firstTokenMs ?? Number.NaN))
  contest.rounds.add(series(OURS, `${ways(count)}, first token`), round, last)
  contest.tell()
}

function ceilingTurn({ rounds, program, context }: Contest, counts: readonly number[]): Turn {
  const { prefix, suffix, generate, cacheSize } = fanOutSize(context)
  return [
    CEILING,
    async (round) => {
      for (const count of counts) {
        const test = { prompt: prefix, generate, parallel: count, shared: true, cacheSize }
        const { seconds: whole } = await batchedBench(program, test)
        const own = await llamaBench(program, { prompt: count * suffix, depth: prefix })
        rounds.add(seconds(CEILING, count), round, whole + own.seconds)
      }
    },
  ]
}

export function fanOutTable(
  { rounds, context, type }: Contest,
  count: number,
  everyone: readonly string[],
): Table {
  const { prefix, suffix, generate } = fanOutSize(context)
  return {
    title: `${type}: ${count} requests, ${prefix} tokens in common and ${suffix} of their own, ${generate} generated each`,
    head: ['', 'seconds', 'this / ours', 'last first token, ms', 'memory, MB'],
    rows: everyone
      .filter((who) => rounds.spread(seconds(who, count)))
      .map((who) => [
        rowName(who, who === OURS),
        spread(rounds.spread(seconds(who, count))),
        ratio(rounds.ratio(seconds(who, count), seconds(OURS, count))),
        spread(rounds.spread(series(who, `${ways(count)}, first token`))),
        spread(rounds.spread(series(who, 'memory'))),
      ]),
  }
}
