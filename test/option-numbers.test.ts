// Options that take numbers: their ranges, and how others are refused.
import { describe, expect, test } from 'vitest'
import { readLoadOptions } from '#lib/options/read.js'
import { generate, refusal } from './support/options.js'

describe('numbers', () => {
  const I32 = 2 ** 31 - 1
  const numbers: [string, 'generate' | 'load', number[], number[]][] = [
    ['maxTokens', 'generate', [1, 512, I32], [0, -1, 1.5, I32 + 1]],
    ['minTokens', 'generate', [0, 1, 512], [-1, 0.5, I32 + 1]],
    ['temperature', 'generate', [0, 0.1, 100], [-0.1, 100.1]],
    ['topP', 'generate', [0.001, 1], [0, -1, 1.001, 1e-60]],
    ['topK', 'generate', [0, 40, I32], [-1, 0.5, I32 + 1]],
    ['minP', 'generate', [0, 0.5, 1], [-0.1, 1.1]],
    ['repetitionPenalty', 'generate', [0.1, 1, 100], [0, -1, 100.1, 1e-60]],
    ['presencePenalty', 'generate', [-100, 0, 100], [-100.1, 100.1]],
    ['frequencyPenalty', 'generate', [-100, 0, 100], [-100.1, 100.1]],
    ['seed', 'generate', [0, 1, Number.MAX_SAFE_INTEGER], [-1, 0.5, 2 ** 53]],
    ['logprobs', 'generate', [0, 20], [-1, 21, 1.5]],
    ['contextSize', 'load', [16, 8192, I32], [15, 0, -1, 16.5, I32 + 1]],
    ['cacheSize', 'load', [16, I32], [15, 16.5, I32 + 1]],
    ['maxSequences', 'load', [1, 240], [0, 241, 1.5]],
    ['maxQueue', 'load', [0, 1000, I32], [-1, 0.5, I32 + 1]],
    ['prefixCacheSize', 'load', [0, 8192, I32], [-1, 0.5, I32 + 1]],
    ['gpuLayers', 'load', [0, 99], [-1, 1.5, I32 + 1]],
    ['threads', 'load', [1, 512], [0, 513, 1.5]],
  ]
  describe.each(numbers)('%s', (name, kind, good, bad) => {
    const read = (value: unknown): Record<string, unknown> =>
      kind === 'generate' ? { ...generate({ [name]: value }) } : { ...readLoadOptions({ [name]: value }) }

    test.each(good)('%s is taken', (value) => expect(read(value)[name]).toBe(value))

    test.each([...bad, Number.NaN, Number.POSITIVE_INFINITY, '5', 5n, true, null, [5], { valueOf: () => 5 }])(
      '%s is refused',
      (value) => {
        const error = refusal(() => read(value))
        expect(error).toMatchObject({ code: 'INVALID_OPTION', path: name })
        expect(error.message).toMatch(
          new RegExp(`^${name} must be .*(from .+ to|above .+ at most) .+, not .+\\.$`),
        )
      },
    )
  })

  test('the message gives the range and the value', () => {
    expect(refusal(() => generate({ topP: 2 })).message).toBe(
      'topP must be a number above 0 and at most 1, not 2.',
    )
    expect(refusal(() => generate({ maxTokens: '9' })).message).toBe(
      'maxTokens must be an integer from 1 to 2147483647, not the string "9".',
    )
    expect(refusal(() => readLoadOptions({ gpuLayers: 'all' })).message).toBe(
      `gpuLayers must be 'auto' or an integer from 0 to 2147483647, not the string "all".`,
    )
  })

  test('that is not above the bound for the engine, which counts with 32-bit floats, is said to be so', () => {
    for (const [name, max] of [
      ['topP', 1],
      ['repetitionPenalty', 100],
    ] as const) {
      expect(refusal(() => generate({ [name]: 1e-300 })).message).toBe(
        `${name} must be a number above 0 and at most ${max}, not 1e-300, which is 0 as a 32-bit float: the engine counts with these.`,
      )
      for (const [value, words] of [
        [0, '0'],
        [-0, '-0'],
        [-1e-300, '-1e-300'],
        [100.00000001, '100.00000001'],
        [2 ** 53, '9007199254740992'],
        [Number.NaN, 'NaN'],
        [Number.NEGATIVE_INFINITY, '-Infinity'],
      ] as const)
        expect(refusal(() => generate({ [name]: value })).message).toBe(
          `${name} must be a number above 0 and at most ${max}, not ${words}.`,
        )
    }
    // The least that is taken is what the engine does not take for 0.
    expect(generate({ topP: 2 ** -149 }).topP).toBe(2 ** -149)
  })

  test('-0 becomes 0', () => {
    expect(Object.is(generate({ temperature: -0 }).temperature, 0)).toBe(true)
    expect(Object.is(generate({ seed: -0 }).seed, 0)).toBe(true)
  })
})
