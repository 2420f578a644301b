import { type ContenderId, LABELS } from '../contenders/contender.js'
import { batchedBench, llamaBench } from '../contenders/llama-bench.js'
import type { Prompt } from '../protocol.js'
import { ratio, spread } from '../report/format.js'
import { Rounds } from '../statistics.js'
import { type BenchContext, loadOptions, roundsOf, type Suite, type SuiteResult } from '../suite.js'
import { Field } from './field.js'

const GENERATE = 32
const PREFIX = 430
const SUFFIX = 20
/** The number of requests that the goals are about. */
const GOAL_COUNT = 8
/** Number of requests from which distinct prompts are shorter, so that the suite takes only minutes. */
const MANY = 32
const SHORT_PROMPT = 192

/** Requests that arrive at once and share a system prompt. */
export const fanOut: Suite = {
  name: 'fan-out',
  title: 'Requests at once, one shared system prompt',
  needsContenders: true,
  run: (context) => run(context, true),
}

/** Requests that arrive at once and share nothing. */
export const distinct: Suite = {
  name: 'distinct',
  title: 'Requests at once, distinct prompts',
  needsContenders: true,
  run: (context) => run(context, false),
}

async function run(context: BenchContext, shared: boolean): Promise<SuiteResult> {
  const { options, program } = context
  const roundCount = roundsOf(options, 3)
  const counts = options.requests ?? (options.quick ? [1, GOAL_COUNT] : [1, 2, 4, 8, 16, 32])
  const load = loadOptions(options, {
    contextSize: 768,
    cacheSize: 24576,
    maxSequences: Math.max(...counts),
  })
  const rounds = new Rounds()
  const field = await Field.open(context, load)
  for (let round = 0; round < roundCount; round++)
    for (const [index, count] of counts.entries()) {
      const length = count >= MANY ? SHORT_PROMPT : PREFIX + SUFFIX
      const chats = shared ? await context.prompts.sharing(count, PREFIX, SUFFIX) : []
      const own: Prompt[] = []
      while (!shared && own.length < count) own.push(await context.prompts.alone(length))
      const requests = (shared ? chats.map(({ prompt }) => prompt) : own).map((prompt) => ({
        prompt,
        maxTokens: GENERATE,
        sampling: 'greedy' as const,
        stream: false,
      }))
      await field.round(round * counts.length + index, [
        [
          CEILING,
          async () => {
            const [chat] = chats
            const prompt = chat ? chat.prefixTokens : length
            const test = { prompt, generate: GENERATE, parallel: count, shared, cacheSize: load.cacheSize }
            const { seconds } = await batchedBench(program, test)
            let suffixes = 0
            if (chat) {
              const tokens = chats.reduce((sum, { suffixTokens }) => sum + suffixTokens, 0)
              suffixes = (await llamaBench(program, { prompt: tokens, depth: prompt })).seconds
            }
            rounds.add(series(CEILING, count), round, seconds + suffixes)
          },
        ],
        ...field.steps(async (running, id) => {
          const { wallMs } = await running.run(requests)
          rounds.add(series(LABELS[id], count), round, wallMs / 1000)
        }, count * length),
      ])
      context.progress(round * counts.length + index + 1, roundCount * counts.length)
    }
  await field.close()
  return { ...describe(rounds, counts, shared), missing: field.missing }
}

const CEILING = 'ceiling'
const BEST_PEER = 'best peer'
const PEERS: readonly ContenderId[] = ['llama-server', 'node-llama-cpp', 'llama.node']
const series = (label: string, count: number) => `${label} x ${count}`

function describe(rounds: Rounds, counts: readonly number[], shared: boolean): Omit<SuiteResult, 'missing'> {
  for (const count of counts) {
    const peers = PEERS.map((id) => series(LABELS[id], count)).filter((name) => rounds.spread(name))
    rounds.derive(series(BEST_PEER, count), peers, Math.min)
  }
  const ours = (count: number) => series(LABELS.ours, count)
  const columns = [CEILING, LABELS.ours, ...PEERS.map((id) => LABELS[id])]
  const rows = counts.map((count) => [
    String(count),
    ...columns.map((label) => spread(rounds.spread(series(label, count)))),
    ratio(rounds.ratio(ours(count), series(CEILING, count))),
    ratio(rounds.ratio(ours(count), series(BEST_PEER, count))),
  ])
  const what = shared ? 'one shared system prompt' : 'distinct prompts'
  const goal = shared
    ? {
        number: 3,
        text: `Shared-prefix fan-out of ${GOAL_COUNT}, of the ceiling`,
        measured: rounds.ratio(ours(GOAL_COUNT), series(CEILING, GOAL_COUNT)),
        limit: 1.15,
      }
    : {
        number: 3,
        text: `Distinct prompts, ${GOAL_COUNT} requests, of the best peer’s time`,
        measured: rounds.ratio(ours(GOAL_COUNT), series(BEST_PEER, GOAL_COUNT)),
        limit: 1,
      }
  return {
    rounds,
    tables: [
      {
        title: `Seconds until all are done, ${what}`,
        head: ['requests', ...columns, 'ours / ceiling', 'ours / best peer'],
        rows,
      },
    ],
    plots: [
      {
        name: shared ? 'fan-out' : 'distinct',
        title: `Requests at once, ${what}: seconds until all are done`,
        unit: 's',
        betterIs: 'lower',
        lines: {
          x: counts,
          xLabel: 'requests at once',
          logarithmic: true,
          series: columns.map((label) => ({
            label,
            y: counts.map((count) => rounds.spread(series(label, count))),
            ours: label === LABELS.ours,
            dashed: label === CEILING,
          })),
        },
      },
    ],
    goals: [{ ...goal, want: 'at most', unit: '' }],
    legend: shared
      ? [
          `A system prompt of ${PREFIX} tokens that nobody has seen before, different users’ texts of about ${SUFFIX} tokens, ${GENERATE} tokens each, greedy, all submitted at once.`,
          'ceiling = llama-batched-bench `-pps` (the prompt once, then the generation) + llama-bench’s evaluation of all users’ texts together at that depth. Neither samples.',
        ]
      : [
          `Prompts of ${PREFIX + SUFFIX} tokens (${SHORT_PROMPT} from ${MANY} requests on) that share nothing but the template’s beginning, ${GENERATE} tokens each, greedy, all submitted at once.`,
          'ceiling = llama-batched-bench without `-pps`. It does not sample.',
        ],
  }
}
