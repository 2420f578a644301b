/** The names that other packages have for a known one, in lower case without `_` and `-`. */
export type Aliases = (known: string) => readonly string[]

/** Finds the known name that the unknown `name` most likely stands for. */
export function nearestName(
  name: string,
  names: readonly string[],
  aliases: Aliases = () => [],
): string | undefined {
  const plain = (text: string) => text.toLowerCase().replace(/[_-]/g, '')
  const wanted = plain(name.slice(0, 64))
  const alias = names.find((known) => plain(known) === wanted || aliases(known).includes(wanted))
  if (alias !== undefined) return alias
  let nearest: string | undefined
  let nearestDistance = Math.min(3, Math.floor(wanted.length / 3)) + 1
  for (const known of names) {
    const distance = editDistance(wanted, plain(known))
    if (distance >= nearestDistance) continue
    nearest = known
    nearestDistance = distance
  }
  return nearest
}

/** Number of insertions, deletions, replacements and swaps of neighbours that turn one text into the other. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let best = Math.min((row[j - 1] ?? 0) + 1, (last[j] ?? 0) + 1, (last[j - 1] ?? 0) + cost)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1)
      }
      row.push(best)
    }
    beforeLast = last
    last = row
  }
  return last[b.length] ?? 0
}
