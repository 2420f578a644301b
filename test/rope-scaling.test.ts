// The option ropeScaling. The oracle is llama.cpp itself: a file that says the same is loaded without the option.
import {
  estimateMemory,
  InvalidOptionError,
  type LoadModelOptions,
  loadModel,
  type Model,
  type RopeScalingOptions,
} from 'verbatim-llama'
import { createWorker } from 'verbatim-llama/worker'
import { describe, expect, test } from 'vitest'
import type { GgufAdditions } from './support/gguf-patch.js'
import { contentOnly, lfm2Model, mambaModel, rejection, user } from './support/model.js'
import {
  answer,
  greedy,
  linear4,
  long,
  made,
  plain,
  scaling,
  TRAINED,
  yarn4,
} from './support/rope-scaling.js'

async function refused(path: string, options: LoadModelOptions): Promise<InvalidOptionError> {
  const error = await rejection(loadModel(path, { threads: 1, ...options }))
  expect(error).toBeInstanceOf(InvalidOptionError)
  const estimated = await rejection(
    estimateMemory(path, { contextSize: options.contextSize, ropeScaling: options.ropeScaling }),
  )
  expect((estimated as Error).message).toBe((error as Error).message)
  return error as InvalidOptionError
}

describe('the option computes what a file with the same values computes', () => {
  test.each<[string, GgufAdditions['entries'], RopeScalingOptions]>([
    ['linear', scaling('linear', 4), { type: 'linear', factor: 4 }],
    ['linear, a factor that is no float', scaling('linear', 4.3), { type: 'linear', factor: 4.3 }],
    ['yarn', scaling('yarn', 4), { type: 'yarn', factor: 4 }],
    [
      'yarn, another original length',
      scaling('yarn', 8, { 'llama.rope.scaling.original_context_length': { uint32: 128 } }),
      { type: 'yarn', factor: 8, originalContextSize: 128 },
    ],
    [
      'yarn, another base',
      scaling('yarn', 4, { 'llama.rope.freq_base': 500_000 }),
      { type: 'yarn', factor: 4, frequencyBase: 500_000 },
    ],
  ])('%s', async (name, entries, ropeScaling) => {
    const path = made(name, { entries })
    const expected = await answer(path)
    expect(expected.promptTokens).toBeGreaterThan(TRAINED)
    expect(await answer(plain, { ropeScaling })).toEqual(expected)
    // What info says is in effect gives the same when it is asked for.
    await using model = await loadModel(path, { threads: 1 })
    expect(await answer(plain, { ropeScaling: optionOf(model) })).toEqual(expected)
  })

  test('of the betas, with a file of which llama.cpp reads them', async () => {
    const architecture = 'mistral3'
    const entries = Object.fromEntries(
      Object.entries(scaling('yarn', 4)).map(([key, value]) => [key.replace('llama', architecture), value]),
    )
    const betas = {
      'mistral3.rope.scaling.yarn_beta_fast': 8,
      'mistral3.rope.scaling.yarn_beta_slow': 0.25,
    }
    const file = made('betas', { architecture, entries: { ...entries, ...betas } })
    const expected = await answer(file)
    const other = made('no betas', { architecture })
    const ropeScaling = { type: 'yarn', factor: 4, betaFast: 8, betaSlow: 0.25 } as const
    expect(await answer(other, { ropeScaling })).toEqual(expected)
    expect(await answer(other, { ropeScaling: { type: 'yarn', factor: 4 } })).not.toEqual(expected)
    await using model = await loadModel(file, { threads: 1 })
    expect(model.info.ropeScaling).toMatchObject({ type: 'yarn', betaFast: 8, betaSlow: 0.25 })
  })

  test('of none, which undoes what the file says', async () => {
    const short = long(0, 100)
    const options = { contextSize: 256 }
    const expected = await answer(plain, options, short)
    expect(expected.promptTokens).toBeLessThan(TRAINED)
    for (const path of [linear4, yarn4]) {
      expect(await answer(path, { ...options, ropeScaling: { type: 'none' } }, short)).toEqual(expected)
      expect(await answer(path, options, short)).not.toEqual(expected)
    }
  })

  test('of the file’s own values, and of a factor of 1', async () => {
    for (const path of [linear4, yarn4]) {
      await using model = await loadModel(path, { threads: 1 })
      const expected = await answer(path)
      expect(await answer(path, { ropeScaling: optionOf(model) })).toEqual(expected)
      const { type } = optionOf(model)
      expect(await answer(path, { ropeScaling: { type } })).toEqual(expected)
    }
    const text = long(0, 100)
    const expected = await answer(plain, { contextSize: 256 }, text)
    for (const ropeScaling of [{ type: 'linear', factor: 1 }, { type: 'none' }] as const)
      expect(await answer(plain, { contextSize: 256, ropeScaling }, text)).toEqual(expected)
  })
})

/** The scaling in effect, as the option that asks for it. */
function optionOf({ info: { ropeScaling } }: Model): RopeScalingOptions {
  if (!ropeScaling || ropeScaling.type === 'longrope') throw new Error('no such option')
  const { frequencyFactors: _, ...members } = ropeScaling
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== null),
  ) as unknown as RopeScalingOptions
}

test('every member changes what is computed', async () => {
  const base: RopeScalingOptions = { type: 'yarn', factor: 4 }
  const others: RopeScalingOptions[] = [
    base,
    { type: 'linear', factor: 4 },
    { ...base, factor: 5 },
    { ...base, originalContextSize: 512 },
    { ...base, frequencyBase: 20_000 },
    { ...base, extrapolationFactor: 0.5 },
    { ...base, extrapolationFactor: 0, attentionFactor: 1.1 },
    { ...base, betaFast: 16 },
    { ...base, betaSlow: 2 },
  ]
  const answers = []
  for (const ropeScaling of others) answers.push(await answer(plain, { contextSize: 900, ropeScaling }))
  expect(new Set(answers.map(({ logprobs }) => JSON.stringify(logprobs))).size).toBe(others.length)
})

describe('model.info.ropeScaling', () => {
  const none = { extrapolationFactor: null, attentionFactor: null, betaFast: null, betaSlow: null }
  const yarn = { extrapolationFactor: 1, attentionFactor: null, betaFast: 32, betaSlow: 1 }
  const common = { originalContextSize: TRAINED, frequencyBase: 10_000, frequencyFactors: false }
  const info = async (path: string, options: LoadModelOptions = {}) => {
    await using model = await loadModel(path, { threads: 1, ...options })
    expect(model.info.trainedContextSize).toBe(TRAINED)
    return model.info
  }

  test('says what is in effect by the file alone', async () => {
    expect((await info(plain)).ropeScaling).toEqual({ type: 'none', factor: 1, ...common, ...none })
    expect((await info(linear4)).ropeScaling).toEqual({ type: 'linear', factor: 4, ...common, ...none })
    expect((await info(yarn4)).ropeScaling).toEqual({ type: 'yarn', factor: 4, ...common, ...yarn })
  })

  test('says what is in effect by the option, while trainedContextSize stays', async () => {
    const given = { type: 'yarn', factor: 2.3, extrapolationFactor: 0, attentionFactor: 1.2 } as const
    expect((await info(linear4, { ropeScaling: given })).ropeScaling).toEqual({
      ...given,
      ...common,
      betaFast: 32,
      betaSlow: 1,
    })
    expect((await info(yarn4, { ropeScaling: { type: 'none', frequencyBase: 5e5 } })).ropeScaling).toEqual({
      ...common,
      ...none,
      type: 'none',
      factor: 1,
      frequencyBase: 5e5,
    })
  })

  test('says what llama.cpp makes of older and odd keys', async () => {
    const old = made('old', { entries: { 'llama.rope.scale_linear': 2 } })
    expect((await info(old)).ropeScaling).toMatchObject({ type: 'linear', factor: 2 })
    const off = made('off', { entries: scaling('none', 4) })
    expect((await info(off)).ropeScaling).toMatchObject({ type: 'none', factor: 1 })
    const zero = made('zero', { entries: scaling('linear', 0) })
    expect((await info(zero)).ropeScaling).toMatchObject({ type: 'none', factor: 1 })
  })

  test('says that there are factors for each frequency', async () => {
    const tensors = { 'rope_freqs.weight': frequencies((i) => 1 + i) }
    const llama3 = made('llama3', { tensors })
    expect((await info(llama3)).ropeScaling).toMatchObject({ type: 'none', frequencyFactors: true })
    // They apply besides.
    const ropeScaling = { type: 'linear', factor: 4 } as const
    expect(await answer(llama3, { ropeScaling })).not.toEqual(await answer(plain, { ropeScaling }))
    expect(await answer(llama3, { ropeScaling })).toEqual(
      await answer(made('llama3 linear', { entries: scaling('linear', 4), tensors })),
    )
  })

  test('is null where nothing is rotated', async () => {
    await using model = await loadModel(mambaModel, { threads: 1, contextSize: 64 })
    expect(model.info.ropeScaling).toBeNull()
    await using hybrid = await loadModel(lfm2Model, { threads: 1, contextSize: 64 })
    expect(hybrid.info.ropeScaling).toMatchObject({ type: 'none', frequencyBase: 1e6 })
  })

  test('is in /worker/info', async () => {
    await using model = await loadModel(plain, { threads: 1, ropeScaling: { type: 'yarn', factor: 4 } })
    const response = await createWorker({ model }).fetch(new Request('http://x/worker/info'))
    expect(await response.json()).toMatchObject({
      model_info: {
        trained_context_size: TRAINED,
        rope_scaling: { type: 'yarn', factor: 4, original_context_size: TRAINED, beta_fast: 32 },
      },
    })
  })
})

/** A factor for each frequency of the tiny model. */
function frequencies(factor: (index: number) => number): number[] {
  return Array.from({ length: 16 }, (_, i) => factor(i))
}

describe('the largest contextSize', () => {
  const largest = async (path: string, ropeScaling?: RopeScalingOptions) => {
    const { message } = await refused(path, { contextSize: 1_000_000, ropeScaling })
    const size = Number(/exceeds the (\d+) tokens/.exec(message)?.[1])
    await using model = await loadModel(path, { contextSize: size, threads: 1, ropeScaling })
    expect(model.info.contextSize).toBe(size)
    expect(await refused(path, { contextSize: size + 1, ropeScaling })).toMatchObject({ path: 'contextSize' })
    return size
  }

  test('is originalContextSize times factor, rounded down', async () => {
    expect(await largest(plain, { type: 'yarn', factor: 4 })).toBe(1024)
    expect(await largest(plain, { type: 'linear', factor: 1.5, originalContextSize: 333 })).toBe(499)
    // 100 * 1.15 is a little less than 115 in binary.
    expect(await largest(plain, { type: 'linear', factor: 1.15, originalContextSize: 100 })).toBe(115)
    expect(await largest(yarn4, { type: 'yarn', factor: 8 })).toBe(2048)
    expect(await largest(yarn4, { type: 'yarn', originalContextSize: 128 })).toBe(512)
    expect(await largest(yarn4, { type: 'none' })).toBe(TRAINED)
    expect(await largest(plain, { type: 'none', frequencyBase: 1e6 })).toBe(TRAINED)
  })

  test('is that of the file’s scaling without the option', async () => {
    expect(await largest(plain)).toBe(TRAINED)
    expect(await largest(linear4)).toBe(1024)
    expect(await largest(yarn4)).toBe(1024)
    // A length of the file that counts the scaling already stands.
    const counted = { 'llama.rope.scaling.original_context_length': { uint32: 64 } }
    expect(await largest(made('counted', { entries: scaling('yarn', 4, counted) }))).toBe(TRAINED)
  })

  test('counts the trained length as scaled where a linear file does not say', async () => {
    const file = made('unsaid', {
      entries: { 'llama.rope.scaling.type': 'linear', 'llama.rope.scaling.factor': 4 },
    })
    expect(await largest(file)).toBe(TRAINED)
    expect(await largest(file, { type: 'linear', factor: 4 })).toBe(TRAINED)
    expect(await largest(file, { type: 'linear', factor: 8 })).toBe(2 * TRAINED)
    expect(await largest(file, { type: 'none' })).toBe(TRAINED / 4)
  })

  test('is in the refusal, with the way to more', async () => {
    const message = async (path: string, ropeScaling?: RopeScalingOptions) =>
      (await refused(path, { contextSize: 5000, ropeScaling })).message
    expect(await message(plain)).toMatch(/exceeds the 256 tokens this model was trained for; .*ropeScaling/)
    expect(await message(mambaModel)).not.toContain('ropeScaling')
    expect(await message(yarn4)).toMatch(
      /1024 tokens that the model file allows, 256 \(originalContextSize\) times 4 \(factor\); .*ropeScaling/,
    )
    expect(await message(plain, { type: 'linear', factor: 2.5 })).toMatch(
      /640 tokens that ropeScaling allows, 256 \(originalContextSize\) times 2.5 \(factor\); .*larger factor/,
    )
  })

  test('bounds the default, which is at most 8192', async () => {
    const contextSize = async (factor: number) =>
      (await estimateMemory(plain, { ropeScaling: { type: 'yarn', factor } })).contextSize
    expect(await contextSize(4)).toBe(1024)
    expect(await contextSize(100)).toBe(8192)
    expect(
      await estimateMemory(plain, { ropeScaling: { type: 'yarn', factor: 4 }, contextSize: 1024 }),
    ).toMatchObject({ fits: true, contextSize: 1024 })
  })
})

describe('what has no effect is refused', () => {
  const longrope = () =>
    made('longrope', {
      entries: {
        'llama.context_length': { uint32: 1024 },
        'llama.rope.scaling.type': 'longrope',
        'llama.rope.scaling.original_context_length': { uint32: TRAINED },
      },
      tensors: {
        'rope_factors_long.weight': frequencies((i) => 4 + i),
        'rope_factors_short.weight': frequencies(() => 1),
      },
    })

  test('for a model that rotates nothing', async () => {
    for (const ropeScaling of [{ type: 'yarn', factor: 2 }, { type: 'none' }] as const)
      expect(await refused(mambaModel, { ropeScaling, contextSize: 64 })).toMatchObject({
        path: 'ropeScaling',
        message: expect.stringContaining('not rotated'),
      })
  })

  test('for a model with two factors for each frequency', async () => {
    const path = longrope()
    expect(await refused(path, { ropeScaling: { type: 'yarn', factor: 2 }, contextSize: 64 })).toMatchObject({
      path: 'ropeScaling',
      message: expect.stringContaining('longrope'),
    })
    await using model = await loadModel(path, { threads: 1 })
    expect(model.info).toMatchObject({
      contextSize: 1024,
      ropeScaling: { type: 'longrope', factor: 4, originalContextSize: TRAINED, frequencyFactors: true },
    })
    expect((await refused(path, { contextSize: 5000 })).message).not.toContain('ropeScaling')
  })

  test('and all contexts of such a model take the same of them', async () => {
    // llama.cpp takes the long ones for a cache that is longer than the original context.
    await using model = await loadModel(longrope(), {
      contextSize: 128,
      cacheSize: 1024,
      threads: 1,
      maxSequences: 1,
      prefixCacheSize: 0,
      chatTemplate: contentOnly,
    })
    const ask = async (reproducible: boolean) => {
      const run = { ...greedy, maxTokens: 1, reproducible }
      const { logprobs } = await model.generateInference(user(long(0, 40)), run)
      return logprobs?.[0]?.logprob ?? Number.NaN
    }
    expect(await ask(true)).toBeCloseTo(await ask(false), 2)
  })

  test('without a factor, unless the file has one', async () => {
    expect(await refused(plain, { ropeScaling: { type: 'yarn' } })).toMatchObject({
      path: 'ropeScaling.factor',
      message: expect.stringContaining("type 'yarn' needs it"),
    })
  })

  test('with more tokens than there can be', async () => {
    for (const type of ['linear', 'yarn'] as const)
      expect(
        await refused(plain, { ropeScaling: { type, factor: 1024, originalContextSize: 2 ** 22 } }),
      ).toMatchObject({ path: 'ropeScaling.factor', message: expect.stringContaining('2147483647') })
  })

  test('with betaFast below betaSlow, also where one is the default', async () => {
    for (const betas of [{ betaFast: 2, betaSlow: 2 }, { betaFast: 0.5 }, { betaSlow: 32 }])
      expect(await refused(plain, { ropeScaling: { type: 'yarn', factor: 2, ...betas } })).toMatchObject({
        path: 'ropeScaling.betaFast',
        message: expect.stringContaining('greater than betaSlow'),
      })
  })
})
