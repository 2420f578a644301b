import { Child } from '../contenders/child.js'
import { LABELS } from '../contenders/contender.js'
import { PromptMaker } from '../prompts.js'
import { Rounds } from '../statistics.js'
import { probeCells, profileSteps, STEP_LEGEND, stepGoals, stepTable } from '../step-profile.js'
import { loadOptions, roundsOf, type Suite } from '../suite.js'
import { startedVersions } from './field.js'

const COUNTS = [1, 32]
const PREFIX = 430
const SUFFIX = 20

/** Times of a step's parts: submit, wait, sampling, scheduling, emission, idle. */
export const step: Suite = {
  name: 'step',
  title: 'Where the time of a step goes',
  needsContenders: false,
  async run({ options, progress }) {
    const roundCount = roundsOf(options, 3)
    const counts = options.requests ?? COUNTS
    const generate = options.quick ? 16 : 64
    const most = Math.max(...counts)
    const cells = Math.max(PREFIX + most * (SUFFIX + generate), probeCells(most, PREFIX))
    const load = loadOptions(options, { contextSize: 1024, cacheSize: 2 * cells, maxSequences: most })
    const rounds = new Rounds()
    const missing: Record<string, string> = {}
    const child = new Child('ours')
    try {
      const { version, llamaCpp } = await child.call('load', load)
      startedVersions.set(LABELS.ours, `${version} (llama.cpp ${llamaCpp})`)
      const prompts = new PromptMaker(child)
      for (let round = 0; round < roundCount; round++)
        for (const [index, count] of counts.entries()) {
          const chats = await prompts.sharing(count, PREFIX, SUFFIX)
          const test = { prompts: chats.map(({ prompt }) => prompt), generate, depth: PREFIX }
          const problem = await profileSteps(rounds, round, child, test)
          if (problem !== null) missing['the step without logits'] = problem
          progress(round * counts.length + index + 1, roundCount * counts.length)
        }
    } finally {
      await child.end()
    }
    return {
      rounds,
      tables: [
        stepTable(rounds, counts, `After ${PREFIX + SUFFIX} tokens, ${generate} generated each, at 0.7/0.9`),
      ],
      plots: [],
      goals: stepGoals(rounds, counts),
      legend: STEP_LEGEND,
      missing,
    }
  },
}
