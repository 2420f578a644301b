// Requests that arrive at once and share a system prompt, on a GPU.
import type { Findings, KitContext, Step } from '../../scripts/gpu-kit/step.js'
import type { ModelType } from '../../scripts/make-model.js'
import { batchedBench, llamaBench } from '../contenders/llama-bench.js'
import { ratio, rowName, spread } from '../report/format.js'
import { BESIDE_TRANSFORMERS, type Contest, contestStep, EAGER, OURS, series } from './contest.js'

const CEILING = 'llama-batched-bench, no sampling'
const TRANSFORMERS_BATCH = 8

const ways = (count: number) => `${count} requests`

export function fanOutStep(type: ModelType): Step {
  return contestStep('fan-out', 'requests at once with one system prompt', type, run)
}

async function run(context: KitContext, type: ModelType, contest: Contest): Promise<Findings> {
  const { rounds, prompts, program } = contest
  const counts = context.cpuOnly ? [2, 4] : [8, 32]
  const prefix = context.cpuOnly ? 64 : 1000
  const suffix = 20
  const generate = context.cpuOnly ? 8 : 128
  const cacheSize = context.cpuOnly ? 1024 : 8192
  const sizes = { contextSize: 2 * prefix, cacheSize, maxSequences: Math.max(...counts) }
  const batch = Math.min(TRANSFORMERS_BATCH, counts[0] ?? TRANSFORMERS_BATCH)
  const seconds = (who: string, count: number) => series(who, `${ways(count)}, seconds`)

  await contest.run([
    [
      OURS,
      (round) =>
        contest.withOurs(round, sizes, async (running) => {
          const warmUp = await prompts.alone(prefix)
          await running.run([{ prompt: warmUp, maxTokens: 8, sampling: 'nucleus', stream: false }])
          for (const count of counts) {
            const chats = await prompts.sharing(count, prefix, suffix)
            const { wallMs, outcomes } = await running.run(
              chats.map(({ prompt }) => ({
                prompt,
                maxTokens: generate,
                sampling: 'nucleus' as const,
                stream: true,
              })),
            )
            rounds.add(seconds(OURS, count), round, wallMs / 1000)
            const last = Math.max(...outcomes.map(({ firstTokenMs }) => firstTokenMs ?? Number.NaN))
            rounds.add(series(OURS, `${ways(count)}, first token`), round, last)
          }
        }),
    ],
    [
      CEILING,
      async (round) => {
        for (const count of counts) {
          const test = { prompt: prefix, generate, parallel: count, shared: true, cacheSize }
          const { seconds: whole } = await batchedBench(program, test)
          const own = await llamaBench(program, { prompt: count * suffix, depth: prefix })
          rounds.add(seconds(CEILING, count), round, whole + own.seconds)
        }
      },
    ],
    ...(type === BESIDE_TRANSFORMERS
      ? contest.transformers(
          counts.map((requests) => ({
            name: ways(requests),
            requests,
            batch,
            prompt: prefix + suffix,
            generate,
          })),
        )
      : []),
  ])
  const { missing, versions } = contest
  const most = Math.max(...counts)
  return {
    facts: { versions, series: rounds.all },
    missing,
    tables: counts.map((count) => ({
      title: `${type}: ${count} requests, ${prefix} tokens in common and ${suffix} of their own, ${generate} generated each`,
      head: ['', 'seconds', 'this / ours', 'last first token, ms', 'memory, MB'],
      rows: [OURS, CEILING, EAGER]
        .filter((who) => rounds.spread(seconds(who, count)))
        .map((who) => [
          rowName(who === EAGER ? `${EAGER}, in batches of ${batch}` : who, who === OURS),
          spread(rounds.spread(seconds(who, count))),
          ratio(rounds.ratio(seconds(who, count), seconds(OURS, count))),
          spread(rounds.spread(series(who, `${ways(count)}, first token`))),
          spread(rounds.spread(series(who, 'memory'))),
        ]),
    })),
    goals:
      type === BESIDE_TRANSFORMERS
        ? [
            {
              number: 4,
              text: `${type}: ${most} requests at once, against Transformers in batches of ${batch}: times as fast`,
              measured: rounds.ratio(seconds(EAGER, most), seconds(OURS, most)),
              limit: 5,
              want: 'at least',
              unit: '',
            },
          ]
        : [],
  }
}
