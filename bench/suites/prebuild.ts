import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Child, childContender } from '../contenders/child.js'
import { PromptMaker } from '../prompts.js'
import type { Prompt } from '../protocol.js'
import { ratio, spread } from '../report/format.js'
import { Rounds } from '../statistics.js'
import { loadOptions, roundsOf, type Suite } from '../suite.js'

const DEPTH = 430
const folder = fileURLToPath(new URL(`../../prebuilds/${process.platform}-${process.arch}`, import.meta.url))

const NATIVE = 'built here, for this processor'
const PREBUILT = 'prebuilt, for every processor'
// Without PREBUILDS_ONLY, lib/addon.ts takes the local build.
const BUILDS = [
  { label: NATIVE, contender: childContender('ours', 'ours') },
  { label: PREBUILT, contender: childContender('ours', 'ours', { PREBUILDS_ONLY: '1' }) },
]
const GENERATION = 'generation, greedy'
const SAMPLED = 'generation, 0.7/0.9'
const PROMPT = 'prompt'

/** The prebuilt addon against the local build. */
export const prebuild: Suite = {
  name: 'prebuild',
  title: 'The prebuilt addon',
  needsContenders: false,
  async run({ options, progress }) {
    const rounds = new Rounds()
    const nothing = { rounds, tables: [], plots: [], goals: [], legend: [] }
    if (!existsSync(folder)) return { ...nothing, missing: { [PREBUILT]: 'not there: npm run prebuild' } }
    const roundCount = roundsOf(options, 9)
    const maxTokens = options.quick ? 48 : 96
    const load = loadOptions(options, { contextSize: 1024, cacheSize: 4096, maxSequences: 4 })
    const renderer = new Child('ours')
    await renderer.call('load', { ...load, gpuLayers: 0 })
    const prompts = new PromptMaker(renderer)

    for (let round = 0; round < roundCount; round++) {
      const [warmUp, greedy, sampled] = [
        await prompts.alone(DEPTH),
        await prompts.alone(DEPTH),
        await prompts.alone(DEPTH),
      ]
      for (const { label, contender } of round % 2 === 0 ? BUILDS : BUILDS.toReversed()) {
        const running = await contender.start(load)
        const measure = async (prompt: Prompt, sampling: 'greedy' | 'nucleus') => {
          const { outcomes } = await running.run([{ prompt, maxTokens, sampling, stream: false }])
          return outcomes[0]
        }
        try {
          await measure(warmUp, 'greedy')
          const first = await measure(greedy, 'greedy')
          const second = await measure(sampled, 'nucleus')
          rounds.add(series(label, GENERATION), round, perSecond(first?.perTokenMs, 1))
          rounds.add(series(label, SAMPLED), round, perSecond(second?.perTokenMs, 1))
          rounds.add(series(label, PROMPT), round, perSecond(first?.prefillMs, greedy.tokenIds.length))
        } finally {
          await running.close()
        }
      }
      progress(round + 1, roundCount)
    }
    await renderer.end()

    const ratioOf = (what: string) => rounds.ratio(series(PREBUILT, what), series(NATIVE, what))
    const rows = [GENERATION, SAMPLED, PROMPT].map((what) => [
      what,
      ...[NATIVE, PREBUILT].map((label) => spread(rounds.spread(series(label, what)))),
      ratio(ratioOf(what)),
    ])
    return {
      ...nothing,
      tables: [
        {
          title: `After ${DEPTH} tokens of prompt, tokens per second`,
          head: ['', NATIVE, PREBUILT, 'prebuilt / built here'],
          rows,
        },
      ],
      goals: [
        {
          number: 9,
          text: 'The prebuilt addon, one stream, greedy, of the addon built here',
          measured: ratioOf(GENERATION),
          limit: 0.97,
          want: 'at least',
          unit: '',
        },
      ],
      legend: ['Ratios are of each round, in which both ran one after the other, in turn first.'],
      missing: {},
    }
  },
}

const series = (label: string, what: string) => `${what}, ${label}`

function perSecond(ms: number | null | undefined, tokens: number): number | null {
  return ms ? (1000 * tokens) / ms : null
}
