// Measures this library, llama.cpp's own programs and other bindings side by side.
//
//   npm run bench
//   npm run bench -- --help
import { basename, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeModel } from '../scripts/make-model.js'
import { withProgressBar } from '../scripts/progress-bar.js'
import { Child, childContender } from './contenders/child.js'
import { buildPrograms, cpuFeatures } from './contenders/llama-cpp.js'
import { installPeers } from './contenders/peers.js'
import { killAll } from './contenders/processes.js'
import { llamaServer } from './contenders/server.js'
import { thisMachine, watchOthers } from './machine.js'
import { type CommandLine, readCommandLine, usage } from './options.js'
import { PromptMaker } from './prompts.js'
import { goalLine } from './report/markdown.js'
import { writeReport } from './report/write.js'
import type { BenchContext, Suite, SuiteReport } from './suite.js'
import { distinct, fanOut } from './suites/fan-out.js'
import { startedVersions } from './suites/field.js'
import { firstToken } from './suites/first-token.js'
import { http } from './suites/http.js'
import { interference } from './suites/interference.js'
import { load } from './suites/load.js'
import { prebuild } from './suites/prebuild.js'
import { promptLength } from './suites/prompt-length.js'
import { sampler } from './suites/sampler.js'
import { singleStream } from './suites/single-stream.js'
import { step } from './suites/step.js'
import { run as runTool, SetupFailure } from './tools.js'

const SUITES: readonly Suite[] = [
  singleStream,
  fanOut,
  distinct,
  firstToken,
  interference,
  step,
  sampler,
  load,
  promptLength,
  http,
  prebuild,
]
const NAMES = SUITES.map(({ name }) => name)

const say = (text: string) => process.stderr.write(`[bench] ${text}\n`)

try {
  const commandLine = readCommandLine(process.argv.slice(2), NAMES)
  if (commandLine.help) process.stdout.write(usage(SUITES))
  else await bench(commandLine)
} catch (error) {
  if (!(error instanceof SetupFailure)) throw error
  say(error.message)
  process.exitCode = 1
}

async function bench(commandLine: CommandLine): Promise<void> {
  const suites =
    commandLine.suites.length === 0 ? SUITES : SUITES.filter(({ name }) => commandLine.suites.includes(name))
  const modelPath = commandLine.modelPath ?? (await defaultModel())
  const { threads, gpuLayers, rounds, requests, quick, out } = commandLine
  const options = { modelPath, threads, gpuLayers, rounds, requests, quick }
  const context = await prepare(options, suites)
  const reports: SuiteReport[] = []
  try {
    for (const suite of suites) {
      const report = await runSuite(suite, context)
      writeReport(out, report, NAMES)
      reports.push(report)
    }
  } finally {
    killAll()
  }
  for (const goal of reports.flatMap(({ goals }) => goals)) say(goalLine(goal))
  say(`written to ${relative('.', out)}/README.md`)
}

async function runSuite(suite: Suite, context: BenchContext): Promise<SuiteReport> {
  const { options } = context
  say(suite.name)
  const machine = thisMachine()
  const begin = performance.now()
  const coresOfOthers = watchOthers()
  startedVersions.clear()
  const { rounds, ...result } = await withBar(suite.name, (progress) => suite.run({ ...context, progress }))
  return {
    suite: suite.name,
    title: suite.title,
    date: new Date().toISOString().slice(0, 10),
    quick: options.quick,
    machine,
    model: basename(options.modelPath),
    threads: options.threads,
    gpuLayers: options.gpuLayers,
    cpuFeatures: cpuFeatures(),
    versions: Object.fromEntries(startedVersions),
    seconds: Math.round((performance.now() - begin) / 1000),
    coresOfOthers: coresOfOthers(),
    ...result,
    series: rounds.all,
  }
}

/** Builds and installs what the suites need, and starts the process that renders the prompts. */
async function prepare(options: BenchContext['options'], suites: readonly Suite[]): Promise<BenchContext> {
  const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url))
  const project = fileURLToPath(new URL('children/tsconfig.json', import.meta.url))
  runTool(process.execPath, [tsc, '-p', project], 'the processes to be measured did not compile')
  const { modelPath, threads, gpuLayers } = options
  const needed = suites.some(({ needsContenders }) => needsContenders)
  if (needed) {
    buildPrograms()
    installPeers()
  }
  const renderer = new Child('ours')
  if (needed) {
    const cells = { contextSize: 256, cacheSize: 256, maxSequences: 1, sequences: 1 }
    await renderer.call('load', { modelPath, threads, gpuLayers: 0, ...cells })
  }
  return {
    options,
    program: { modelPath, threads, gpuLayers },
    prompts: new PromptMaker(renderer),
    contenders: [
      childContender('ours', 'ours'),
      llamaServer,
      childContender('node-llama-cpp', 'node-llama-cpp'),
      childContender('llama.node', 'llama-node'),
    ],
    say,
    progress: () => {},
  }
}

async function defaultModel(): Promise<string> {
  const options = { shape: 'qwen2.5-0.5b', type: 'Q4_0' } as const
  const { path } = await withBar('making the model', (progress) => makeModel({ ...options, progress }))
  return path
}

/** Shows a bar on a terminal, and nothing elsewhere. */
function withBar<T>(
  what: string,
  work: (progress: (done: number, total: number) => void) => Promise<T>,
): Promise<T> {
  return withProgressBar(`${what} {bar} {percentage} % {duration_formatted}`, (onProgress) =>
    work((done, total) => onProgress(done / total)),
  )
}
