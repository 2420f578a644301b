// Measure this machine: one stream, then several at once that share a system prompt.
//
//   npx tsx examples/benchmark.ts [MODEL.gguf] [REQUESTS]
import { loadModel } from 'verbatim-llama'

const [path = 'models/verbatim-tiny.gguf', requests = '8'] = process.argv.slice(2)
const count = Number(requests)
const options = { maxTokens: 100, ignoreEndOfSequence: true }
const messages = (user: number) => [
  { role: 'system', content: 'You are a helpful assistant.' },
  { role: 'user', content: `Hello, I am user number ${user}.` },
]

await using model = await loadModel(path, { maxSequences: count, contextSize: 512, cacheSize: 512 * count })
await model.generateInference(messages(0), options) // warms up

const { timings } = await model.generateInference(messages(1), options)
console.log(`first token    ${timings.firstTokenMs.toFixed(1)} ms`)
console.log(`one stream     ${(1000 / timings.perTokenMs).toFixed(0)} tokens/s`)

const begun = performance.now()
const runs = await Promise.all(
  Array.from({ length: count }, (_, user) => model.generateInference(messages(user), options)),
)
const tokens = runs.reduce((sum, { usage }) => sum + usage.completionTokens, 0)
const seconds = (performance.now() - begun) / 1000
console.log(`${String(count).padEnd(2)} requests    ${(tokens / seconds).toFixed(0)} tokens/s in all`)
