// Ask once, wait for the whole answer.
//
//   npx tsx examples/basic.ts [MODEL.gguf]
import { generateInference, loadModel } from 'verbatim-llama'

const model = await loadModel(process.argv[2] ?? 'models/verbatim-tiny.gguf')
try {
  const messages = [
    { role: 'system', content: 'You answer in one sentence.' },
    { role: 'user', content: 'Why is the sky blue?' },
  ]
  const { text, finishReason, usage } = await generateInference(messages, { model, maxTokens: 128 })
  console.log(text)
  console.log({ finishReason, ...usage })
} finally {
  await model.dispose()
}
