import { setTimeout as sleep } from 'node:timers/promises'
import { Child } from '../contenders/child.js'
import { LABELS, type Running } from '../contenders/contender.js'
import { commonArguments, type ProgramOptions, runProgram } from '../contenders/llama-bench.js'
import type { BenchRequest, LoopDelay, Outcome } from '../protocol.js'
import { ratio, rowName, spread } from '../report/format.js'
import { percentile, Rounds } from '../statistics.js'
import {
  type BenchContext,
  type Goal,
  loadOptions,
  roundsOf,
  type Suite,
  type SuiteResult,
} from '../suite.js'
import { Field } from './field.js'

const STREAMS = 8
const NEWCOMER = 4000
/** Time that the streams run by themselves before the newcomer comes. */
const BEFORE_MS = 8000
/** First part of `BEFORE_MS`, not counted: the streams' prompts are being evaluated. */
const SETTLING_MS = 3000

/** Most tokens of a stream; only a contender that lets the newcomer wait reaches them. */
const STREAM_TOKENS = 1500
/** Most tokens of a stream to compare: a contender slow with the newcomer would have to compute very many again. */
const MOST_COMPARED = 400

const FIGURES = [
  'p50 alone',
  'p50 during',
  'p99 alone',
  'p99 during',
  'p99 before',
  'first token',
  'first token, alone',
] as const
type Figure = (typeof FIGURES)[number]

const IDLE = 'an idle Node.js process'
const BESIDE = 'the same, llama-bench running beside it'
const OURS_LOOP = `${LABELS.ours}, the process with the streams`

/** Effects of a long prompt on running streams, theirs on it, and the delay of the event loop meanwhile. */
export const interference: Suite = {
  name: 'interference',
  title: 'A long prompt arrives while streams run',
  needsContenders: true,
  async run(context) {
    const { options } = context
    const roundCount = roundsOf(options, 3)
    const newcomer = options.quick ? 1000 : NEWCOMER
    const load = loadOptions(options, { contextSize: 4352, cacheSize: 24576, maxSequences: STREAMS + 1 })
    const rounds = new Rounds()
    const field = await Field.open(context, load)
    const idle = new Child('idle')
    for (let round = 0; round < roundCount; round++) {
      await field.round(round, [
        [BESIDE, () => measureIdle(rounds, round, idle, context.program)],
        ...field.steps(async (running, id) => {
          await measure(context, running, LABELS[id], newcomer, rounds, round)
        }, newcomer),
      ])
      context.progress(round + 1, roundCount)
    }
    await idle.end()
    await field.close()
    return { ...describe(rounds, newcomer), missing: field.missing }
  },
}

const series = (label: string, figure: Figure) => `${label}, ${figure}`
const loopSeries = (label: string, figure: keyof LoopDelay) => `${label}, ${figure}`

async function measure(
  { prompts }: BenchContext,
  running: Running,
  label: string,
  newcomerTokens: number,
  rounds: Rounds,
  round: number,
): Promise<void> {
  const request = async (tokens: number, maxTokens: number): Promise<BenchRequest> => {
    const prompt = await prompts.alone(tokens)
    return { prompt, maxTokens, sampling: 'greedy', stream: true }
  }
  const newcomerAlone = await running.run([await request(newcomerTokens, 2)])
  const aloneMs = newcomerAlone.outcomes[0]?.firstTokenMs ?? null

  const requests: BenchRequest[] = []
  // Ask for more tokens than they will get: the newcomer's first token cancels them.
  while (requests.length < STREAMS) requests.push(await request(64, STREAM_TOKENS))
  const newcomer = { ...(await request(newcomerTokens, 2)), startAfterMs: BEFORE_MS, stopsOthers: true }
  const { outcomes, loop } = await running.run([...requests, newcomer], label === LABELS.ours)
  const arrived = outcomes.at(-1)
  const firstTokenMs = arrived?.firstTokenMs ?? null
  const streams = outcomes.slice(0, STREAMS)
  const begin = arrived?.startedMs ?? BEFORE_MS
  const end = begin + (firstTokenMs ?? 0)
  const before = intervals(streams, SETTLING_MS, begin)
  const during = intervals(streams, begin, end)

  const ranges = streams.map((stream) => {
    const from = tokensBy(stream, begin)
    return { from, to: Math.min(tokensBy(stream, end) + 1, from + MOST_COMPARED) }
  })
  const anew = await Promise.all(ranges.map(({ to }) => request(64, to + 1)))
  const without = await running.run(anew)
  const alone = without.outcomes.flatMap((stream, i) => intervalsAt(stream, ranges[i] as TokenRange))

  const add = (figure: Figure, value: number | null) => rounds.add(series(label, figure), round, value)
  add('p50 alone', percentile(alone, 50))
  add('p99 alone', percentile(alone, 99))
  add('p50 during', percentile(during, 50))
  add('p99 during', percentile(during, 99))
  add('p99 before', percentile(before, 99))
  add('first token', firstTokenMs)
  add('first token, alone', aloneMs)
  if (loop) addLoop(rounds, round, OURS_LOOP, loop)
}

/**
 * Times between two deliveries of a stream that ended between `from` and `to`. A stream that waits at `to`, and longer
 * than ever before, counts with its wait so far.
 */
function intervals(streams: readonly Outcome[], from: number, to: number): number[] {
  return streams.flatMap(({ arrivals }) => {
    const times = arrivals.map(([at]) => at).filter((at) => at <= to)
    const ended = times.flatMap((at, index) =>
      index > 0 && at > from ? [at - (times[index - 1] ?? at)] : [],
    )
    const unfinished = to - (times.at(-1) ?? to)
    return unfinished > Math.max(0, ...ended) ? [...ended, unfinished] : ended
  })
}

/** Tokens of a stream, by index: from `from` up to but not including `to`. */
interface TokenRange {
  readonly from: number
  readonly to: number
}

function tokensBy({ arrivals }: Outcome, ms: number): number {
  return arrivals.reduce((sum, [at, tokens]) => (at <= ms ? sum + tokens : sum), 0)
}

/** Times between two deliveries of a stream, for second ones of the tokens in a range. */
function intervalsAt({ arrivals }: Outcome, { from, to }: TokenRange): number[] {
  let tokens = 0
  return arrivals.flatMap(([at, count], index) => {
    const within = index > 0 && tokens >= from && tokens < to
    tokens += count
    return within ? [at - (arrivals[index - 1]?.[0] ?? at)] : []
  })
}

async function measureIdle(
  rounds: Rounds,
  round: number,
  idle: Child,
  options: ProgramOptions,
): Promise<void> {
  const ms = 4000
  addLoop(rounds, round, IDLE, await idle.call('idle', { ms }))
  const ended = new AbortController()
  const test = [...commonArguments(options), '-p', 0, '-n', 64, '-r', 1000]
  const program = runProgram('llama-bench', test, { signal: ended.signal })
  await sleep(2000) // it is loading the model
  addLoop(rounds, round, BESIDE, await idle.call('idle', { ms }))
  ended.abort()
  await program.catch(() => {}) // it was killed
}

function addLoop(rounds: Rounds, round: number, label: string, delay: LoopDelay): void {
  for (const figure of ['medianMs', 'p99Ms', 'maxMs', 'longestDeliveryMs'] as const)
    rounds.add(loopSeries(label, figure), round, delay[figure])
}

function describe(rounds: Rounds, newcomer: number): Omit<SuiteResult, 'missing'> {
  const labels = Object.values(LABELS)
  const value = (label: string, figure: Figure) => rounds.spread(series(label, figure))
  const growth = (label: string, figure: 'p50' | 'p99', of: 'alone' | 'before' = 'alone') =>
    rounds.ratio(series(label, `${figure} during`), series(label, `${figure} ${of}` as Figure))
  const delayed = (label: string) =>
    rounds.ratio(series(label, 'first token'), series(label, 'first token, alone'))
  const delivery = rounds.spread(loopSeries(OURS_LOOP, 'longestDeliveryMs'))
  const goal = (text: string, measured: Goal['measured'], limit: number, unit = ''): Goal => ({
    number: 5,
    text,
    measured,
    limit,
    want: 'at most',
    unit,
  })
  return {
    rounds,
    tables: [
      {
        title: `Milliseconds between two tokens of the ${STREAMS} streams`,
        head: [
          '',
          'p50 alone',
          'p50 beside the newcomer',
          'growth',
          'p99 alone',
          'p99 beside the newcomer',
          'growth',
          'p99 before it came',
          'growth since',
        ],
        rows: labels.map((label) => [
          rowName(label),
          spread(value(label, 'p50 alone')),
          spread(value(label, 'p50 during')),
          ratio(growth(label, 'p50')),
          spread(value(label, 'p99 alone')),
          spread(value(label, 'p99 during')),
          ratio(growth(label, 'p99')),
          spread(value(label, 'p99 before')),
          ratio(growth(label, 'p99', 'before')),
        ]),
      },
      {
        title: `Milliseconds to the first token of the newcomer (${newcomer} tokens of prompt)`,
        head: ['', 'alone', `beside ${STREAMS} streams`, 'ratio', 'ours / this'],
        rows: labels.map((label) => [
          rowName(label),
          spread(value(label, 'first token, alone')),
          spread(value(label, 'first token')),
          ratio(delayed(label)),
          label === LABELS.ours
            ? ''
            : ratio(rounds.ratio(series(LABELS.ours, 'first token'), series(label, 'first token'))),
        ]),
      },
      {
        title: 'Delay of the event loop, milliseconds',
        head: ['', 'median', 'p99', 'longest', 'longest delivery of the addon'],
        rows: [IDLE, BESIDE, OURS_LOOP].map((label) => [
          rowName(label, label === OURS_LOOP),
          ...(['medianMs', 'p99Ms', 'maxMs', 'longestDeliveryMs'] as const).map((figure) =>
            spread(rounds.spread(loopSeries(label, figure))),
          ),
        ]),
      },
    ],
    plots: [],
    goals: [
      goal(
        'Growth of the running streams’ token interval at p99 by a long prompt that arrives',
        growth(LABELS.ours, 'p99'),
        2,
      ),
      goal('The newcomer’s time to the first token, of its time alone', delayed(LABELS.ours), 4),
      goal('The longest delivery of the addon on the JavaScript thread', delivery, 5, 'ms'),
    ],
    legend: [
      `${STREAMS} streams of at most ${STREAM_TOKENS} tokens run for ${BEFORE_MS / 1000} s; then a prompt of ${newcomer} tokens arrives. Beside the newcomer: until its first token is there. By the clock of the consumer, all streams together.`,
      'Streams get slower by themselves as they get longer. So eight others run alone afterwards, and of these the same tokens are compared: the 200th of a stream with the 200th. The last two columns compare with the seconds before the newcomer instead, in which the streams were shorter.',
      'The event loop is sampled every millisecond (monitorEventLoopDelay), so that about one is the least it can show.',
    ],
  }
}
