import { type Contender, LABELS, type Running } from '../contenders/contender.js'
import { llamaBench } from '../contenders/llama-bench.js'
import type { BenchRequest, Prompt, Sampling } from '../protocol.js'
import { ratio, rowName, spread } from '../report/format.js'
import { Rounds } from '../statistics.js'
import {
  type BenchContext,
  type Goal,
  loadOptions,
  roundsOf,
  type Suite,
  type SuiteResult,
} from '../suite.js'
import { Field, startContender } from './field.js'

/** The depth that the goals are about. */
const GOAL_DEPTH = 430
const CACHE = 8192

/** Tokens for llama.node, whose CPU binary is built without AVX: a sixth takes it as long as all take the others. */
const SLOW_TOKENS = 16

const WAYS = [
  { name: 'greedy, awaited', sampling: 'greedy', stream: false },
  { name: 'greedy, streamed', sampling: 'greedy', stream: true },
  { name: '0.7/0.9, awaited', sampling: 'nucleus', stream: false },
  { name: '0.7/0.9, streamed', sampling: 'nucleus', stream: true },
] as const

/** Tokens per second of a single request, at several depths. */
export const singleStream: Suite = {
  name: 'single-stream',
  title: 'One stream',
  needsContenders: true,
  async run(context) {
    const { options, prompts, program } = context
    const roundCount = roundsOf(options, 5)
    const depths = options.quick ? [GOAL_DEPTH] : [1, GOAL_DEPTH, 2048]
    const generate = options.quick ? 48 : 96
    const load = loadOptions(options, { contextSize: 2304, cacheSize: CACHE, maxSequences: 8 })
    const ours = context.contenders.find(({ id }) => id === 'ours') as Contender
    const rounds = new Rounds()
    const lengths: number[] = []

    const field = await Field.open(context, load, ['llama-server', 'node-llama-cpp', 'llama.node'])
    let full: Running | undefined
    await field.attempt(FULL, async () => {
      context.say('filling the cache of one process with finished prefixes')
      full = await startContender(ours, load)
      await fillCache(context, full)
    })
    for (let round = 0; round < roundCount; round++)
      for (const [index, depth] of depths.entries()) {
        const prompt = await prompts.alone(depth)
        lengths[index] = prompt.tokenIds.length
        const measureAll = async (
          label: string,
          running: Running,
          ways: readonly (typeof WAYS)[number][],
          maxTokens = generate,
        ) => {
          for (const { name, sampling, stream } of ways) {
            const request = { prompt, maxTokens, sampling, stream }
            rounds.add(series(label, name, depth), round, await tokensPerSecond(running, request))
          }
        }
        await field.round(round * depths.length + index, [
          // Start it anew, so that its cache is empty.
          [
            LABELS.ours,
            async () => {
              const running = await startContender(ours, load)
              try {
                await warmUp(running, prompt)
                await measureAll(LABELS.ours, running, WAYS)
              } finally {
                await running.close()
              }
            },
          ],
          ...(depth === GOAL_DEPTH
            ? [[FULL, () => measureAll(FULL, full as Running, WAYS.slice(0, 1))] as const]
            : []),
          [
            'llama-bench',
            async () => {
              const test = { generate, depth: prompt.tokenIds.length }
              const { tokensPerSecond } = await llamaBench(program, test)
              rounds.add(series('llama-bench', '', depth), round, tokensPerSecond)
            },
          ],
          ...field.steps(async (running, id) => {
            // Measure node-llama-cpp as a stream only: its API delivers every token.
            await measureAll(
              LABELS[id],
              running,
              id === 'node-llama-cpp' ? WAYS.filter((way) => way.stream) : WAYS,
              id === 'llama.node' ? SLOW_TOKENS : generate,
            )
          }, prompt.tokenIds.length),
        ])
        context.progress(round * depths.length + index + 1, roundCount * depths.length)
      }
    await full?.close()
    await field.close()
    return { ...describe(rounds, depths, lengths), missing: field.missing }
  },
}

const FULL = `${LABELS.ours}, cache full of finished prefixes`

const series = (label: string, way: string, depth: number) => `${way ? `${label}, ${way}` : label} @ ${depth}`

async function tokensPerSecond(running: Running, request: BenchRequest): Promise<number | null> {
  const { outcomes } = await running.run([request])
  const perTokenMs = outcomes[0]?.perTokenMs
  return perTokenMs ? 1000 / perTokenMs : null
}

/** Touches all memory and code that the measured requests will use. */
async function warmUp(running: Running, prompt: Prompt): Promise<void> {
  const samplings: Sampling[] = ['greedy', 'nucleus']
  for (const sampling of samplings) await running.run([{ prompt, maxTokens: 8, sampling, stream: true }])
}

async function fillCache({ prompts, options }: BenchContext, running: Running): Promise<void> {
  const length = options.quick ? 1024 : GOAL_DEPTH
  for (let tokens = 0; tokens < CACHE + length; tokens += length) {
    const prompt = await prompts.alone(length)
    await running.run([{ prompt, maxTokens: 1, sampling: 'greedy', stream: false }])
  }
}

function describe(
  rounds: Rounds,
  depths: readonly number[],
  lengths: readonly number[],
): Omit<SuiteResult, 'missing'> {
  const labels = [LABELS.ours, LABELS['llama-server'], LABELS['node-llama-cpp'], LABELS['llama.node']]
  const tables = depths.map((depth, index) => {
    const reference = series('llama-bench', '', depth)
    const rows: string[][] = [['llama-bench, no sampling', spread(rounds.spread(reference)), '', '']]
    const add = (name: string, way: string) => {
      const own = series(name, way, depth)
      const measured = rounds.spread(own)
      if (!measured) return
      // Compare each way with ours of the same name.
      const ourWay = series(LABELS.ours, way, depth)
      const isOurs = name.startsWith(LABELS.ours)
      rows.push([
        rowName(`${name}, ${way}`, isOurs),
        spread(measured),
        ratio(rounds.ratio(own, reference)),
        isOurs ? '' : ratio(rounds.ratio(ourWay, own)),
      ])
    }
    for (const { name: way } of WAYS) {
      for (const label of labels) add(label, way)
      if (way === WAYS[0].name) add(FULL, way)
    }
    return {
      title: `${lengths[index]} tokens of prompt, tokens per second`,
      head: ['', 'tokens/s', 'of llama-bench', 'ours / this'],
      rows,
    }
  })
  const bars = WAYS.filter(({ stream }) => stream).flatMap(({ name: way, sampling }) =>
    labels.map((label) => ({
      label: `${label}, ${sampling === 'greedy' ? 'greedy' : '0.7/0.9'}`,
      value: rounds.spread(series(label, way, GOAL_DEPTH)),
      ours: label === LABELS.ours,
    })),
  )
  const reference = series('llama-bench', '', GOAL_DEPTH)
  const own = (way: number) => series(LABELS.ours, WAYS[way]?.name ?? '', GOAL_DEPTH)
  const goal = (number: number, text: string, a: string, b: string, limit: number): Goal => ({
    number,
    text,
    measured: rounds.ratio(a, b),
    limit,
    want: 'at least',
    unit: '',
  })
  return {
    rounds,
    tables,
    plots: [
      {
        name: 'single-stream',
        title: `One stream after a prompt of ${GOAL_DEPTH} tokens, streamed to a consumer`,
        unit: 'tokens/s',
        betterIs: 'higher',
        bars: [
          { label: 'llama-bench (no sampling)', value: rounds.spread(reference) },
          ...bars.filter(({ value }) => value),
        ],
      },
    ],
    goals: [
      goal(1, 'One stream, greedy, awaited, of llama-bench', own(0), reference, 0.97),
      goal(1, 'One stream, greedy, streamed, of llama-bench', own(1), reference, 0.95),
      goal(
        1,
        'The same with the cache full of finished prefixes, of the empty one',
        series(FULL, WAYS[0].name, GOAL_DEPTH),
        own(0),
        0.95,
      ),
      goal(2, 'Temperature 0.7, top-p 0.9, of our own greedy speed', own(2), own(0), 0.97),
    ],
    legend: [
      '`0.7/0.9` is temperature 0.7 with top-p 0.9 and no top-k. llama-bench does not sample at all.',
      'Awaited: the contender’s own figure for the time between two tokens. Streamed: by the clock of the consumer.',
      'node-llama-cpp delivers every token; there is no awaited form. Who is not this library is given the tokens (or the rendered text), and need not render a template.',
    ],
  }
}
