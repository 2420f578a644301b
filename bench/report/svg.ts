// Plots without a plotting library: bars, and lines over a numeric axis, with their labels beside them.
import type { Spread } from '../statistics.js'
import type { Plot } from '../suite.js'
import { short } from './format.js'

const WIDTH = 860

// Colours to tell apart on white and on black, and with few colours in the eye; this library's stands out.
const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 }
  .quiet { fill: #656d76; font-size: 12px }
  .ours { font-weight: 700 }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .spread { stroke: #24292f; stroke-width: 1.5 }
  .bar { fill: #8c959f }
  .bar.own { fill: #0969da }
  .line { fill: none; stroke-width: 2 }
  .c0 { stroke: #0969da; stroke-width: 3.5 } .c1 { stroke: #656d76 } .c2 { stroke: #bc4c00 }
  .c3 { stroke: #8250df } .c4 { stroke: #1a7f37 } .c5 { stroke: #bf3989 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .quiet { fill: #8d96a0 }
    .grid { stroke: #30363d }
    .spread { stroke: #e6edf3 }
    .bar { fill: #6e7681 }
    .bar.own { fill: #4493f8 }
    .c0 { stroke: #4493f8 } .c1 { stroke: #9198a1 } .c2 { stroke: #f0883e }
    .c3 { stroke: #ab7df8 } .c4 { stroke: #3fb950 } .c5 { stroke: #db61a2 }
  }`

/** The plot as an SVG file, readable on light and dark pages. */
export function svgPlot(plot: Plot): string {
  const { height, parts } = plot.lines ? lines(plot.lines) : bars(plot)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escapeXml(plot.title)}">`,
    `<style>${STYLE}\n</style>`,
    text(16, 26, plot.title, 'title'),
    text(
      16,
      46,
      `${plot.unit}, ${plot.betterIs} is better; the median of the rounds, and their range`,
      'quiet',
    ),
    ...parts,
    '</svg>\n',
  ].join('\n')
}

function bars({ bars: all = [], unit }: Plot): { height: number; parts: string[] } {
  const known = all.filter((bar): bar is typeof bar & { value: Spread } => bar.value !== null)
  const left = 24 + 7.2 * Math.max(0, ...known.map(({ label }) => label.length))
  const right = 100
  const most = Math.max(...known.map(({ value }) => value.max), Number.MIN_VALUE)
  const x = (value: number) => left + ((WIDTH - left - right) * value) / most
  const parts = known.flatMap(({ label, value, ours }, index) => {
    const y = 66 + index * 28
    return [
      text(left - 10, y + 14, label, ours ? 'ours' : '', 'end'),
      `<rect class="bar${ours ? ' own' : ''}" x="${n(left)}" y="${y}" width="${n(x(value.median) - left)}" height="19" rx="2"/>`,
      `<path class="spread" d="M${n(x(value.min))} ${y + 9.5}H${n(x(value.max))}"/>`,
      text(x(value.max) + 8, y + 14, `${short(value.median)} ${unit}`, ours ? 'ours' : ''),
    ]
  })
  return { height: 80 + known.length * 28, parts }
}

function lines({ x: xs, xLabel, logarithmic, series }: NonNullable<Plot['lines']>) {
  const height = 440
  const area = { left: 64, right: WIDTH - 190, top: 66, bottom: height - 52 }
  const known = series.filter(({ y }) => y.some((value) => value !== null))
  const values = known.flatMap(({ y }) => y.flatMap((value) => (value ? [value.min, value.max] : [])))
  const most = Math.max(...values, Number.MIN_VALUE)
  const least = logarithmic ? Math.min(...values, most) : 0
  const ticks = logarithmic ? logarithmicTicks(least, most) : linearTicks(most)
  const low = ticks[0] ?? 0
  const high = ticks.at(-1) ?? 1
  const scale = (value: number) => (logarithmic ? Math.log(value) : value)
  // Draw the places on the horizontal axis evenly: each doubles the one before.
  const x = (index: number) => area.left + ((area.right - area.left) * index) / Math.max(1, xs.length - 1)
  const y = (value: number) =>
    area.bottom - ((area.bottom - area.top) * (scale(value) - scale(low))) / (scale(high) - scale(low))

  const parts = ticks.flatMap((tick) => [
    `<path class="grid" d="M${area.left} ${n(y(tick))}H${area.right}"/>`,
    text(area.left - 8, y(tick) + 4, String(tick), 'quiet', 'end'),
  ])
  for (const [index, value] of xs.entries())
    parts.push(text(x(index), area.bottom + 20, String(value), 'quiet', 'middle'))
  parts.push(text((area.left + area.right) / 2, area.bottom + 40, xLabel, 'quiet', 'middle'))

  const labels = known.map(({ label, ours, y: points }) => {
    const lastIndex = points.findLastIndex((value) => value !== null)
    return { label, ours, at: y(points[lastIndex]?.median ?? low) }
  })
  spreadApart(labels, 17)
  let colour = 1
  for (const [index, { y: points, ours, dashed }] of known.entries()) {
    const style = ours ? 0 : colour++
    const seen = points.flatMap((value, place) => (value ? [[place, value] as const] : []))
    const path = seen.map(([place, { median }]) => `${n(x(place))} ${n(y(median))}`).join('L')
    const end = seen.at(-1)
    const label = labels[index]
    parts.push(`<path class="line c${style}"${dashed ? ' stroke-dasharray="6 4"' : ''} d="M${path}"/>`)
    for (const [place, { min, max }] of seen)
      parts.push(`<path class="line c${style}" d="M${n(x(place))} ${n(y(min))}V${n(y(max))}"/>`)
    if (!end || !label) continue
    const from = `${n(x(end[0]))} ${n(y(end[1].median))}`
    parts.push(
      `<path class="line c${style}" style="stroke-width:1" d="M${from}L${area.right + 16} ${n(label.at)}"/>`,
    )
    parts.push(text(area.right + 20, label.at + 4, label.label, label.ours ? 'ours' : ''))
  }
  return { height, parts }
}

/** Moves labels that would overlap, upwards or downwards as little as possible. */
function spreadApart(labels: { at: number }[], distance: number): void {
  const sorted = labels.toSorted((a, b) => a.at - b.at)
  for (let pass = 0; pass < 100; pass++)
    for (let i = 1; i < sorted.length; i++) {
      const [above, below] = [sorted[i - 1], sorted[i]] as [{ at: number }, { at: number }]
      const overlap = distance - (below.at - above.at)
      if (overlap <= 0) continue
      above.at -= overlap / 2
      below.at += overlap / 2
    }
}

/** Ticks 1, 2, 5, 10, … around the values from `least` to `most`. */
function logarithmicTicks(least: number, most: number): number[] {
  const all = Array.from({ length: 16 }, (_, i) => 10 ** (i - 6)).flatMap((power) =>
    [1, 2, 5].map((step) => Number((step * power).toPrecision(1))),
  )
  const first = Math.max(
    0,
    all.findLastIndex((tick) => tick <= least),
  )
  const last = all.findIndex((tick) => tick >= most)
  return all.slice(first, Math.max(last, first + 1) + 1)
}

function linearTicks(most: number): number[] {
  const power = 10 ** Math.floor(Math.log10(most))
  const step =
    [0.1, 0.2, 0.25, 0.5, 1, 2].map((part) => part * power).find((size) => most / size <= 6) ?? power
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, i) => Number((i * step).toPrecision(3)))
}

function text(x: number, y: number, content: string, style = '', anchor = 'start'): string {
  return `<text x="${n(x)}" y="${n(y)}" class="${style}" text-anchor="${anchor}">${escapeXml(content)}</text>`
}

const n = (value: number) => String(Math.round(value * 10) / 10)

function escapeXml(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
