// Loads a model and answers one question, and shows what happens on the way.
//
//   npm run demo
//   MODEL=path/to/model.gguf npm run demo
import { generateInference, loadModel, VerbatimError } from 'verbatim-llama'
import { makeModel } from './make-model.js'
import { withProgressBar } from './progress-bar.js'

const messages = [
  { role: 'system', content: 'You are a friendly guide. Answer in two or three sentences.' },
  { role: 'user', content: 'What happens between a question and its answer in a language model?' },
]

const print = (text: string) => process.stdout.write(text)
const heading = (text: string) => print(`\n── ${text} ${'─'.repeat(Math.max(0, 70 - text.length))}\n`)

try {
  await demo()
} catch (error) {
  if (!(error instanceof VerbatimError)) throw error
  process.stderr.write(`${error.code}: ${error.message}\n`)
  process.exitCode = 1
}

async function demo(): Promise<void> {
  const path = process.env.MODEL || (await tinyModel())
  await using model = await withProgressBar('loading {bar} {percentage} %', (onProgress) =>
    loadModel(path, { onProgress }),
  )
  print(`${model.info.description}: ${model.info.path}\n`)

  heading('the messages')
  for (const { role, content } of messages) print(`${role}: ${content}\n`)

  heading('the prompt: all that the model sees')
  const { text: prompt } = await model.renderPrompt(messages)
  print(`▶${prompt}◀\n`)

  heading('the answer')
  const run = generateInference(messages, { model, maxTokens: 128 })
  for await (const delta of run) print(delta.text)
  const { finishReason, usage, timings } = await run

  print('\n')
  heading('statistics')
  print(`prompt                ${usage.promptTokens} tokens\n`)
  print(`generated             ${usage.completionTokens} tokens, then: ${finishReason}\n`)
  print(`time to first token   ${timings.firstTokenMs.toFixed(0)} ms\n`)
  if (timings.perTokenMs > 0)
    print(`after that            ${(1000 / timings.perTokenMs).toFixed(1)} tokens/s\n`)
}

async function tinyModel(): Promise<string> {
  const { path } = await withProgressBar('making a tiny model {bar} {percentage} %', (onProgress) =>
    makeModel({ shape: 'tiny', progress: (written, total) => onProgress(written / total) }),
  )
  print(
    'random weights: the words mean nothing, the machinery is real (MODEL=path/to/model.gguf takes yours)\n',
  )
  return path
}
