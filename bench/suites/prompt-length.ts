import { type ContenderId, LABELS } from '../contenders/contender.js'
import { llamaBench } from '../contenders/llama-bench.js'
import { ratio, spread } from '../report/format.js'
import { Rounds } from '../statistics.js'
import { loadOptions, roundsOf, type Suite, type SuiteResult } from '../suite.js'
import { Field } from './field.js'

/** Contenders that report the time of the prompt's evaluation. */
const IDS: readonly ContenderId[] = ['ours', 'llama-server', 'llama.node']

/** Speed of evaluation of prompts of several lengths. */
export const promptLength: Suite = {
  name: 'prompt-length',
  title: 'Cost against prompt length',
  needsContenders: true,
  async run(context) {
    const { options, program } = context
    const roundCount = roundsOf(options, 3)
    const lengths = options.quick ? [128, 512] : [128, 256, 512, 1024, 2048, 4096]
    const longest = lengths.at(-1) as number
    const load = loadOptions(options, {
      contextSize: longest + 256,
      cacheSize: 2 * longest + 512,
      maxSequences: 1,
    })
    const rounds = new Rounds()
    const field = await Field.open(context, load, IDS)
    await field.round(
      0,
      field.steps(async (running) => {
        const prompt = await context.prompts.alone(512)
        await running.run([{ prompt, maxTokens: 2, sampling: 'greedy', stream: false }])
      }, 512),
    )
    for (let round = 0; round < roundCount; round++)
      for (const [index, length] of lengths.entries()) {
        const prompt = await context.prompts.alone(length)
        await field.round(round * lengths.length + index, [
          [
            'llama-bench',
            async () => {
              const { tokensPerSecond } = await llamaBench(program, { prompt: length })
              rounds.add(series('llama-bench', length), round, tokensPerSecond)
            },
          ],
          ...field.steps(async (running, id) => {
            const { outcomes } = await running.run([
              { prompt, maxTokens: 2, sampling: 'greedy', stream: false },
            ])
            const { promptTokens, cachedTokens, prefillMs } = outcomes[0] as (typeof outcomes)[0]
            const evaluated = promptTokens - (cachedTokens ?? 0)
            rounds.add(series(LABELS[id], length), round, prefillMs ? (evaluated / prefillMs) * 1000 : null)
          }, length),
        ])
        context.progress(round * lengths.length + index + 1, roundCount * lengths.length)
      }
    await field.close()
    return { ...describe(rounds, lengths), missing: field.missing }
  },
}

const series = (label: string, length: number) => `${label}, ${length} tokens`

function describe(rounds: Rounds, lengths: readonly number[]): Omit<SuiteResult, 'missing'> {
  const labels = ['llama-bench', ...IDS.map((id) => LABELS[id])]
  return {
    rounds,
    tables: [
      {
        title: 'Prompt tokens evaluated per second',
        head: ['prompt tokens', ...labels, 'ours / llama-bench'],
        rows: lengths.map((length) => [
          String(length),
          ...labels.map((label) => spread(rounds.spread(series(label, length)))),
          ratio(rounds.ratio(series(LABELS.ours, length), series('llama-bench', length))),
        ]),
      },
    ],
    plots: [
      {
        name: 'prompt-length',
        title: 'Evaluating prompts',
        unit: 'tokens/s',
        betterIs: 'higher',
        lines: {
          x: lengths,
          xLabel: 'tokens of prompt',
          logarithmic: false,
          series: labels.map((label) => ({
            label,
            y: lengths.map((length) => rounds.spread(series(label, length))),
            ours: label === LABELS.ours,
            dashed: label === 'llama-bench',
          })),
        },
      },
    ],
    goals: [],
    legend: [
      'By the contender’s own figure for the evaluation of the prompt; node-llama-cpp has none. Each prompt is new; tokens of the template that were cached are not counted.',
    ],
  }
}
