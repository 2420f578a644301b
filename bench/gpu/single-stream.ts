// One stream, and eight at once, on a GPU.
import type { Findings, KitContext, Step } from '../../scripts/gpu-kit/step.js'
import type { ModelType } from '../../scripts/make-model.js'
import type { Running } from '../contenders/contender.js'
import { batchedBench, llamaBench } from '../contenders/llama-bench.js'
import type { Sampling } from '../protocol.js'
import { ratio, rowName, spread } from '../report/format.js'
import type { Goal } from '../suite.js'
import { BESIDE_TRANSFORMERS, type Contest, contestStep, EAGER, OURS, series } from './contest.js'

const LLAMA_BENCH = 'llama-bench, no sampling'
const BATCHED_BENCH = 'llama-batched-bench, no sampling'
const FULL = `${OURS}, cache full of idle prefixes`
const BATCH = 8

const ONE = 'one stream, 0.7/0.9'
const GREEDY = 'one stream, greedy'
const EIGHT = '8 streams, 0.7/0.9'

/** Tokens of the prompt, and of the answer. */
export function streamSize({ cpuOnly }: KitContext): { depth: number; generate: number } {
  return cpuOnly ? { depth: 64, generate: 16 } : { depth: 430, generate: 128 }
}

export function singleStreamStep(type: ModelType): Step {
  return contestStep('single-stream', 'one stream and eight', type, run)
}

async function run(context: KitContext, type: ModelType, contest: Contest): Promise<Findings> {
  const { rounds, prompts, program } = contest
  const { depth, generate } = streamSize(context)
  const cacheSize = context.cpuOnly ? 2048 : 16384
  const sizes = { contextSize: context.cpuOnly ? 512 : 2048, cacheSize, maxSequences: BATCH }

  const stream = async (running: Running, round: number, who: string, what: string, sampling: Sampling) => {
    const prompt = await prompts.alone(depth)
    const { outcomes } = await running.run([{ prompt, maxTokens: generate, sampling, stream: true }])
    const { perTokenMs, firstTokenMs } = outcomes[0] ?? {}
    rounds.add(series(who, `${what}, tokens/s`), round, perTokenMs ? 1000 / perTokenMs : null)
    rounds.add(series(who, `${what}, first token`), round, firstTokenMs ?? null)
  }

  await contest.run([
    [
      OURS,
      (round) =>
        contest.withOurs(round, sizes, async (running) => {
          for (const sampling of ['greedy', 'nucleus'] as const) {
            const prompt = await prompts.alone(depth)
            await running.run([{ prompt, maxTokens: 8, sampling, stream: true }])
          }
          await stream(running, round, OURS, GREEDY, 'greedy')
          await stream(running, round, OURS, ONE, 'nucleus')
          const requests = []
          for (let i = 0; i < BATCH; i++) {
            const prompt = await prompts.alone(depth)
            requests.push({ prompt, maxTokens: generate, sampling: 'nucleus' as const, stream: true })
          }
          const { outcomes } = await running.run(requests)
          // While all of them generate: from the last one's first token to the first one's last.
          const first = Math.max(
            ...outcomes.map(({ startedMs, firstTokenMs }) => startedMs + (firstTokenMs ?? 0)),
          )
          const last = Math.max(...outcomes.map(({ startedMs, totalMs }) => startedMs + totalMs))
          const tokens = outcomes
            .flatMap(({ arrivals }) => arrivals)
            .reduce((sum, [at, count]) => (at > first ? sum + count : sum), 0)
          rounds.add(series(OURS, `${EIGHT}, tokens/s`), round, (1000 * tokens) / (last - first))
          rounds.add(series(OURS, `${EIGHT}, first token`), round, first)
          for (let filled = 0; filled < cacheSize * 1.1; filled += depth) {
            const prompt = await prompts.alone(depth)
            await running.run([{ prompt, maxTokens: 1, sampling: 'greedy', stream: false }])
          }
          await stream(running, round, FULL, ONE, 'nucleus')
        }),
    ],
    [
      LLAMA_BENCH,
      async (round) => {
        const generation = await llamaBench(program, { generate, depth })
        rounds.add(series(LLAMA_BENCH, `${ONE}, tokens/s`), round, generation.tokensPerSecond)
        const prefill = await llamaBench(program, { prompt: depth })
        rounds.add(series(LLAMA_BENCH, `${ONE}, first token`), round, prefill.seconds * 1000)
      },
    ],
    [
      BATCHED_BENCH,
      async (round) => {
        const test = { prompt: depth, generate, parallel: BATCH, shared: false, cacheSize }
        const { promptSeconds, generateSeconds } = await batchedBench(program, test)
        rounds.add(series(BATCHED_BENCH, `${EIGHT}, tokens/s`), round, (BATCH * generate) / generateSeconds)
        rounds.add(series(BATCHED_BENCH, `${EIGHT}, first token`), round, promptSeconds * 1000)
      },
    ],
    ...(type === BESIDE_TRANSFORMERS
      ? contest.transformers([
          { name: ONE, requests: 1, batch: 1, prompt: depth, generate },
          { name: EIGHT, requests: BATCH, batch: BATCH, prompt: depth, generate },
        ])
      : []),
  ])
  return describe(contest, type, depth, generate)
}

function describe(contest: Contest, type: ModelType, depth: number, generate: number): Findings {
  const { rounds, missing, versions } = contest
  const speed = (who: string, what: string) => series(who, `${what}, tokens/s`)
  const rows: [string, string, string][] = [
    [OURS, GREEDY, LLAMA_BENCH],
    [OURS, ONE, LLAMA_BENCH],
    [FULL, ONE, LLAMA_BENCH],
    [LLAMA_BENCH, ONE, LLAMA_BENCH],
    [EAGER, ONE, LLAMA_BENCH],
    [OURS, EIGHT, BATCHED_BENCH],
    [BATCHED_BENCH, EIGHT, BATCHED_BENCH],
    [EAGER, EIGHT, BATCHED_BENCH],
  ]
  const goal = (number: number, text: string, measured: string, reference: string, limit: number): Goal => ({
    number,
    text: `${type}: ${text}`,
    measured: rounds.ratio(measured, reference),
    limit,
    want: 'at least',
    unit: '',
  })
  return {
    facts: { versions, series: rounds.all },
    missing,
    tables: [
      {
        title: `${type}: ${depth} tokens of prompt, ${generate} generated`,
        head: ['', '', 'tokens/s', 'of llama.cpp’s own', 'first token, ms', 'memory, MB'],
        rows: rows
          .filter(([who, what]) => rounds.spread(speed(who, what)))
          .map(([who, what, reference]) => [
            rowName(who, who === OURS),
            what,
            spread(rounds.spread(speed(who, what))),
            ratio(rounds.ratio(speed(who, what), speed(reference, what === GREEDY ? ONE : what))),
            spread(rounds.spread(series(who, `${what}, first token`))),
            spread(rounds.spread(series(who, 'memory'))),
          ]),
      },
    ],
    goals: [
      goal(1, 'one stream at 0.7/0.9, of llama-bench', speed(OURS, ONE), speed(LLAMA_BENCH, ONE), 0.97),
      goal(
        2,
        'one stream with the cache full of idle prefixes, of the empty one',
        speed(FULL, ONE),
        speed(OURS, ONE),
        0.95,
      ),
      ...(type === BESIDE_TRANSFORMERS
        ? [goal(3, 'one stream, of eager Transformers in bfloat16', speed(OURS, ONE), speed(EAGER, ONE), 3)]
        : []),
    ],
  }
}
