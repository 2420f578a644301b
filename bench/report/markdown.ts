import type { Goal, SuiteReport, Table } from '../suite.js'
import { ratio, short, spread } from './format.js'

/** The whole page, from the reports of all suites that there are. */
export function markdownPage(reports: readonly SuiteReport[]): string {
  return [
    '# Benchmarks',
    '',
    'Written by `npm run bench`. Everyone in a table was measured in the same run, one after the other in every round;',
    'a figure is the median of the rounds, and the lowest and highest in parentheses. Ratios are taken within each round.',
    '',
    ...goalsSection(reports),
    ...reports.flatMap(suiteSection),
  ].join('\n')
}

function goalsSection(reports: readonly SuiteReport[]): string[] {
  const goals = reports.flatMap(({ goals }) => goals).toSorted((a, b) => a.number - b.number)
  if (goals.length === 0) return []
  const rows = goals.map((goal) => [
    String(goal.number),
    goal.text,
    goalValue(goal),
    `${goal.want} ${goal.limit}${goal.unit && ` ${goal.unit}`}`,
    verdict(goal),
  ])
  return ['## Goals', '', ...tableLines({ title: '', head: ['', '', 'measured', 'goal', 'met'], rows }), '']
}

/** A line about a goal, for a terminal. */
export function goalLine(goal: Goal): string {
  const unit = goal.unit && ` ${goal.unit}`
  return `${goal.number}. ${goal.text}: ${goalValue(goal)}, goal ${goal.want} ${goal.limit}${unit}: ${verdict(goal)}`
}

function goalValue({ measured, unit }: Goal): string {
  return unit ? `${spread(measured)}${measured ? ` ${unit}` : ''}` : ratio(measured)
}

function verdict({ measured, limit, want }: Goal): string {
  if (!measured) return 'not measured'
  return (want === 'at least' ? measured.median >= limit : measured.median <= limit) ? 'yes' : '**no**'
}

function suiteSection(report: SuiteReport): string[] {
  const { machine, versions } = report
  const run = report.quick ? ', a quick run' : ''
  const others = report.coresOfOthers ? `, while other programs had ${short(report.coresOfOthers)} cores` : ''
  const gpu = report.gpuLayers > 0 ? `, ${report.gpuLayers} layers on the GPU` : ''
  const missing = Object.entries(report.missing).map(([who, why]) => `- **Not available: ${who}** (${why})`)
  return [
    `## ${report.title}`,
    '',
    ...report.plots.flatMap(({ name, title }) => [`![${title}](${name}.svg)`, '']),
    ...report.tables.flatMap((one) => [
      ...(one.title ? [`**${one.title}**`, ''] : []),
      ...tableLines(one),
      '',
    ]),
    ...missing,
    ...(missing.length > 0 ? [''] : []),
    ...report.legend.map((line) => `- ${line}`),
    `- ${report.date}${run}${others}; ${report.model}, ${report.threads} threads${gpu}; ${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node.js ${machine.node}${report.cpuFeatures.length > 0 ? `; ggml built for ${report.cpuFeatures.join(', ')}` : ''}.`,
    ...(Object.keys(versions).length > 0
      ? [
          `- ${Object.entries(versions)
            .map(([who, version]) => `${who} ${version}`)
            .join('; ')}.`,
        ]
      : []),
    '',
  ]
}

/** A table in Markdown. */
export function tableLines({ head, rows }: Table): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)]
}
