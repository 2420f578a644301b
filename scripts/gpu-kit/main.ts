// The kit on the machine with the GPU: run.sh starts it with the Node.js that it brings along.
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import '../../bench/contenders/processes.js' // a signal is a regular exit, which ends the step in progress
import { freeGB, MODELS_GB } from './check.js'
import { executeStep } from './execute.js'
import { writeReport } from './report.js'
import { runSteps } from './runner.js'
import { type Group, type KitContext, modeOf } from './step.js'
import { STEPS } from './steps.js'
import { Store } from './store.js'

const GROUPS: readonly Group[] = ['check', 'build', 'test', 'bench']
/** Of the command, where a further call goes on. */
const UNFINISHED = 75
const USAGE = `usage: ./run.sh [check | build | test | bench | report] [STEP ...] [options]

Without a word: all of it, and the report. What has been done is not done again; called once more it goes on.

  --budget SECONDS  stop cleanly before so many seconds are over (ends with status ${UNFINISHED} when there is more to do)
  --cpu             the dry run: the same path without a GPU, at a tiny size
  --again           do the named groups or steps again, or everything that failed where none is named
  --list            names the steps

environment:
  VERBATIM_KIT_REPORT  where the report goes (./report)
  VERBATIM_KIT_MODELS  where the models go: ${MODELS_GB} GB (/dev/shm where it has room, or models/ in the kit)
`

const say = (text: string) => process.stderr.write(`[gpu-kit] ${text}\n`)
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    budget: { type: 'string' },
    cpu: { type: 'boolean' },
    again: { type: 'boolean' },
    list: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  },
})
if (values.help) process.stdout.write(USAGE)
else if (values.list)
  for (const { name, title } of STEPS) process.stdout.write(`${name.padEnd(28)} ${title}\n`)
else process.exitCode = await main()

async function main(): Promise<number> {
  const unknown = positionals.filter(
    (word) =>
      word !== 'report' && !(GROUPS as string[]).includes(word) && !STEPS.some(({ name }) => name === word),
  )
  if (unknown.length > 0) {
    process.stderr.write(`there is no step or group '${unknown[0]}'\n\n${USAGE}`)
    return 2
  }
  const budgetSeconds = values.budget === undefined ? Number.POSITIVE_INFINITY : Number(values.budget)
  if (!(budgetSeconds >= 60)) {
    process.stderr.write(`--budget takes 60 seconds or more, not '${values.budget}'\n`)
    return 2
  }
  const context = makeContext()
  const mode = modeOf(context)
  const store = new Store(context.report, mode)
  const chosen = STEPS.filter(
    ({ name, group }) =>
      positionals.length === 0 || positionals.includes(group) || positionals.includes(name),
  )
  if (values.again)
    for (const { name } of chosen)
      if (positionals.length > 0 || store.read(name)?.status === 'failed') store.remove(name)
  const execute: Parameters<typeof runSteps>[1]['execute'] = (step, seconds, cut) =>
    executeStep(step, context, seconds, cut)
  const done = await runSteps(chosen, { store, mode, budgetSeconds, execute, say })

  const manifest = join(context.root, 'manifest.json')
  const report = writeReport(
    STEPS,
    context,
    existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')) : null,
  )
  const { passed, failed, skipped, missing } = report.counts
  if (report.warning) say(report.warning)
  say(
    `${passed} passed, ${failed} failed, ${skipped} skipped, ${missing} not run yet: ${context.report}/report.md`,
  )
  if (!done) {
    say('the budget is used up: call again to go on')
    return UNFINISHED
  }
  return failed > 0 ? 1 : 0
}

function makeContext(): KitContext {
  const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')
  const report = resolve(process.env.VERBATIM_KIT_REPORT || 'report')
  const cpuOnly = values.cpu ?? false
  const inMemory = !cpuOnly && freeGB('/dev/shm') >= MODELS_GB + 8
  const models = resolve(
    process.env.VERBATIM_KIT_MODELS || (inMemory ? '/dev/shm/verbatim-kit' : join(root, 'models/generated')),
  )
  for (const folder of [report, models]) mkdirSync(folder, { recursive: true })
  return { cpuOnly, root, report, models }
}
