// The values that the option ropeScaling takes.
import { describe, expect, test } from 'vitest'
import { readEstimateMemoryOptions, readLoadOptions } from '#lib/options/read.js'
import { refusal } from './support/options.js'

describe('the option ropeScaling', () => {
  test('takes a type and numbers in their ranges', () => {
    const given = { type: 'yarn', factor: 4, originalContextSize: 4096, betaFast: 16 }
    const read = readLoadOptions({ ropeScaling: given }).ropeScaling
    expect(read).toEqual({
      ...given,
      frequencyBase: null,
      extrapolationFactor: null,
      attentionFactor: null,
      betaSlow: null,
    })
    expect(Object.isFrozen(read)).toBe(true)
    expect(readLoadOptions({}).ropeScaling).toBeNull()
    expect(readEstimateMemoryOptions({ ropeScaling: given }).ropeScaling).toEqual(read)
    expect(readLoadOptions({ ropeScaling: { type: 'none', factor: undefined } }).ropeScaling).toMatchObject({
      type: 'none',
    })
    class Defaults {
      type = 'linear'
      get factor() {
        return 2
      }
    }
    expect(readLoadOptions({ ropeScaling: new Defaults() }).ropeScaling).toMatchObject({ factor: 2 })
  })

  test.each<[unknown, string]>([
    [null, 'ropeScaling'],
    ['yarn', 'ropeScaling'],
    [4, 'ropeScaling'],
    [[], 'ropeScaling'],
    [{}, 'ropeScaling.type'],
    [{ factor: 4 }, 'ropeScaling.type'],
    [{ type: 'longrope' }, 'ropeScaling.type'],
    [{ type: 'llama3', factor: 8 }, 'ropeScaling.type'],
    [{ type: 'toString' }, 'ropeScaling.type'],
    [{ type: null }, 'ropeScaling.type'],
    ...[Number.NaN, 0, -1, 0.99, 1e300, 1025, Number.POSITIVE_INFINITY, '4', 4n, null, [4]].map(
      (factor): [unknown, string] => [{ type: 'linear', factor }, 'ropeScaling.factor'],
    ),
    ...[0, 15, 4096.5, 2 ** 31, Number.NaN, '4096'].map((originalContextSize): [unknown, string] => [
      { type: 'yarn', factor: 2, originalContextSize },
      'ropeScaling.originalContextSize',
    ]),
    ...[0, 1, -1e4, 1e300, Number.NaN, '1e4', 1 + 1e-12].map((frequencyBase): [unknown, string] => [
      { type: 'none', frequencyBase },
      'ropeScaling.frequencyBase',
    ]),
    [{ type: 'yarn', factor: 2, extrapolationFactor: -0.1 }, 'ropeScaling.extrapolationFactor'],
    [{ type: 'yarn', factor: 2, extrapolationFactor: 1.1 }, 'ropeScaling.extrapolationFactor'],
    [{ type: 'yarn', factor: 2, attentionFactor: 0 }, 'ropeScaling.attentionFactor'],
    [{ type: 'yarn', factor: 2, betaFast: 0 }, 'ropeScaling.betaFast'],
    [{ type: 'yarn', factor: 2, betaFast: 1e300 }, 'ropeScaling.betaFast'],
    [{ type: 'yarn', factor: 2, betaSlow: 1e-300 }, 'ropeScaling.betaSlow'],
    [{ type: 'yarn', factor: 2, betaSlow: Number.NaN }, 'ropeScaling.betaSlow'],
  ])('%o is refused', (ropeScaling, path) => {
    expect(refusal(() => readLoadOptions({ ropeScaling })).path).toBe(path)
  })

  test.each<[object, string, RegExp]>([
    [{ type: 'none', factor: 4 }, 'factor', /no effect with type 'none'/],
    [{ type: 'none', originalContextSize: 64 }, 'originalContextSize', /no effect with type 'none'/],
    [{ type: 'none', betaFast: 32 }, 'betaFast', /no effect with type 'none'.*'yarn'/],
    [{ type: 'linear', factor: 2, betaFast: 32 }, 'betaFast', /no effect with type 'linear'/],
    [{ type: 'linear', factor: 2, betaSlow: 1 }, 'betaSlow', /no effect with type 'linear'/],
    [{ type: 'linear', factor: 2, extrapolationFactor: 1 }, 'extrapolationFactor', /type 'linear'/],
    [{ type: 'linear', factor: 2, attentionFactor: 1 }, 'attentionFactor', /type 'linear'/],
    [{ type: 'yarn', factor: 2, attentionFactor: 1 }, 'attentionFactor', /needs extrapolationFactor: 0/],
    [{ type: 'yarn', factor: 2, extrapolationFactor: 0, betaFast: 9 }, 'betaFast', /extrapolationFactor 0/],
    [
      { type: 'yarn', factor: 2, extrapolationFactor: 1e-60, betaSlow: 9 },
      'betaSlow',
      /extrapolationFactor 0/,
    ],
    [{ type: 'yarn', rope_theta: 1e6 }, 'rope_theta', /Did you mean frequencyBase\?/],
    [{ rope_type: 'yarn' }, 'rope_type', /Did you mean type\?/],
    [
      { type: 'yarn', original_max_position_embeddings: 4096 },
      'original_max_position_embeddings',
      /Did you mean originalContextSize\?/,
    ],
    [{ type: 'yarn', beta_fast: 4096 }, 'beta_fast', /Did you mean betaFast\?/],
  ])('%o is refused: what has no effect, and other names', (ropeScaling, member, message) => {
    const error = refusal(() => readLoadOptions({ ropeScaling }))
    expect(error).toMatchObject({ path: `ropeScaling.${member}`, message: expect.stringMatching(message) })
  })
})
