// Answers of a GPU are compared where nobody can look again: a comparison that fails must tell all it has found.
import { describe, expect, test } from 'vitest'
import { compareOutputs, judge, type Limits } from '../gpu-tests/comparison.js'
import type { Outputs } from '../gpu-tests/outputs.js'
import type { Findings } from '../run/step-types.js'

const LIMITS: Limits = { nearTie: 0.4, tolerance: 0.1, leastTokens: 2 }

/** An answer: of each token its id, its log probability and that of the next likely one. */
const answer = (...tokens: readonly (readonly [id: number, logprob: number, next: number])[]) =>
  tokens.map(([tokenId, logprob, next]) => ({
    tokenId,
    text: '',
    logprob,
    top: [
      { tokenId, text: '', logprob },
      { tokenId: tokenId + 1000, text: '', logprob: next },
    ],
  })) as Outputs[number]

const cpu = [
  answer([1, -1, -3], [2, -1, -2], [3, -1, -2]),
  answer([4, -1, -1.25], [5, -1, -2]),
  answer([6, -1, -2], [7, -1, -2]),
]

describe('of answers that differ', () => {
  const gpu = [answer([1, -1.5, -3], [9, -1, -1.5], [3, -9, -9]), answer([8, -1, -2]), answer([6, -1.25, -2])]

  test('every divergence is found, with its lead, and every distance before it', () => {
    expect(compareOutputs(cpu, gpu)).toEqual({
      compared: 2,
      divergences: [
        { prompt: 0, token: 1, expected: 2, chosen: 9, lead: 1, otherLead: 0.5 },
        { prompt: 1, token: 0, expected: 4, chosen: 8, lead: 0.25, otherLead: 1 },
        { prompt: 2, token: 1, expected: 7, chosen: null, lead: 1, otherLead: null },
      ],
      meanDistance: 0.375,
      meanDistances: [0.5, null, 0.25],
      largestDistances: [0.5, null, 0.25],
    })
  })

  test('all is told before the comparison fails, and the failure names what is over the limits', () => {
    const comparison = compareOutputs(cpu, gpu)
    const told: Findings[] = []
    expect(() => judge(comparison, LIMITS, (findings) => told.push(findings))).toThrow(
      [
        'prompt 0, token 1: 2 leads by 1.000, but 9 was chosen',
        'prompt 2 ends after 1 tokens',
        'log probabilities lie 0.375 apart on average',
      ].join('\n'),
    )
    expect(told).toEqual([{ facts: { ...comparison, limits: LIMITS } }])
  })
})

test('answers that differ at a near-tie pass, and too few equal tokens do not', () => {
  const gpu = [cpu[0] ?? [], answer([8, -1, -2]), cpu[2] ?? []]
  const comparison = compareOutputs(cpu, gpu)
  expect(judge(comparison, LIMITS, () => {}).facts).toMatchObject({ compared: 5, meanDistance: 0 })
  expect(() => judge(comparison, { ...LIMITS, leastTokens: 6 }, () => {})).toThrow(
    'only 5 tokens could be compared',
  )
})
