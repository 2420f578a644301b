// Compares two processors' greedy answers, and judges the whole once all of it is known.
import assert from 'node:assert/strict'
import type { Findings } from '../run/step-types.js'
import type { Outputs } from './outputs.js'

/** Limits in natural logarithms. */
export interface Limits {
  /** Lead of the likeliest token below which the choice is left to rounding. */
  readonly nearTie: number
  /** Largest mean distance of the log probabilities of one token. */
  readonly tolerance: number
  readonly leastTokens: number
}

/** The first place of an answer where another token was chosen. */
interface Divergence {
  readonly prompt: number
  readonly token: number
  readonly expected: number
  /** The token that was chosen instead; null where the answer had ended. */
  readonly chosen: number | null
  /** Lead of the expected token over the next, and of the chosen one where it was chosen. */
  readonly lead: number
  readonly otherLead: number | null
}

export interface Comparison {
  readonly compared: number
  readonly divergences: readonly Divergence[]
  /** Distances of the log probabilities of equal tokens: of all, and of each prompt in turn; null where none are. */
  readonly meanDistance: number | null
  readonly meanDistances: readonly (number | null)[]
  readonly largestDistances: readonly (number | null)[]
}

/** Compares answers token by token, each until it diverges: from there on the texts differ. */
export function compareOutputs(expected: Outputs, actual: Outputs): Comparison {
  const divergences: Divergence[] = []
  const distances = expected.map((tokens, prompt) => {
    const equal: number[] = []
    for (const [at, token] of tokens.entries()) {
      const other = actual[prompt]?.[at]
      if (other?.tokenId !== token.tokenId) {
        divergences.push({
          prompt,
          token: at,
          expected: token.tokenId,
          chosen: other?.tokenId ?? null,
          lead: lead(token),
          otherLead: other ? lead(other) : null,
        })
        break
      }
      equal.push(Math.abs(other.logprob - token.logprob))
    }
    return equal
  })
  return {
    compared: distances.flat().length,
    divergences,
    meanDistance: mean(distances.flat()),
    meanDistances: distances.map(mean),
    largestDistances: distances.map((list) => (list.length > 0 ? Math.max(...list) : null)),
  }
}

const lead = ({ top: [first, second] }: Outputs[number][number]) =>
  (first?.logprob ?? 0) - (second?.logprob ?? Number.NEGATIVE_INFINITY)

const mean = (list: readonly number[]) =>
  list.length > 0 ? list.reduce((sum, value) => sum + value, 0) / list.length : null

/** Judges a comparison. All of it is told before, so that a failure keeps the figures that limits are set from. */
export function judge(comparison: Comparison, limits: Limits, tell: (findings: Findings) => void): Findings {
  const findings = { facts: { ...comparison, limits } }
  tell(findings)
  const { compared, divergences, meanDistance } = comparison
  const problems = divergences
    .filter(({ chosen, lead }) => chosen === null || !(lead < limits.nearTie))
    .map(({ prompt, token, expected, chosen, lead }) =>
      chosen === null
        ? `prompt ${prompt} ends after ${token} tokens`
        : `prompt ${prompt}, token ${token}: ${expected} leads by ${lead.toFixed(3)}, but ${chosen} was chosen`,
    )
  if (compared < limits.leastTokens) problems.push(`only ${compared} tokens could be compared`)
  if (meanDistance !== null && !(meanDistance < limits.tolerance))
    problems.push(`log probabilities lie ${meanDistance.toFixed(3)} apart on average`)
  assert(problems.length === 0, problems.join('\n'))
  return findings
}
