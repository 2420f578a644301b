import { generateInference, loadModel } from 'verbatim-llama'
import { expect, test } from 'vitest'
import { tinyModel } from './support/model.js'

test('messages go in, streamed text and a result come out', async () => {
  await using model = await loadModel(tinyModel)
  const run = generateInference([{ role: 'user', content: 'Hello' }], { model, maxTokens: 20, seed: 1 })
  let streamed = ''
  for await (const delta of run) streamed += delta.text
  const result = await run
  expect(streamed).toBe(result.text)
  expect(result.tokenIds).toHaveLength(20)
  expect(result).toMatchObject({ finishReason: 'length', seed: 1, usage: { completionTokens: 20 } })
})
