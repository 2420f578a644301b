// Sharing, cancelling, many at once.
import assert from 'node:assert/strict'
import { CancelledError } from 'verbatim-llama'
import { answer, exactAnswer, gpuTest, load, user, words } from './support.js'

export const REQUEST_TESTS = [
  gpuTest('sharing', 'requests that begin alike compute the beginning once', async (context) => {
    await using model = await load(context)
    const system = { role: 'system', content: words(400, 'System') }
    const ask = (content: string) =>
      model.generateInference([system, { role: 'user', content }], { maxTokens: 8, temperature: 0 })
    const first = await ask('one')
    const later = await ask('two')
    const together = await Promise.all(['three', 'four', 'five', 'six'].map(ask))
    const cached = [first, later, ...together].map(({ usage }) => usage.cachedTokens)
    assert.equal(cached[0], 0)
    for (const tokens of cached.slice(1)) assert(tokens >= 400, `only ${tokens} tokens were shared`)
    return { facts: { cachedTokens: cached, promptTokens: first.usage.promptTokens } }
  }),
  gpuTest(
    'cancel',
    'a cancelled run ends at once, keeps what it has, and the next one is right',
    async (context) => {
      await using model = await load(context)
      const before = await exactAnswer(model, 'A question')
      const stop = new AbortController()
      const run = model.generateInference(user(words(200)), {
        maxTokens: 1500,
        ignoreEndOfSequence: true,
        signal: stop.signal,
      })
      let tokens = 0
      let stoppedAt = 0
      const reason = new Error('enough')
      await assert.rejects(async () => {
        for await (const delta of run) {
          tokens += delta.tokenIds.length
          if (tokens >= 20 && stoppedAt === 0) {
            stoppedAt = performance.now()
            stop.abort(reason)
          }
        }
      }, reason)
      const ms = performance.now() - stoppedAt
      assert(ms < 5000, `it went on for ${ms} ms`)
      const left = model.generateInference(user('Another'), { maxTokens: 500, ignoreEndOfSequence: true })
      for await (const _ of left) break
      await assert.rejects(left.result, CancelledError)
      assert.deepEqual(await exactAnswer(model, 'A question'), before)
      return { facts: { tokens, msToEnd: ms } }
    },
  ),
  gpuTest('many', '64 requests at once, more than are evaluated together', async (context) => {
    await using model = await load(context, { maxSequences: 16 })
    const runs = Array.from({ length: 64 }, (_, i) => answer(model, words(10 + i, `Request ${i}`), 24))
    const results = await Promise.all(runs)
    for (const { tokenIds, finishReason } of results) {
      assert.equal(tokenIds.length, 24)
      assert.equal(finishReason, 'length')
    }
    return { facts: { tokens: results.length * 24 } }
  }),
  gpuTest('full-cache', 'idle prefixes give way when the cache is full', async (context) => {
    await using model = await load(context, { cacheSize: 4096 })
    for (let i = 0; i < 20; i++) await answer(model, words(400, `Prefix ${i}`), 2)
    const { tokenIds } = await answer(model, words(900, 'Last'), 32)
    assert.equal(tokenIds.length, 32)
    return { facts: { load: model.status } }
  }),
  gpuTest('reproducible', 'reproducible runs are equal whatever else runs', async (context) => {
    await using model = await load(context)
    const options = { maxTokens: 24, seed: 7, reproducible: true, ignoreEndOfSequence: true }
    const alone = await model.generateInference(user(words(150)), options)
    const others = Array.from({ length: 6 }, (_, i) => answer(model, words(50 + i, `Other ${i}`), 40))
    const beside = await model.generateInference(user(words(150)), options)
    await Promise.all(others)
    assert.deepEqual([...beside.tokenIds], [...alone.tokenIds])
    return {}
  }),
]
