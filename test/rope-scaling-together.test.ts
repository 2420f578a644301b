// The option ropeScaling together with other options, and in receipts.
import { type GenerateOptions, type LoadModelOptions, loadModel, verifyReceipt } from 'verbatim-llama'
import { describe, expect, test } from 'vitest'
import { contentOnly, loadRepeatable, rejection, until, user, windowModel } from './support/model.js'
import { answer, greedy, linear4, long, plain, yarn4 } from './support/rope-scaling.js'

describe('together with', () => {
  const ropeScaling = { type: 'yarn', factor: 8 } as const
  const near = (a: readonly { logprob: number }[] = [], b: readonly { logprob: number }[] = []) => {
    expect(a.length).toBe(b.length)
    for (const [i, { logprob }] of a.entries()) expect(logprob).toBeCloseTo(b[i]?.logprob ?? Number.NaN, 1)
  }
  const exact = { flashAttention: false, kvCacheType: 'f32' } as const

  test('reproducible: as with a file of the same values', async () => {
    const run = { reproducible: true, temperature: 1, seed: 5 }
    expect(await answer(plain, { ropeScaling: { type: 'yarn', factor: 4 } }, long(), run)).toEqual(
      await answer(yarn4, {}, long(), run),
    )
  })

  test.each(['q8_0', 'q4_0'] as const)(
    'a cache of %s: as with a file of the same values',
    async (kvCacheType) => {
      for (const [path, option] of [
        [yarn4, { type: 'yarn', factor: 4 }],
        [linear4, { type: 'linear', factor: 4 }],
      ] as const)
        expect(await answer(plain, { ropeScaling: option, kvCacheType })).toEqual(
          await answer(path, { kvCacheType }),
        )
    },
  )

  test('reproducible, shared prefixes, host memory and drafts: the answer of a run alone', async () => {
    const options = { contextSize: 2048, chatTemplate: contentOnly, ropeScaling, ...exact }
    await using model = await loadRepeatable({ ...options, cacheSize: 2048, prefixCacheSize: 20_000 }, plain)
    const ask = (text: string, run: GenerateOptions = {}) =>
      model.generateInference(user(text), { ...greedy, ...run })
    const alone = await ask(long())
    expect(alone.usage).toMatchObject({ cachedTokens: 0 })
    const reproducible = await ask(long(), { reproducible: true })
    expect(reproducible.usage.cachedTokens).toBe(0)
    const shared = await ask(long())
    expect(shared.usage.cachedTokens).toBe(shared.usage.promptTokens - 1)
    const drafted = await ask(long(), { speculative: 'prompt-lookup' })
    for (let number = 1; number < 6; number++) await ask(long(number))
    const restored = await ask(long())
    expect(restored.usage.cachedTokens).toBe(restored.usage.promptTokens - 1)
    for (const { tokenIds, logprobs } of [reproducible, shared, drafted, restored]) {
      expect(tokenIds).toEqual(alone.tokenIds)
      near(logprobs, alone.logprobs)
    }
  })

  test('a long prompt that is read beside streams: the answer of a run alone', async () => {
    const options: LoadModelOptions = { contextSize: 2048, chatTemplate: contentOnly, ropeScaling, ...exact }
    await using model = await loadModel(plain, {
      ...options,
      cacheSize: 4096,
      maxSequences: 2,
      threads: 1,
      prefixCacheSize: 0,
    })
    const ask = () => model.generateInference(user(long(0, 1300)), greedy)
    const alone = await ask()
    expect(alone.usage.promptTokens).toBeGreaterThan(1024)
    const stream = model.generateInference(user('x'), {
      maxTokens: 2000,
      temperature: 5,
      ignoreEndOfSequence: true,
    })
    await stream.stream[Symbol.asyncIterator]().next()
    const beside = await ask()
    stream.cancel()
    await rejection(stream)
    expect(beside.tokenIds).toEqual(alone.tokenIds)
    near(beside.logprobs, alone.logprobs)
    await until('nothing runs', () => model.status.running === 0)
  })

  test('sliding windows: the layers that see all are scaled', async () => {
    const options = { contextSize: 512 }
    const scaled = await answer(windowModel, { ...options, ropeScaling: { type: 'linear', factor: 2 } })
    expect(scaled.logprobs).not.toEqual((await answer(windowModel, options)).logprobs)
  })
})

test('a receipt has the scaling, verifies with it, and from before without it', async () => {
  const options = { threads: 1, contextSize: 64, chatTemplate: contentOnly }
  await using model = await loadModel(plain, { ...options, ropeScaling: { type: 'yarn', factor: 4 } })
  const messages = user('a')
  const { receipt } = await model.generateInference(messages, { maxTokens: 1 })
  expect(receipt.ropeScaling).toEqual(model.info.ropeScaling)
  const stored = JSON.parse(JSON.stringify(receipt)) as typeof receipt
  expect(await verifyReceipt(stored, { model, messages })).toMatchObject({ ok: true, mismatches: [] })
  const reordered = {
    ...stored,
    ropeScaling: Object.fromEntries(Object.entries({ ...stored.ropeScaling }).reverse()),
  }
  expect(await verifyReceipt(reordered as unknown as typeof receipt, { model, messages })).toMatchObject({
    ok: true,
  })
  await using other = await loadModel(plain, options)
  expect(await verifyReceipt(stored, { model: other, messages })).toMatchObject({
    ok: false,
    mismatches: ['ropeScaling'],
  })
  const { ropeScaling: _, ...before } = stored
  expect(await verifyReceipt(before as typeof receipt, { model: other, messages })).toMatchObject({
    ok: true,
  })
  const none = { ...before, ropeScaling: null }
  expect(await verifyReceipt(none, { model: other, messages })).toMatchObject({ mismatches: ['ropeScaling'] })
})
