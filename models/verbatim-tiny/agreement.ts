// Compares the ids that the trainer gave 10,000 texts and conversations (agreement.py) with those of the library.
//
//   npx tsx models/verbatim-tiny/agreement.ts [MODEL]
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { loadModel } from 'verbatim-llama'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

interface Line {
  readonly text?: string
  readonly messages?: readonly (readonly [role: string, content: string])[]
  readonly ids: readonly number[]
}

await using model = await loadModel(process.argv[2] ?? here('../verbatim-tiny.gguf'))
const lines = readFileSync(here('work/agreement.jsonl'), 'utf8').trimEnd().split('\n')
let differences = 0
for (const line of lines) {
  const { text, messages, ids } = JSON.parse(line) as Line
  const found =
    text === undefined
      ? (await model.renderPrompt((messages ?? []).map(([role, content]) => ({ role, content })))).tokenIds
      : await model.tokenize(text)
  if (found.length === ids.length && found.every((id, i) => id === ids[i])) continue
  differences++
  if (differences <= 5) process.stderr.write(`${line}\n  the library: ${JSON.stringify(found)}\n`)
}
process.stdout.write(`${lines.length - differences} of ${lines.length} agree\n`)
process.exitCode = differences === 0 ? 0 : 1
