import { LABELS } from '../contenders/contender.js'
import { llamaBench } from '../contenders/llama-bench.js'
import { ratio, rowName, spread } from '../report/format.js'
import { percentile, Rounds } from '../statistics.js'
import { loadOptions, roundsOf, type Suite, type SuiteResult } from '../suite.js'
import { Field } from './field.js'

const PREFIX = 430
const SUFFIX = 20
/** Users that follow the first one of each system prompt. */
const FOLLOWERS = 3
const CASES = ['cold', 'warm'] as const

/** Time to the first token, with a new system prompt and with one that a finished request had. */
export const firstToken: Suite = {
  name: 'first-token',
  title: 'Time to the first token',
  needsContenders: true,
  async run(context) {
    const { options, program, prompts } = context
    const roundCount = roundsOf(options, 7, 2)
    const load = loadOptions(options, { contextSize: 1024, cacheSize: 8192, maxSequences: 8 })
    const rounds = new Rounds()
    const field = await Field.open(context, load)
    await field.round(
      0,
      field.steps(async (running) => {
        const prompt = await prompts.alone(PREFIX)
        await running.run([{ prompt, maxTokens: 4, sampling: 'greedy', stream: true }])
      }, PREFIX),
    )
    for (let round = 0; round < roundCount; round++) {
      const chats = await prompts.sharing(1 + FOLLOWERS, PREFIX, SUFFIX)
      await field.round(round, [
        [
          'llama-bench',
          async () => {
            const [{ prefixTokens: depth, suffixTokens: prompt }] = chats as [(typeof chats)[0]]
            const cold = await llamaBench(program, { prompt: depth + prompt })
            const warm = await llamaBench(program, { prompt, depth, repetitions: FOLLOWERS })
            rounds.add(series('llama-bench', 'cold'), round, cold.seconds * 1000)
            rounds.add(series('llama-bench', 'warm'), round, warm.seconds * 1000)
          },
        ],
        ...field.steps(async (running, id) => {
          const times: number[] = []
          for (const { prompt } of chats) {
            const { outcomes } = await running.run([
              { prompt, maxTokens: 4, sampling: 'greedy', stream: true },
            ])
            times.push(outcomes[0]?.firstTokenMs ?? Number.NaN)
          }
          rounds.add(series(LABELS[id], 'cold'), round, times[0] ?? null)
          rounds.add(series(LABELS[id], 'warm'), round, percentile(times.slice(1), 50))
        }, PREFIX + SUFFIX),
      ])
      context.progress(round + 1, roundCount)
    }
    await field.close()
    return { ...describe(rounds), missing: field.missing }
  },
}

const series = (label: string, name: (typeof CASES)[number]) => `${label}, ${name}`

function describe(rounds: Rounds): Omit<SuiteResult, 'missing'> {
  const labels = ['llama-bench', ...Object.values(LABELS)]
  const own = (name: (typeof CASES)[number]) => series(LABELS.ours, name)
  const rows = labels.map((label) => [
    rowName(label),
    ...CASES.flatMap((name) => [
      spread(rounds.spread(series(label, name))),
      label === LABELS.ours ? '' : ratio(rounds.ratio(own(name), series(label, name))),
    ]),
  ])
  return {
    rounds,
    tables: [
      {
        title: 'Milliseconds to the first token',
        head: ['', 'cold', 'ours / this', 'warm', 'ours / this'],
        rows,
      },
    ],
    plots: [
      {
        name: 'first-token',
        title: 'Time to the first token when the system prompt is cached',
        unit: 'ms',
        betterIs: 'lower',
        bars: labels
          .map((label) => ({
            label: label === 'llama-bench' ? 'llama-bench (users’ text only)' : label,
            value: rounds.spread(series(label, 'warm')),
            ours: label === LABELS.ours,
          }))
          .filter(({ value }) => value),
      },
    ],
    goals: [
      {
        number: 4,
        text: 'First token with a cached system prompt, of llama-bench’s evaluation of the rest at that depth',
        measured: rounds.ratio(own('warm'), series('llama-bench', 'warm')),
        limit: 1.3,
        want: 'at most',
        unit: '',
      },
    ],
    legend: [
      `Cold: a system prompt of ${PREFIX} tokens that nobody has seen before, and a user’s text of about ${SUFFIX}. Warm: the next users of that system prompt, one after the other (the median of ${FOLLOWERS}). By the clock of the consumer.`,
      'llama-bench: evaluating the whole prompt; evaluating only what is not cached, at that depth. It neither renders, tokenizes nor samples.',
    ],
  }
}
