/** The names that other packages have for a known one, in lower case without `_` and `-`. */
export type Aliases = (known: string) => readonly string[]

/** Advice on an unknown name: the one that was meant, or all of `names`. */
export function adviceOn(name: string, names: readonly string[], aliases?: Aliases): string {
  const nearest = nearestName(name, names, aliases)
  if (nearest !== undefined) return `Did you mean ${nearest}?`
  return `Known ${names.length === 1 ? 'is' : 'are'} ${[...names].sort().join(', ')}.`
}

/** The known name that is `name` in another spelling or package. */
export function sameName(
  name: string,
  names: readonly string[],
  aliases: Aliases = () => [],
): string | undefined {
  const wanted = plain(name)
  return names.find((known) => plain(known) === wanted || aliases(known).includes(wanted))
}

/** The known name that the unknown `name` clearly stands for: in another spelling, begun, or with a typing error. */
function nearestName(
  name: string,
  names: readonly string[],
  aliases: Aliases = () => [],
): string | undefined {
  const same = sameName(name, names, aliases)
  if (same !== undefined) return same
  const wanted = plain(name)
  const begun = names.filter((known) =>
    [plain(known), ...aliases(known)].some((text) => text.startsWith(wanted)),
  )
  if (wanted.length >= LEAST_BEGINNING && begun.length === 1) return begun[0]
  const costs = names.map((known) => typingCost(wanted, plain(known)))
  const least = Math.min(...costs)
  // Say nothing when two are as near: topA is neither topK nor topP.
  if (least > mostCost(wanted.length) || costs.filter((cost) => cost === least).length > 1) return undefined
  return names[costs.indexOf(least)]
}

const plain = (text: string) => text.slice(0, 64).toLowerCase().replace(/[_-]/g, '')

const LEAST_BEGINNING = 4

/** A wrong letter makes another word more often than one too many, one too few or two swapped ones. */
const WRONG_LETTER = 1.5

/** The most that a typing error in a name of this length may cost. */
function mostCost(length: number): number {
  if (length < 3) return 0
  if (length < 6) return 1
  return length < 8 ? WRONG_LETTER : 1 + WRONG_LETTER
}

/** Cost of the insertions, deletions, swaps of neighbours (1 each) and replacements that turn one text into the other. */
function typingCost(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : WRONG_LETTER
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
