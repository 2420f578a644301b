import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { spread } from '../report/format.js'
import { Rounds } from '../statistics.js'
import { roundsOf, type Suite, type SuiteResult } from '../suite.js'
import { requireTools, run, SetupFailure } from '../tools.js'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const build = join(repository, 'build')

// Names of settings and distributions in sampler-bench.
const SETTING = 'T=0.7 p=0.9'
const FLAT = 'flat N(0,0.1)'
const PEAKED = 'peaked'

/** The sampler alone, on the vocabulary of Qwen. */
export const sampler: Suite = {
  name: 'sampler',
  title: 'The sampler alone',
  needsContenders: false,
  async run(context) {
    const program = samplerBench()
    const roundCount = roundsOf(context.options, 5)
    const rounds = new Rounds()
    let blocks: Block[] = []
    for (let round = 0; round < roundCount; round++) {
      const { stdout, status } = spawnSync(program, { encoding: 'utf8', stdio: ['ignore', 'pipe', 2] })
      if (status !== 0) throw new SetupFailure(`sampler-bench ended with status ${status}`)
      blocks = parseSamplerBench(stdout)
      for (const { level, columns, rows } of blocks)
        for (const { setting, values } of rows)
          for (const [index, value] of values.entries())
            rounds.add(series(level, setting, columns[index] ?? ''), round, value)
      context.progress(round + 1, roundCount)
    }
    return { ...describe(rounds, blocks), missing: {} }
  },
}

/** Output of sampler-bench for one instruction set: a head, and a line for each setting. */
export interface Block {
  readonly level: string
  readonly columns: readonly string[]
  readonly rows: readonly { readonly setting: string; readonly values: readonly number[] }[]
}

function samplerBench(): string {
  const name = process.platform === 'win32' ? 'sampler-bench.exe' : 'sampler-bench'
  const places = ['test/native', 'test/native/Release', 'Release'].map((folder) => join(build, folder, name))
  const found = () => places.find((path) => existsSync(path))
  if (!found()) requireTools()
  // Build it even when it is there: it may be older than the sampler.
  run(
    'cmake',
    ['--build', build, '--config', 'Release', '--target', 'sampler-bench'],
    'sampler-bench was not built',
  )
  const path = found()
  if (!path) throw new SetupFailure('the build ended without sampler-bench')
  return path
}

/** Reads the output of sampler-bench. Columns are as wide as it prints them: 28 characters, then 15 each. */
export function parseSamplerBench(output: string): Block[] {
  const blocks: { level: string; columns: string[]; rows: { setting: string; values: number[] }[] }[] = []
  for (const line of output.split('\n').filter((text) => text.trim() !== '')) {
    const first = line.slice(0, 28).trim()
    const cells = (line.slice(28).match(/.{1,15}/g) ?? []).map((cell) => cell.trim())
    const values = cells.map(Number)
    if (values.some(Number.isNaN)) blocks.push({ level: first, columns: cells, rows: [] })
    else blocks.at(-1)?.rows.push({ setting: first, values })
  }
  if (blocks.length === 0) throw new SetupFailure('sampler-bench printed nothing that is understood')
  return blocks
}

const series = (level: string, setting: string, distribution: string) =>
  `${level}, ${setting}, ${distribution}`

function describe(rounds: Rounds, blocks: readonly Block[]): Omit<SuiteResult, 'missing'> {
  // The first block is of the instruction set that this machine would use.
  const level = blocks[0]?.level ?? ''
  const goal = (name: string, distribution: string, limit: number) => ({
    number: 2,
    text: `The sampler alone (${level}), 151,936 tokens, temperature 0.7 and top-p 0.9, ${name} logits`,
    measured: rounds.spread(series(level, SETTING, distribution)),
    limit,
    want: 'at most' as const,
    unit: 'ms',
  })
  return {
    rounds,
    tables: blocks.map(({ level, columns, rows }) => ({
      title: `Milliseconds a token, ${level}`,
      head: ['', ...columns],
      rows: rows.map(({ setting }) => [
        setting,
        ...columns.map((column) => spread(rounds.spread(series(level, setting, column)))),
      ]),
    })),
    plots: [],
    goals: [goal('flat', FLAT, 0.5), goal('peaked', PEAKED, 0.2)],
    legend: [
      'Medians of 200 tokens, of the code that is chosen at run time for this processor, and of the others it has. 151,936 tokens of vocabulary; T is the temperature, p is top-p, k is top-k.',
    ],
  }
}
