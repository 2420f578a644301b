/** The median and the range of some values. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly count: number
}

/** Null when there are no values. */
export function spreadOf(values: readonly number[]): Spread | null {
  const sorted = values.toSorted((a, b) => a - b)
  const min = sorted[0]
  const max = sorted.at(-1)
  if (min === undefined || max === undefined) return null
  return { median: percentile(sorted, 50), min, max, count: sorted.length }
}

/** The p-th percentile, interpolated; NaN without values. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const position = ((sorted.length - 1) * p) / 100
  const below = sorted[Math.floor(position)] ?? Number.NaN
  const above = sorted[Math.ceil(position)] ?? Number.NaN
  return below + (above - below) * (position - Math.floor(position))
}

/** Measurements of a suite: for each series one value a round, or none where that failed. */
export class Rounds {
  readonly #series = new Map<string, Map<number, number>>()

  add(series: string, round: number, value: number | null): void {
    if (value === null || !Number.isFinite(value)) return
    const values = this.#series.get(series) ?? new Map<number, number>()
    this.#series.set(series, values)
    values.set(round, value)
  }

  spread(series: string): Spread | null {
    return spreadOf([...(this.#series.get(series)?.values() ?? [])])
  }

  /** The ratio of two series, taken in each round in which both were measured. */
  ratio(series: string, reference: string): Spread | null {
    const references = this.#series.get(reference)
    const ratios: number[] = []
    for (const [round, value] of this.#series.get(series) ?? []) {
      const other = references?.get(round)
      if (other) ratios.push(value / other)
    }
    return spreadOf(ratios)
  }

  /** A series made of others, round by round; `combine` is given their values of one round. */
  derive(series: string, sources: readonly string[], combine: (...values: number[]) => number): void {
    const first = this.#series.get(sources[0] ?? '')
    for (const round of first?.keys() ?? []) {
      const values = sources.map((source) => this.#series.get(source)?.get(round))
      if (values.every((value) => value !== undefined))
        this.add(series, round, combine(...(values as number[])))
    }
  }

  /** Everything, for the JSON file: the values of each series by round, null where there is none. */
  get all(): Record<string, (number | null)[]> {
    const rounds = Math.max(-1, ...[...this.#series.values()].flatMap((values) => [...values.keys()])) + 1
    return Object.fromEntries(
      [...this.#series].map(([name, values]) => [
        name,
        Array.from({ length: rounds }, (_, round) => values.get(round) ?? null),
      ]),
    )
  }
}
