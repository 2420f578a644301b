// The kit on the machine with the GPU: run.sh starts it with the Node.js that it brings along.
import { existsSync, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import '../../bench/contenders/processes.js' // a signal is a regular exit, which ends the step in progress
import { freeGB, MODELS_GB } from './check.js'
import { executeStep } from './execute.js'
import { findLibraries } from './libraries.js'
import { type Manifest, readManifest } from './manifest.js'
import { countsLine, writeReport } from './report.js'
import { runStages } from './runner.js'
import { type Group, type KitContext, modeOf } from './step.js'
import { STAGES, STEPS } from './steps.js'
import { Store } from './store.js'

const GROUPS: readonly Group[] = ['check', 'build', 'test', 'bench']
const IN_MEMORY = '/dev/shm/verbatim-kit'
/** Of the command, where a further call goes on. */
const UNFINISHED = 75
const USAGE = `usage: ./run.sh [check | build | test | bench | report] [STEP ...] [options]

Without a word: all of it, what is worth most first, each stage within a limit. The report is written after every step.
What has been done is not done again; called once more it goes on.

  --budget SECONDS  stop cleanly before so many seconds are over (ends with status ${UNFINISHED} when there is more to do)
  --cpu             the dry run: the same path without a GPU, at a tiny size
  --again           do the named groups or steps again, or where none is named what failed or was ended early
  --list            names the steps

environment:
  VERBATIM_KIT_REPORT  where report.md and report.json go (./report)
  VERBATIM_KIT_MODELS  where the models go: ${MODELS_GB} GB (/dev/shm where it has room, or models/ in the kit)
  VERBATIM_KIT_PYTHON  the Python with torch and transformers (python3)
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
else if (values.list) process.stdout.write(listOfSteps())
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
  const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')
  const manifest = readManifest(root)
  const context = makeContext(root, manifest)
  const mode = modeOf(context)
  const store = new Store(context.work, mode)
  const isChosen = ({ name, group }: { name: string; group: Group }) =>
    positionals.length === 0 || positionals.includes(group) || positionals.includes(name)
  if (values.again)
    for (const { name } of STEPS.filter(isChosen))
      if (positionals.length > 0 || ['failed', 'partial'].includes(store.read(name)?.status ?? ''))
        store.remove(name)
  const done = await runStages(
    STAGES.map((stage) => ({ ...stage, steps: stage.steps.filter(isChosen) })),
    {
      store,
      mode,
      budgetSeconds,
      say,
      execute: (step, seconds, cut) => executeStep(step, context, seconds, cut),
      kept: () => writeReport(STEPS, context, manifest),
    },
  )

  const report = writeReport(STEPS, context, manifest)
  if (report.warning) say(report.warning)
  say(`${countsLine(report)}: ${join(context.report, 'report.md')}`)
  if (!done) {
    say('the budget is used up: call again to go on')
    return UNFINISHED
  }
  return report.counts.failed > 0 ? 1 : 0
}

function listOfSteps(): string {
  return STAGES.map(({ title, limitSeconds, steps }) => {
    const limit = limitSeconds === undefined ? '' : `, ${limitSeconds} s`
    return [`${title}${limit}`, ...steps.map((step) => `  ${step.name.padEnd(26)} ${step.title}`), ''].join(
      '\n',
    )
  }).join('\n')
}

function makeContext(root: string, manifest: Manifest | null): KitContext {
  const report = resolve(process.env.VERBATIM_KIT_REPORT || 'report')
  const cpuOnly = values.cpu ?? false
  const inMemory = !cpuOnly && (existsSync(IN_MEMORY) || freeGB('/dev/shm') >= MODELS_GB + 8)
  const models = resolve(
    process.env.VERBATIM_KIT_MODELS || (inMemory ? IN_MEMORY : join(root, 'models/generated')),
  )
  const work = join(root, 'work')
  for (const folder of [report, models, work]) mkdirSync(folder, { recursive: true })
  const ownLibraryPath = process.env.LD_LIBRARY_PATH ?? ''
  const { found, libraryPath } = cpuOnly
    ? { found: null, libraryPath: ownLibraryPath }
    : findCuda(manifest, ownLibraryPath)
  return { cpuOnly, root, report, work, models, libraries: found, libraryPath, ownLibraryPath }
}

/** Finds CUDA's libraries, and says where. */
function findCuda(manifest: Manifest | null, ownLibraryPath: string) {
  if (!manifest?.backend) {
    say('no CUDA backend was packed: it is compiled here')
    return { found: null, libraryPath: ownLibraryPath }
  }
  const libraries = findLibraries(manifest.backend.needs)
  for (const [name, place] of Object.entries(libraries.found))
    say(
      `${name}: ${place ? `${place.folder} (${place.what})` : 'not found: the packed backend will not load'}`,
    )
  return libraries
}
