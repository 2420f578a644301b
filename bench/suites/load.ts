import { LABELS } from '../contenders/contender.js'
import { commonArguments, runProgram } from '../contenders/llama-bench.js'
import { residentMemory, watchMemory } from '../machine.js'
import { ratio, rowName, short, spread } from '../report/format.js'
import { Rounds } from '../statistics.js'
import { loadOptions, roundsOf, type Suite, type SuiteResult } from '../suite.js'
import { Field, startContender } from './field.js'

const PROMPT = 430
const GENERATE = 32
/** Cells for all tokens of the generation, as llama-bench sizes its cache: a multiple of 256. */
const CELLS = 512

const FIGURES = ['start', 'load', 'loaded', 'generated', 'peak'] as const
type Figure = (typeof FIGURES)[number]
const EXTRA = 'ours beyond llama-bench'

/** Time of loading, and resident memory after it and after a generation. */
export const load: Suite = {
  name: 'load',
  title: 'Load time and memory',
  needsContenders: true,
  async run(context) {
    const { options } = context
    const roundCount = roundsOf(options, 5)
    const cells = loadOptions(options, { contextSize: CELLS, cacheSize: CELLS, maxSequences: 8 })
    const rounds = new Rounds()
    const add = (label: string, figure: Figure, round: number, value: number | null | undefined) =>
      rounds.add(series(label, figure), round, value ?? null)
    const field = await Field.open(context, cells, [])
    for (let round = 0; round < roundCount; round++) {
      const prompt = await context.prompts.alone(PROMPT)
      await field.round(round, [
        [
          'llama-bench',
          async () => {
            const test = ['-p', 0, '-n', GENERATE, '-d', PROMPT, '-r', 1]
            const args = [...commonArguments(context.program), ...test]
            const peak = await watchMemory((onStart) => runProgram('llama-bench', args, { onStart }))
            add('llama-bench', 'peak', round, peak)
          },
        ],
        ...context.contenders.map(
          (contender) =>
            [
              contender.label,
              async () => {
                // Give others one sequence: theirs share no cells, and each would have all of them.
                const shares = contender.id === 'ours' || contender.id === 'llama-server'
                const running = await startContender(
                  contender,
                  shares ? cells : { ...cells, maxSequences: 1 },
                )
                try {
                  add(contender.label, 'start', round, running.startMs)
                  add(contender.label, 'load', round, running.loaded.loadMs)
                  add(contender.label, 'loaded', round, residentMemory(running.pid)?.nowMB)
                  await running.run([{ prompt, maxTokens: GENERATE, sampling: 'greedy', stream: false }])
                  const memory = residentMemory(running.pid)
                  add(contender.label, 'generated', round, memory?.nowMB)
                  add(contender.label, 'peak', round, memory?.peakMB)
                } finally {
                  await running.close()
                }
              },
            ] as const,
        ),
      ])
      context.progress(round + 1, roundCount)
    }
    return { ...describe(rounds), missing: field.missing }
  },
}

const series = (label: string, figure: Figure) => `${label}, ${figure}`

function describe(rounds: Rounds): Omit<SuiteResult, 'missing'> {
  const peak = (label: string) => series(label, 'peak')
  rounds.derive(EXTRA, [peak(LABELS.ours), peak('llama-bench')], (ours, bench) => ours - bench)
  const labels = ['llama-bench', ...Object.values(LABELS)]
  const value = (label: string, figure: Figure, digits = short) =>
    spread(rounds.spread(series(label, figure)), digits)
  const whole = (number: number) => number.toFixed(0)
  return {
    rounds,
    tables: [
      {
        title: '',
        head: [
          '',
          'process start to ready, ms',
          'of that loading, ms',
          'loaded, MB',
          `after ${PROMPT} + ${GENERATE} tokens, MB`,
          'peak, MB',
          'ours / this (peak)',
        ],
        rows: labels.map((label) => [
          rowName(label),
          value(label, 'start', whole),
          // Leave the server's cell empty: it has no other figure than its start.
          label === LABELS['llama-server'] ? '–' : value(label, 'load', whole),
          value(label, 'loaded', whole),
          value(label, 'generated', whole),
          value(label, 'peak', whole),
          label === LABELS.ours ? '' : ratio(rounds.ratio(peak(LABELS.ours), peak(label))),
        ]),
      },
    ],
    plots: [
      {
        name: 'memory',
        title: `Most resident memory, after ${PROMPT} + ${GENERATE} tokens`,
        unit: 'MB',
        betterIs: 'lower',
        bars: labels.map((label) => ({
          label,
          value: rounds.spread(peak(label)),
          ours: label === LABELS.ours,
        })),
      },
    ],
    goals: [
      {
        number: 8,
        text: 'Resident memory (peak), Node.js included, beyond llama-bench’s',
        measured: rounds.spread(EXTRA),
        limit: 120,
        want: 'at most',
        unit: 'MB',
      },
    ],
    legend: [
      `A cache of ${CELLS} cells each. Resident memory of the whole process (VmRSS and VmHWM), pages of the mapped model file included; 1 MB is 10^6 bytes. Known on Linux only.`,
      'The model file is in the page cache. The file of the model is mapped by all; llama-bench’s memory is watched while it runs.',
    ],
  }
}
