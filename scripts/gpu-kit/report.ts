// report.json and report.md: what passed, what failed, what was skipped and why.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { goalLine, tableLines } from '../../bench/report/markdown.js'
import { type KitContext, type Mode, modeOf, type Step, type StepResult } from './step.js'
import { Store } from './store.js'

const WARNING = 'CPU dry run, proves nothing about a GPU'

export interface Report {
  readonly mode: Mode
  readonly warning: string | null
  readonly date: string
  readonly manifest: unknown
  readonly counts: Readonly<Record<'passed' | 'failed' | 'skipped' | 'missing', number>>
  readonly results: readonly StepResult[]
  /** Steps that have not run yet. */
  readonly missing: readonly string[]
}

export function writeReport(steps: readonly Step[], context: KitContext, manifest: unknown): Report {
  const mode = modeOf(context)
  const store = new Store(context.report, mode)
  const results = steps.flatMap(({ name }) => store.read(name) ?? [])
  const missing = steps.map(({ name }) => name).filter((name) => !store.read(name))
  const count = (status: StepResult['status']) => results.filter((result) => result.status === status).length
  const report: Report = {
    mode,
    warning: mode === 'cpu' ? WARNING : null,
    date: new Date().toISOString(),
    manifest,
    counts: {
      passed: count('passed'),
      failed: count('failed'),
      skipped: count('skipped'),
      missing: missing.length,
    },
    results,
    missing,
  }
  mkdirSync(context.report, { recursive: true })
  writeFileSync(join(context.report, 'report.json'), `${JSON.stringify(report, undefined, 2)}\n`)
  writeFileSync(join(context.report, 'report.md'), markdown(report))
  return report
}

function markdown({ warning, date, results, missing, counts }: Report): string {
  const of = (group: string) => results.filter((result) => result.group === group)
  const benches = of('bench').map(({ findings }) => findings)
  const tables = benches.flatMap((findings) => findings.tables ?? [])
  const goals = benches.flatMap((findings) => findings.goals ?? [])
  const absent = of('bench').flatMap(({ name, findings }) =>
    Object.entries(findings.missing ?? {}).map(
      ([who, why]) => `- ${name}: ${who} was not measured: ${oneLine(why)}`,
    ),
  )
  return [
    '# verbatim-llama on a GPU',
    '',
    ...(warning ? [`**${warning}.**`, ''] : []),
    date,
    '',
    '## The machine',
    '',
    '```json',
    JSON.stringify(of('check')[0]?.findings.facts ?? null, undefined, 2),
    '```',
    '',
    '## Benchmarks',
    '',
    'Medians of the rounds, with the lowest and highest in parentheses; ratios are taken within each round.',
    '',
    ...tables.flatMap((table) => [`**${table.title}**`, '', ...tableLines(table), '']),
    ...absent,
    '',
    '## Goals',
    '',
    ...(warning
      ? [`**${warning}**: the model is tiny, and so are all differences between programs.`, '']
      : []),
    ...goals.map((goal) => `- ${goalLine(goal)}`),
    '',
    '## What has run',
    '',
    ...results.map(({ name, title, status, seconds }) => `- ${status}: ${name}, ${title} (${seconds} s)`),
    '',
    `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped, ${counts.missing} not run yet.`,
    '',
    ...reasons('Failed', results, 'failed'),
    ...reasons('Skipped', results, 'skipped'),
    ...(missing.length > 0
      ? ['**Not run yet** (call run.sh again)', '', ...missing.map((name) => `- ${name}`)]
      : []),
    '',
  ].join('\n')
}

function reasons(title: string, results: readonly StepResult[], status: StepResult['status']): string[] {
  const found = results.filter((result) => result.status === status)
  if (found.length === 0) return []
  return [`**${title}**`, '', ...found.map(({ name, reason }) => `- ${name}: ${oneLine(reason ?? '')}`), '']
}

const oneLine = (text: string) => text.replaceAll(/\s*\n\s*/g, ' · ').slice(0, 600)
