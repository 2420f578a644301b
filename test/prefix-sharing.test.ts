import { type InferenceResult, type Message, type Model, QueueFullError } from 'verbatim-llama'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadRepeatable, rejection, tinyModel, until, user } from './support/model.js'

const system: Message = {
  role: 'system',
  content: `You are kind. ${'Be brief and say no more than is asked. '.repeat(20)}`,
}
const conversation = (question: string): Message[] => [system, { role: 'user', content: question }]

let model: Model

beforeAll(async () => {
  model = await loadRepeatable({ maxSequences: 4, contextSize: 1024, prefixCacheSize: 4096 })
})
afterAll(() => model.dispose())

const ask = (question: string, options = {}): Promise<InferenceResult> =>
  model.generateInference(conversation(question), {
    maxTokens: 4,
    temperature: 0,
    ignoreEndOfSequence: true,
    ...options,
  }).result

/** Number of tokens that two prompts have in common at their beginning. */
async function common(a: Message[], b: Message[]): Promise<number> {
  const [first, second] = await Promise.all([model.renderPrompt(a), model.renderPrompt(b)])
  const differs = first.tokenIds.findIndex((id, i) => id !== second.tokenIds[i])
  return differs < 0 ? first.tokenIds.length : differs
}

describe('requests that begin alike', () => {
  test('one after the other: the second starts where they differ', async () => {
    const shared = await common(conversation('one?'), conversation('two?'))
    expect(shared).toBeGreaterThan(150)
    expect((await ask('one?')).usage.cachedTokens).toBe(0)
    expect((await ask('two?')).usage.cachedTokens).toBe(shared)
  })

  test('that are the same share all but the last token, which has to be computed', async () => {
    const { usage } = await ask('one?')
    expect(usage.cachedTokens).toBe(usage.promptTokens - 1)
  })

  test('as turns of a conversation start after the last turn', async () => {
    const first = await ask('three?', { maxTokens: 8 })
    const next = [
      ...conversation('three?'),
      { role: 'assistant', content: first.text },
      { role: 'user', content: 'and four?' },
    ]
    const { usage } = await model.generateInference(next, { maxTokens: 2, temperature: 0 })
    expect(usage.cachedTokens).toBeGreaterThanOrEqual(first.usage.promptTokens)
  })

  test('and come together are computed once', async () => {
    const fresh = (question: string): Message[] => [
      { role: 'system', content: `Another one. ${system.content}` },
      { role: 'user', content: question },
    ]
    const shared = await common(fresh('a?'), fresh('b?'))
    const results = await Promise.all(
      ['a?', 'b?', 'c?', 'd?'].map((q) => model.generateInference(fresh(q), { maxTokens: 4, seed: 1 })),
    )
    const cached = results.map(({ usage }) => usage.cachedTokens).sort((a, b) => a - b)
    expect(cached.slice(1)).toEqual([shared, shared, shared])
    expect(cached[0]).toBeLessThan(32)
  })

  test('leave many system prompts behind, most of them in host memory', async () => {
    const other = (i: number): Message[] => [
      { role: 'system', content: `Number ${i}. ${system.content}` },
      { role: 'user', content: 'x' },
    ]
    const options = { maxTokens: 1, temperature: 0 }
    for (let i = 0; i < 8; i++) await model.generateInference(other(i), options)
    await until('they are saved', () => model.status.savedTokens > 500)
    for (let i = 0; i < 8; i++) {
      const { usage } = await model.generateInference(other(i), options)
      expect(usage.cachedTokens).toBe(usage.promptTokens - 1)
    }
    await until('nothing runs', () => model.status.usedCells === 0)
    expect(model.status.savedTokens).toBeLessThanOrEqual(model.info.prefixCacheSize)
  })

  test('share nothing with prefixCacheSize 0', async () => {
    await using forgetful = await loadRepeatable({ prefixCacheSize: 0 })
    const options = { maxTokens: 1, temperature: 0 }
    await forgetful.generateInference(conversation('x'), options)
    const { usage } = await forgetful.generateInference(conversation('x'), options)
    expect(usage.cachedTokens).toBe(0)
    expect(forgetful.status.savedTokens).toBe(0)
  })
})

describe('reproducible requests', () => {
  test('give the same ids alone, again, and beside others', async () => {
    const options = { maxTokens: 12, seed: 5, temperature: 1, reproducible: true }
    const alone = await ask('repeat?', options)
    expect(alone.usage.cachedTokens).toBe(0)
    const others = Array.from({ length: 6 }, (_, i) => ask(`other ${i}`, { maxTokens: 12 + i, seed: i }))
    const again = await Promise.all([
      ask('repeat?', options),
      ask('repeat?', options),
      ask('repeat?', options),
    ])
    await Promise.all(others)
    for (const { tokenIds, usage, receipt } of again) {
      expect(tokenIds).toEqual(alone.tokenIds)
      expect(usage).toEqual(alone.usage)
      expect(receipt.sampling.reproducible).toBe(true)
    }
  })

  test('can be cancelled in any state, and disposed of', async () => {
    const other = await loadRepeatable()
    const run = (signal?: AbortSignal) =>
      other.generateInference(user('x'), {
        maxTokens: 300,
        reproducible: true,
        signal,
        ignoreEndOfSequence: true,
      })
    const abort = new AbortController()
    const [running, waiting] = [run(abort.signal), run(abort.signal)]
    await until('one runs', () => other.status.running === 1)
    abort.abort('enough')
    expect(await rejection(running)).toBe('enough')
    expect(await rejection(waiting)).toBe('enough')
    const last = run()
    await until('the last runs', () => other.status.running === 1)
    await other.dispose()
    expect(await rejection(last)).toMatchObject({ code: 'DISPOSED' })
  })
})

describe("speculative: 'prompt-lookup'", () => {
  const repetitive = user('la la la la la la la la la la la la la la la la la la la la la la la la la la la')

  test('reports how much it drafted', async () => {
    // Prefer earlier tokens by far, so that the text repeats itself.
    const options = {
      maxTokens: 60,
      temperature: 0,
      frequencyPenalty: -100,
      ignoreEndOfSequence: true,
    } as const
    const plain = await model.generateInference(repetitive, options)
    expect(plain.timings).toMatchObject({ draftedTokens: 0, acceptedTokens: 0 })
    const { timings, tokenIds, receipt } = await model.generateInference(repetitive, {
      ...options,
      speculative: 'prompt-lookup',
    })
    expect(tokenIds).toHaveLength(60)
    expect(tokenIds).toEqual(plain.tokenIds)
    expect(timings.acceptedTokens).toBeGreaterThan(30)
    expect(timings.acceptedTokens).toBeLessThanOrEqual(timings.draftedTokens)
    expect(receipt.sampling.speculative).toBe('prompt-lookup')
  })

  test('counts and ends like any other run', async () => {
    for (const maxTokens of [1, 2, 3, 17]) {
      const run = model.generateInference(repetitive, {
        maxTokens,
        seed: maxTokens,
        temperature: 0.2,
        logprobs: 1,
        ignoreEndOfSequence: true,
        speculative: 'prompt-lookup',
      })
      const ids: number[] = []
      for await (const delta of run) ids.push(...delta.tokenIds)
      const result = await run
      expect(ids).toEqual(result.tokenIds)
      expect(result.tokenIds).toHaveLength(maxTokens)
      expect(result.logprobs).toHaveLength(maxTokens)
      expect(result.finishReason).toBe('length')
    }
  })
})

describe('maxQueue', () => {
  test('refuses what exceeds it, and only that', async () => {
    await using small = await loadRepeatable({ maxSequences: 1, maxQueue: 2 })
    const run = () => small.generateInference(user('x'), { maxTokens: 40, ignoreEndOfSequence: true })
    const accepted = [run(), run(), run()]
    const refused = await rejection(run())
    expect(refused).toBeInstanceOf(QueueFullError)
    expect(refused).toMatchObject({ code: 'QUEUE_FULL', maxQueue: 2 })
    expect((await Promise.all(accepted)).map(({ tokenIds }) => tokenIds.length)).toEqual([40, 40, 40])
    await run() // there is room again
  })

  test('gives places back when requests fail or are cancelled', async () => {
    await using small = await loadRepeatable({ maxSequences: 1, maxQueue: 0, contextSize: 64 })
    for (let i = 0; i < 3; i++) {
      expect(await rejection(small.generateInference(conversation('too long')))).toMatchObject({
        code: 'CONTEXT_OVERFLOW',
      })
      const abort = new AbortController()
      const run = small.generateInference(user('x'), { signal: abort.signal })
      expect(await rejection(small.generateInference(user('x')))).toBeInstanceOf(QueueFullError)
      abort.abort()
      await rejection(run)
      await until('it is gone', () => small.status.running === 0)
    }
    await small.generateInference(user('x'), { maxTokens: 1 })
  })
})

test('model.info says whether prefixes are shared', () => {
  expect(model.info).toMatchObject({ path: tinyModel, prefixSharing: { enabled: true, reason: null } })
})
