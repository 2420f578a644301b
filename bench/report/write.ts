import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SuiteReport } from '../suite.js'
import { markdownPage } from './markdown.js'
import { svgPlot } from './svg.js'

/**
 * Writes the report of a suite and its plots, and the page of all suites anew, with the reports that other runs left
 * in the folder.
 *
 * @param order the names of all suites
 */
export function writeReport(folder: string, report: SuiteReport, order: readonly string[]): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${report.suite}.json`), `${JSON.stringify(report, undefined, 2)}\n`)
  for (const plot of report.plots) writeFileSync(join(folder, `${plot.name}.svg`), svgPlot(plot))
  const reports = order.flatMap((name) => readReport(join(folder, `${name}.json`)) ?? [])
  writeFileSync(join(folder, 'README.md'), markdownPage(reports))
}

function readReport(path: string): SuiteReport | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as SuiteReport
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
