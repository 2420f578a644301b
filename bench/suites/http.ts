import { Child } from '../contenders/child.js'
import { startWorker } from '../contenders/worker.js'
import type { BenchRequest, Prompt, RunResult } from '../protocol.js'
import { ratio, rowName, spread } from '../report/format.js'
import { percentile, Rounds } from '../statistics.js'
import { loadOptions, roundsOf, type Suite, type SuiteResult } from '../suite.js'

const BARE = 'verbatim-llama'
const WAYS = ['the worker', 'the worker, supervised'] as const
/** Requests whose first tokens are measured in each round; the median counts. */
const FIRST_TOKENS = 7

/** Cost of the worker beyond the library: one stream, and its first token. */
export const http: Suite = {
  name: 'http',
  title: 'Over HTTP',
  needsContenders: false,
  async run(context) {
    const { options } = context
    const roundCount = roundsOf(options, 7, 2)
    const generate = options.quick ? 48 : 96
    const load = loadOptions(options, { contextSize: 1024, cacheSize: 4096, maxSequences: 4 })
    const rounds = new Rounds()
    const library = new Child('ours')
    await library.call('load', load)
    const runs: [string, (requests: readonly BenchRequest[]) => Promise<RunResult>][] = [
      [BARE, (requests) => library.call('run', { requests, measureLoop: false })],
    ]
    const workers = []
    for (const [label, flags] of [
      [WAYS[0], []],
      [WAYS[1], ['--supervise']],
    ] as const) {
      const worker = await startWorker(load, flags)
      workers.push(worker)
      runs.push([label, worker.run])
    }
    // Begin with round -1, which warms everyone up.
    for (let round = -1; round < roundCount; round++) {
      const first = (round + 1) % runs.length
      for (const [label, run] of [...runs.slice(first), ...runs.slice(0, first)]) {
        const request = (user: string, maxTokens: number): BenchRequest => ({
          prompt: promptOf(`round ${round}`, user),
          maxTokens,
          sampling: 'greedy',
          stream: true,
        })
        const stream = await run([request('Go on.', generate)])
        const times: number[] = []
        for (let i = 0; i < FIRST_TOKENS; i++) {
          const { outcomes } = await run([request(`Question ${i}?`, 2)])
          times.push(outcomes[0]?.firstTokenMs ?? Number.NaN)
        }
        if (round < 0) continue
        const perTokenMs = stream.outcomes[0]?.perTokenMs
        rounds.add(series(label, 'speed'), round, perTokenMs ? 1000 / perTokenMs : null)
        rounds.add(series(label, 'first token'), round, percentile(times, 50))
      }
      context.progress(Math.max(0, round + 1), roundCount)
    }
    for (const worker of workers) await worker.close()
    await library.end()
    return { ...describe(rounds), missing: {} }
  },
}

const series = (label: string, figure: 'speed' | 'first token' | 'added') => `${label}, ${figure}`

function promptOf(system: string, user: string): Prompt {
  const messages = [
    { role: 'system', content: `${system}. ${'The quick brown fox jumps over the lazy dog. '.repeat(20)}` },
    { role: 'user', content: user },
  ]
  return { messages, text: '', tokenIds: [] } // rendered by the measured process
}

function describe(rounds: Rounds): Omit<SuiteResult, 'missing'> {
  for (const label of WAYS)
    rounds.derive(
      series(label, 'added'),
      [series(label, 'first token'), series(BARE, 'first token')],
      (own, bare) => own - bare,
    )
  const goal = { number: 9, unit: '' } as const
  return {
    rounds,
    tables: [
      {
        title: '',
        head: ['', 'tokens/s', 'of the library', 'first token, ms', 'more than the library, ms'],
        rows: [BARE, ...WAYS].map((label) => [
          rowName(label),
          spread(rounds.spread(series(label, 'speed'))),
          label === BARE ? '' : ratio(rounds.ratio(series(label, 'speed'), series(BARE, 'speed'))),
          spread(rounds.spread(series(label, 'first token'))),
          label === BARE ? '' : spread(rounds.spread(series(label, 'added'))),
        ]),
      },
    ],
    plots: [],
    goals: [
      {
        ...goal,
        text: 'One stream over HTTP, of the bare library',
        measured: rounds.ratio(series(WAYS[0], 'speed'), series(BARE, 'speed')),
        limit: 0.97,
        want: 'at least',
      },
      {
        ...goal,
        text: 'First token over HTTP, beyond the bare library’s',
        measured: rounds.spread(series(WAYS[0], 'added')),
        limit: 5,
        want: 'at most',
        unit: 'ms',
      },
    ],
    legend: [
      `One greedy stream after a prompt of about 220 tokens, by the clock of its consumer; first token: the median of ${FIRST_TOKENS} requests whose system prompt is cached. The bare library delivers to its own process, the worker to another one over a connection of the loopback interface.`,
    ],
  }
}
