// A single stream, and eight at once, on a GPU.

import type { Running } from '../../bench/contenders/contender.js'
import { batchedBench, llamaBench } from '../../bench/contenders/llama-bench.js'
import type { Sampling } from '../../bench/protocol.js'
import { ratio, rowName, spread } from '../../bench/report/format.js'
import type { Table } from '../../bench/suite.js'
import type { ModelType } from '../../scripts/make-model.js'
import type { Findings, KitContext, Step } from '../run/step-types.js'
import { type Contest, contestStep, OURS, series, type Turn } from './contest.js'

const LLAMA_BENCH = 'llama-bench, no sampling'
const BATCHED_BENCH = 'llama-batched-bench, no sampling'
const FULL = `${OURS}, cache full of idle prefixes`
const BATCH = 8

export const ONE = 'one stream, 0.7/0.9'
const GREEDY = 'one stream, greedy'
const EIGHT = '8 streams, 0.7/0.9'

/** Tokens of the prompt, and of the answer. */
export function streamSize({ cpuOnly }: KitContext): { depth: number; generate: number } {
  return cpuOnly ? { depth: 64, generate: 16 } : { depth: 430, generate: 128 }
}

/** Measures one stream, greedy and at 0.7/0.9, against llama-bench: the most important benchmark. */
export function oneStreamStep(type: ModelType): Step {
  return contestStep('one-stream', 'one stream', type, 30, (contest) => {
    const ours = (round: number) =>
      contest.withOurs(round, streamLoad(contest.context), async (running) => {
        await warmUp(contest, running)
        await measureStream(contest, running, round, OURS, GREEDY, 'greedy')
        await measureStream(contest, running, round, OURS, ONE, 'nucleus')
      })
    return contest.run([[OURS, ours], llamaBenchTurn(contest)], () => ({
      tables: [table(contest)],
      goals: [
        contest.goal(
          1,
          'one stream, greedy, of llama-bench',
          speed(OURS, GREEDY),
          speed(LLAMA_BENCH, ONE),
          0.97,
        ),
        contest.goal(
          1,
          'one stream at 0.7/0.9, of llama-bench',
          speed(OURS, ONE),
          speed(LLAMA_BENCH, ONE),
          0.97,
        ),
      ],
    }))
  })
}

/** Measures one stream, eight at once, and one with a cache full of idle prefixes. */
export function singleStreamStep(type: ModelType): Step {
  const title = 'one stream and eight, and a cache full of idle prefixes'
  return contestStep('single-stream', title, type, 60, (contest) => {
    const sizes = streamLoad(contest.context)
    const ours = (round: number) =>
      contest.withOurs(round, sizes, async (running) => {
        await warmUp(contest, running)
        await measureStream(contest, running, round, OURS, GREEDY, 'greedy')
        await measureStream(contest, running, round, OURS, ONE, 'nucleus')
        await measureEight(contest, running, round)
        await fillCache(contest, running, sizes.cacheSize)
        await measureStream(contest, running, round, FULL, ONE, 'nucleus')
      })
    const turns = [[OURS, ours] as const, llamaBenchTurn(contest), batchedBenchTurn(contest, sizes.cacheSize)]
    return contest.run(turns, () => describeAll(contest))
  })
}

function streamLoad({ cpuOnly }: KitContext) {
  return { contextSize: cpuOnly ? 512 : 2048, cacheSize: cpuOnly ? 2048 : 16384, maxSequences: BATCH }
}

async function warmUp({ prompts, context }: Contest, running: Running): Promise<void> {
  for (const sampling of ['greedy', 'nucleus'] as const) {
    const prompt = await prompts.alone(streamSize(context).depth)
    await running.run([{ prompt, maxTokens: 8, sampling, stream: true }])
  }
}

/** Measures one stream, by the clock of its consumer. */
export async function measureStream(
  contest: Contest,
  running: Running,
  round: number,
  who: string,
  what: string,
  sampling: Sampling,
): Promise<void> {
  const { prompts, rounds } = contest
  const { depth, generate } = streamSize(contest.context)
  const prompt = await prompts.alone(depth)
  const { outcomes } = await running.run([{ prompt, maxTokens: generate, sampling, stream: true }])
  const { perTokenMs, firstTokenMs } = outcomes[0] ?? {}
  rounds.add(speed(who, what), round, perTokenMs ? 1000 / perTokenMs : null)
  rounds.add(series(who, `${what}, first token`), round, firstTokenMs ?? null)
  contest.tell()
}

async function measureEight(
  { prompts, rounds, context }: Contest,
  running: Running,
  round: number,
): Promise<void> {
  const { depth, generate } = streamSize(context)
  const requests = []
  for (let i = 0; i < BATCH; i++) {
    const prompt = await prompts.alone(depth)
    requests.push({ prompt, maxTokens: generate, sampling: 'nucleus' as const, stream: true })
  }
  const { outcomes } = await running.run(requests)
  // Count while all of them generate: from the last one's first token to the first one's last.
  const first = Math.max(...outcomes.map(({ startedMs, firstTokenMs }) => startedMs + (firstTokenMs ?? 0)))
  const last = Math.min(...outcomes.map(({ startedMs, totalMs }) => startedMs + totalMs))
  const tokens = outcomes
    .flatMap(({ arrivals }) => arrivals)
    .reduce((sum, [at, count]) => (at > first && at <= last ? sum + count : sum), 0)
  rounds.add(speed(OURS, EIGHT), round, last > first ? (1000 * tokens) / (last - first) : null)
  rounds.add(series(OURS, `${EIGHT}, first token`), round, first)
}

async function fillCache({ prompts, context }: Contest, running: Running, cacheSize: number): Promise<void> {
  const { depth } = streamSize(context)
  for (let filled = 0; filled < cacheSize * 1.1; filled += depth) {
    const prompt = await prompts.alone(depth)
    await running.run([{ prompt, maxTokens: 1, sampling: 'greedy', stream: false }])
  }
}

function llamaBenchTurn({ rounds, program, context }: Contest): Turn {
  const { depth, generate } = streamSize(context)
  return [
    LLAMA_BENCH,
    async (round) => {
      const { tokensPerSecond } = await llamaBench(program, { generate, depth })
      rounds.add(speed(LLAMA_BENCH, ONE), round, tokensPerSecond)
    },
  ]
}

function batchedBenchTurn({ rounds, program, context }: Contest, cacheSize: number): Turn {
  const { depth, generate } = streamSize(context)
  return [
    BATCHED_BENCH,
    async (round) => {
      const test = { prompt: depth, generate, parallel: BATCH, shared: false, cacheSize }
      const { promptSeconds, generateSeconds } = await batchedBench(program, test)
      rounds.add(speed(BATCHED_BENCH, EIGHT), round, (BATCH * generate) / generateSeconds)
      rounds.add(series(BATCHED_BENCH, `${EIGHT}, first token`), round, promptSeconds * 1000)
    },
  ]
}

export const speed = (who: string, what: string) => series(who, `${what}, tokens/s`)

function describeAll(contest: Contest): Findings {
  return {
    tables: [table(contest)],
    goals: [
      contest.goal(
        2,
        'one stream with the cache full of idle prefixes, of the empty one',
        speed(FULL, ONE),
        speed(OURS, ONE),
        0.95,
      ),
    ],
  }
}

function table({ rounds, context, type }: Contest): Table {
  const { depth, generate } = streamSize(context)
  const rows: [string, string, string][] = [
    [OURS, GREEDY, LLAMA_BENCH],
    [OURS, ONE, LLAMA_BENCH],
    [FULL, ONE, LLAMA_BENCH],
    [LLAMA_BENCH, ONE, LLAMA_BENCH],
    [OURS, EIGHT, BATCHED_BENCH],
    [BATCHED_BENCH, EIGHT, BATCHED_BENCH],
  ]
  return {
    title: `${type}: ${depth} tokens of prompt, ${generate} generated`,
    head: ['', '', 'tokens/s', 'of llama.cpp’s own', 'first token, ms', 'memory, MB'],
    rows: rows
      .filter(([who, what]) => rounds.spread(speed(who, what)))
      .map(([who, what, reference]) => [
        rowName(who, who === OURS),
        who === LLAMA_BENCH ? 'one stream' : what,
        spread(rounds.spread(speed(who, what))),
        ratio(rounds.ratio(speed(who, what), speed(reference, what === GREEDY ? ONE : what))),
        spread(rounds.spread(series(who, `${what}, first token`))),
        spread(rounds.spread(series(who, 'memory'))),
      ]),
  }
}
