// The kit on the machine with the GPU: run.sh starts it with the Node.js that it brings along.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import '../../bench/contenders/processes.js' // a signal is a regular exit, which ends the step in progress
import { makeContext, UsageError } from './folders.js'
import { MODELS_GB } from './machine-inventory.js'
import { readManifest } from './manifest.js'
import { countsLine, writeReport } from './report.js'
import { Store } from './result-store.js'
import { STAGES, STEPS } from './stages.js'
import { executeStep } from './step-supervisor.js'
import { type Group, modeOf } from './step-types.js'
import { isStaleModel } from './synthetic-models.js'
import { runStages } from './time-budget.js'

const GROUPS: readonly Group[] = ['check', 'build', 'test', 'bench']
/** Exit status where a further call goes on. */
const UNFINISHED = 75
const MISUSED = 2
const USAGE = `usage: ./run.sh [check | build | test | bench | report] [STEP ...] [options]

Without a word: all of it, what is worth most first, each stage within a limit. The report is written after every step.
What has been done is not done again; called once more it goes on.

  --budget SECONDS  stop cleanly before this many seconds are over (ends with status ${UNFINISHED} when there is more to do)
  --cpu             the dry run: the same path without a GPU, at a tiny size
  --again           do the named groups or steps again, or where none is named what failed or was ended early
  --list            names the steps

environment:
  VERBATIM_KIT_REPORT  where report.md and report.json go (./report)
  VERBATIM_KIT_MODELS  where the models go: ${MODELS_GB} GB (/dev/shm where it has room, or models/generated in the kit)
  VERBATIM_KIT_PYTHON  the Python with torch and transformers (python3)
`

const say = (text: string) => process.stderr.write(`[gpu-kit] ${text}\n`)
try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = MISUSED
}

function readCommandLine() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        budget: { type: 'string' },
        cpu: { type: 'boolean' },
        again: { type: 'boolean' },
        list: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${USAGE}`)
  }
}

async function main(): Promise<number> {
  const { values, positionals } = readCommandLine()
  if (values.help || values.list) {
    process.stdout.write(values.help ? USAGE : listOfSteps())
    return 0
  }
  const isKnown = (word: string) =>
    word === 'report' || (GROUPS as string[]).includes(word) || STEPS.some(({ name }) => name === word)
  const unknown = positionals.find((word) => !isKnown(word))
  if (unknown !== undefined) throw new UsageError(`there is no step or group '${unknown}'\n\n${USAGE}`)
  const budgetSeconds = values.budget === undefined ? Number.POSITIVE_INFINITY : Number(values.budget)
  if (!(budgetSeconds >= 60))
    throw new UsageError(`--budget takes 60 seconds or more, not '${values.budget}'`)
  const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')
  const manifest = readManifest(root)
  const context = makeContext(root, values.cpu ?? false, manifest, say)
  const store = new Store(context.work, modeOf(context))
  const chosen = new Set(
    STEPS.filter(
      ({ name, group }) =>
        positionals.length === 0 || positionals.includes(group) || positionals.includes(name),
    ).map(({ name }) => name),
  )
  const isEndedBadly = (name: string) => ['failed', 'partial'].includes(store.read(name)?.status ?? '')
  const again = [...chosen].filter((name) => values.again && (positionals.length > 0 || isEndedBadly(name)))
  const needed = withPrerequisites(chosen)
  const write = () => writeReport(STEPS, context, manifest)
  write() // fails now where it cannot be written
  const done = await runStages(
    STAGES.map((stage) => ({ ...stage, steps: stage.steps.filter(({ name }) => needed.has(name)) })),
    {
      store,
      mode: modeOf(context),
      budgetSeconds,
      say,
      execute: (step, seconds, cut) => executeStep(step, context, seconds, cut),
      again: new Set(again),
      isStale: (result) => isStaleModel(result, context),
      kept: () => {
        try {
          write()
        } catch (error) {
          say(`the report could not be written: ${(error as Error).message}`)
        }
      },
    },
  )

  const report = write()
  if (report.warning) say(report.warning)
  if (report.verdict) say(report.verdict)
  say(`${countsLine(report)}: ${join(context.report, 'report.md')}`)
  if (!done) {
    say('there is more to do, and not enough of the budget is left: call again to go on')
    return UNFINISHED
  }
  return report.counts.failed > 0 ? 1 : 0
}

/** The chosen steps with all that they need, directly or not. */
function withPrerequisites(chosen: ReadonlySet<string>): ReadonlySet<string> {
  const needed = new Set(chosen)
  // Go backwards: steps need only steps before them.
  for (const { name, after = [] } of STEPS.toReversed())
    if (needed.has(name)) for (const one of after) needed.add(one)
  return needed
}

function listOfSteps(): string {
  return STAGES.map(({ title, limitSeconds, steps }) => {
    const limit = limitSeconds === undefined ? '' : `, ${limitSeconds} s`
    return [`${title}${limit}`, ...steps.map((step) => `  ${step.name.padEnd(26)} ${step.title}`), ''].join(
      '\n',
    )
  }).join('\n')
}
