// Prompts that live in a database, not in code: fetch the template, build the messages, run them as they are.
//
//   npx tsx examples/prompts-from-database.ts [MODEL.gguf]
import { generateInference, loadModel, type Message, type Model } from 'verbatim-llama'

/** A row of the table of prompts. */
interface PromptRow {
  readonly system: string
  /** `{input}` is replaced by the user's text. */
  readonly user: string
  readonly maxTokens: number
}

// Stands for the table: a query such as `select system, user, max_tokens from prompts where name = $1`.
const table = new Map<string, PromptRow>([
  ['chat', { system: 'You are a helpful assistant.', user: '{input}', maxTokens: 512 }],
  ['enhance', { system: 'Enhance the picture idea with details.', user: '{input}', maxTokens: 200 }],
  ['shout', { system: 'Write the message in capital letters.', user: '{input}', maxTokens: 100 }],
])
async function fetchPrompt(name: string): Promise<PromptRow> {
  const row = table.get(name)
  if (!row) throw new Error(`no prompt is named ${name}`)
  return row
}

function buildMessages(row: PromptRow, input: string): Message[] {
  return [
    { role: 'system', content: row.system },
    { role: 'user', content: row.user.replaceAll('{input}', () => input) }, // a function: `$&` stays text
  ]
}

async function run(model: Model, name: string, input: string): Promise<string> {
  const row = await fetchPrompt(name)
  const { text } = await generateInference(buildMessages(row, input), { model, maxTokens: row.maxTokens })
  return text
}

await using model = await loadModel(process.argv[2] ?? 'models/verbatim-tiny.gguf')
for (const name of table.keys())
  console.log(`${name}: ${await run(model, name, 'a small boat on a wide lake')}`)
