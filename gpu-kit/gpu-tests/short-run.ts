// The run that compute-sanitizer watches; short, since it makes everything a hundred times slower.
import assert from 'node:assert/strict'
import { loadModel } from 'verbatim-llama'
import { trainedModel } from '../run/synthetic-models.js'
import { user } from './support.js'

const model = await loadModel(trainedModel(process.argv[2] as string), {
  gpuLayers: 999,
  contextSize: 256,
  cacheSize: 512,
})
const runs = ['Hello!', 'Who are you?'].map((text) =>
  model.generateInference(user(text), { maxTokens: 8, seed: 1 }),
)
for (const { tokenIds } of await Promise.all(runs)) assert(tokenIds.length > 0)
await model.dispose()
