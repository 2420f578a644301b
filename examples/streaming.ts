// Print the answer while it is generated. Ctrl+C ends it early.
//
//   npx tsx examples/streaming.ts [MODEL.gguf]
import { CancelledError, generateInference, loadModel } from 'verbatim-llama'

const model = await loadModel(process.argv[2] ?? 'models/verbatim-tiny.gguf')
try {
  const messages = [{ role: 'user', content: 'Tell me a very short story.' }]
  const run = generateInference(messages, { model, maxTokens: 256 })
  process.once('SIGINT', () => run.cancel())

  for await (const delta of run) process.stdout.write(delta.text)

  const { usage, timings } = await run // the same run: nothing is generated twice
  console.log(`\n${usage.completionTokens} tokens in ${(timings.totalMs / 1000).toFixed(1)} s`)
} catch (error) {
  if (!(error instanceof CancelledError)) throw error
  console.log(`\ncancelled after ${error.partial?.usage.completionTokens ?? 0} tokens`)
} finally {
  await model.dispose()
}
