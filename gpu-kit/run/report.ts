// report.json and report.md: steps that passed, failed or were skipped, with reasons. Small enough to be pasted.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { goalLine, tableLines } from '../../bench/report/markdown.js'
import type { Manifest } from './manifest.js'
import { Store } from './result-store.js'
import { type KitContext, type Mode, modeOf, type Step, type StepResult } from './step-types.js'

const WARNING = 'CPU dry run, proves nothing about a GPU'

const STATUSES = ['passed', 'failed', 'partial', 'skipped'] as const satisfies readonly StepResult['status'][]

export interface Report {
  readonly mode: Mode
  readonly warning: string | null
  /** Sentence that nothing was computed on a GPU, with the reason; null where something was. */
  readonly verdict: string | null
  readonly date: string
  readonly manifest: Manifest | null
  readonly counts: Readonly<Record<StepResult['status'] | 'missing', number>>
  readonly results: readonly StepResult[]
  /** Steps that have not run yet. */
  readonly missing: readonly string[]
}

export function writeReport(steps: readonly Step[], context: KitContext, manifest: Manifest | null): Report {
  const mode = modeOf(context)
  const store = new Store(context.work, mode)
  const results = steps.flatMap(({ name }) => store.read(name) ?? [])
  const missing = steps.map(({ name }) => name).filter((name) => !store.read(name))
  const count = (status: StepResult['status']) => results.filter((result) => result.status === status).length
  const report: Report = {
    mode,
    warning: mode === 'cpu' ? WARNING : null,
    verdict: verdictOf(mode, store.read('backend')),
    date: new Date().toISOString(),
    manifest,
    counts: {
      ...(Object.fromEntries(STATUSES.map((status) => [status, count(status)])) as Record<
        StepResult['status'],
        number
      >),
      missing: missing.length,
    },
    results,
    missing,
  }
  mkdirSync(context.report, { recursive: true })
  write(join(context.report, 'report.json'), `${JSON.stringify(report, rounded, 1)}\n`)
  write(join(context.report, 'report.md'), markdown(report))
  return report
}

function verdictOf(mode: Mode, backend: StepResult | undefined): string | null {
  if (mode === 'cpu' || backend?.status === 'passed') return null
  const why = backend ? `${backend.status}: ${oneLine(backend.reason ?? '')}` : 'not tried yet'
  return `Nothing has run on a GPU: the step backend ${why}`
}

/** Rounds numbers to six digits, which tell as much. */
const rounded = (_: string, value: unknown) =>
  typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value

/** Writes a file whole or not at all, whenever the process is killed. */
function write(path: string, text: string): void {
  writeFileSync(`${path}.partial`, text)
  renameSync(`${path}.partial`, path)
}

/** The counts in words, such as `3 passed, 1 failed`. */
export function countsLine({ counts }: Report): string {
  const known = STATUSES.filter((status) => counts[status] > 0 || status !== 'partial')
  return `${known.map((status) => `${counts[status]} ${status}`).join(', ')}, ${counts.missing} not run yet`
}

function markdown(report: Report): string {
  const { warning, verdict, date, results, missing, manifest } = report
  const of = (group: string) => results.filter((result) => result.group === group)
  const benches = of('bench')
  const goals = benches.flatMap(({ findings }) => findings.goals ?? [])
  const absent = benches.flatMap(({ name, findings }) =>
    Object.entries(findings.missing ?? {}).map(
      ([who, why]) => `- ${name}: ${who} was not measured: ${oneLine(why)}`,
    ),
  )
  return [
    '# verbatim-llama on a GPU',
    '',
    ...(warning ? [`**${warning}.**`, ''] : []),
    ...(verdict ? [`**${verdict}**`, ''] : []),
    `${date}${manifest ? `, the kit of ${manifest.packed}, commit ${manifest.commit}` : ''}. ${countsLine(report)}.`,
    '',
    ...reasons('Failed', results, 'failed'),
    ...reasons('In part', results, 'partial'),
    '## Goals',
    '',
    ...(warning
      ? [`**${warning}**: the model is tiny, and so are all differences between programs.`, '']
      : []),
    ...goals.map((goal) => `- ${goalLine(goal)}`),
    '',
    '## Benchmarks',
    '',
    'Medians of the rounds, with the lowest and highest in parentheses; ratios are taken within each round.',
    '',
    ...benches.flatMap(({ findings }) => [
      ...(findings.tables ?? []).flatMap((table) => [`**${table.title}**`, '', ...tableLines(table), '']),
      ...(findings.legend ?? []).map((line) => `- ${line}`),
      ...(findings.legend ? [''] : []),
    ]),
    ...absent,
    '',
    '## What has run',
    '',
    ...results.map(({ name, title, status, seconds }) => `- ${status}: ${name}, ${title} (${seconds} s)`),
    '',
    ...reasons('Skipped', results, 'skipped'),
    ...(missing.length > 0
      ? ['**Not run yet** (call run.sh again)', '', ...missing.map((name) => `- ${name}`), '']
      : []),
    '## The machine',
    '',
    ...jsonBlock(of('check')[0]?.findings.facts ?? null),
    '## What the tests found',
    '',
    ...jsonBlock(
      Object.fromEntries(
        [...of('build'), ...of('test')].flatMap(({ name, findings }) =>
          findings.facts ? [[name, findings.facts]] : [],
        ),
      ),
    ),
    ...results.flatMap(({ name, log }) =>
      log?.some((line) => line !== '')
        ? [`## The end of ${name}'s log`, '', '```', ...log.map(withoutFence), '```', '']
        : [],
    ),
  ].join('\n')
}

function jsonBlock(value: unknown): string[] {
  return ['```json', JSON.stringify(value, rounded, 1), '```', '']
}

function reasons(title: string, results: readonly StepResult[], status: StepResult['status']): string[] {
  const found = results.filter((result) => result.status === status)
  if (found.length === 0) return []
  return [`**${title}**`, '', ...found.map(({ name, reason }) => `- ${name}: ${oneLine(reason ?? '')}`), '']
}

/** Shortens a text to one line, with its beginning and its end: an error is in one of the two. */
function oneLine(text: string): string {
  const line = text.replaceAll(/\s*\n\s*/g, ' · ')
  return line.length <= 900 ? line : `${line.slice(0, 300)} … ${line.slice(-600)}`
}
const withoutFence = (line: string) => line.replaceAll('```', "'''")
