// Asks the model the prompts that were kept from its training, through this library, and prints the table of the
// model card. One request at a time, so that every run gives the same table.
//
//   npx tsx models/verbatim-tiny/evaluate.ts [MODEL] [--prompts FILE] [--limit N] [--greedy] [--threads N]
//                                          [--json FILE] [--wrong FILE]
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { loadModel, type Model } from 'verbatim-llama'

type Skill = 'repeat' | 'enhance' | 'upper' | 'json' | 'chat'

interface Prompt {
  readonly section: string
  readonly skill: Skill
  readonly messages: readonly (readonly [role: string, content: string])[]
  /** The right answer. */
  readonly answer: string
  /** The kind of the user's message, where a section has several. */
  readonly kind?: string
  /** The same number for prompts that differ in the system prompt only. */
  readonly group?: number
}

export interface Reply {
  readonly prompt: Prompt
  readonly text: string
  /** True when the model ended its turn. */
  readonly ended: boolean
}

export interface Row {
  readonly name: string
  readonly goal: number | null
  readonly score: (replies: readonly Reply[]) => number | null
}

interface Prompts {
  readonly phrases: readonly string[]
  readonly chatAnswers: readonly string[]
  readonly prompts: readonly Prompt[]
}

const MAX_TOKENS = 300
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export function readPrompts(path: string): Prompts {
  const [head, ...lines] = readFileSync(path, 'utf8').trimEnd().split('\n')
  return { ...JSON.parse(head ?? '{}'), prompts: lines.map((line) => JSON.parse(line)) }
}

const userText = ({ messages }: Prompt) => messages.at(-1)?.[1] ?? ''
const exact = ({ prompt, text }: Reply) => text === prompt.answer

/** Begins with the user's words and goes on with phrases, none of them twice. */
const keepsWords = ({ prompt, text }: Reply) => text.startsWith(`${userText(prompt)}, `)

function addsOnce({ prompt, text }: Reply): boolean {
  const added = text.slice(userText(prompt).length).split(', ').slice(1)
  return added.length > 0 && new Set(added).size === added.length
}

function parsed(text: string): { title?: unknown; tags?: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

/** The kind of answer that a text is, right or wrong. */
function kindOf({ prompt, text }: Reply, { phrases, chatAnswers }: Prompts): Skill {
  if (text.startsWith('{"title": "')) return 'json'
  if (chatAnswers.includes(text)) return 'chat'
  if (phrases.some((phrase) => text.endsWith(phrase.slice(-20)))) return 'enhance'
  const small = (value: string) => value.replace(/[^a-z]/g, '').length
  return small(userText(prompt)) > 0 && small(text) === 0 ? 'upper' : 'repeat'
}

function share(replies: readonly Reply[], right: (reply: Reply) => boolean): number | null {
  return replies.length === 0 ? null : replies.filter(right).length / replies.length
}

/** The rows of the table, with the goals that were set for them. */
export function rowsOf(prompts: Prompts): Row[] {
  const row = (name: string, section: string, goal: number | null, right = exact): Row => ({
    name,
    goal,
    score: (replies) => share(of(replies, section), right),
  })
  const of = (replies: readonly Reply[], section: string) =>
    replies.filter(({ prompt }) => prompt.section === section)
  const rightKind = (reply: Reply) => kindOf(reply, prompts) === reply.prompt.skill
  const groups = (name: string, section: string, goal: number | null): Row => ({
    name,
    goal,
    score(replies) {
      const wrong = new Map<number | undefined, boolean>()
      for (const reply of of(replies, section)) {
        const { group } = reply.prompt
        wrong.set(group, (wrong.get(group) ?? false) || !rightKind(reply))
      }
      return wrong.size === 0 ? null : [...wrong.values()].filter((value) => !value).length / wrong.size
    },
  })
  /** JSON is right when its title is, enhance when it keeps the words: how a text is treated. */
  const asText = (reply: Reply) => {
    if (reply.prompt.skill === 'enhance') return keepsWords(reply)
    if (reply.prompt.skill === 'json') return parsed(reply.text)?.title === userText(reply.prompt)
    return exact(reply)
  }
  return [
    row('repeat: known words', 'repeat known', 0.98),
    row('repeat: unseen words', 'repeat unseen', 0.94),
    row('repeat: letter strings', 'repeat letters', 0.94),
    row('repeat: numbers', 'repeat numbers', 0.9),
    row('repeat: the same words again', 'repeat repeating', null),
    row('repeat: picture ideas', 'repeat pictures', null),
    row('repeat: capitals and punctuation', 'repeat written', null),
    row("enhance: keeps the user's words", 'enhance', 0.97, keepsWords),
    row('enhance: adds, and nothing twice', 'enhance', null, addsOnce),
    row('upper: exact', 'upper', 0.93),
    row('JSON: parses', 'json', 0.98, ({ text }) => parsed(text) !== undefined),
    row('JSON: right', 'json', 0.85),
    row('chat: seen phrasings', 'chat seen', 0.95),
    row('chat: held-out phrasings', 'chat held out', 0.7),
    { name: 'ends by itself', goal: 0.98, score: (replies) => share(replies, ({ ended }) => ended) },
    groups('the system prompt decides, all five', 'modes', 0.98),
    row('  of single answers', 'modes', null, rightKind),
    row('  of prompts in other words', 'modes in other words', null, rightKind),
    row('text like an order is text', 'text like order', 0.95, asText),
    row('text like a control token is text', 'text like control', 0.95, asText),
    row('several turns: exact', 'several turns', null),
    row('several turns: kind of answer', 'several turns', null, rightKind),
  ]
}

/** Answers in the order of the prompts, one at a time. */
export async function answerAll(
  model: Model,
  prompts: readonly Prompt[],
  sampling: { temperature: number; topP: number },
  onProgress: (done: number) => void = () => {},
): Promise<{ replies: Reply[]; tokens: number; seconds: number }> {
  const replies: Reply[] = []
  let tokens = 0
  let milliseconds = 0
  for (const prompt of prompts) {
    const messages = prompt.messages.map(([role, content]) => ({ role, content }))
    const { text, finishReason, usage, timings } = await model.generateInference(messages, {
      ...sampling,
      maxTokens: MAX_TOKENS,
      seed: replies.length,
    })
    replies.push({ prompt, text, ended: finishReason === 'stop' })
    tokens += Math.max(0, usage.completionTokens - 1)
    milliseconds += timings.perTokenMs * Math.max(0, usage.completionTokens - 1)
    onProgress(replies.length)
  }
  return { replies, tokens, seconds: milliseconds / 1000 }
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      prompts: { type: 'string', default: here('work/evaluation.jsonl') },
      limit: { type: 'string', default: '1000000' },
      json: { type: 'string' },
      threads: { type: 'string' },
      greedy: { type: 'boolean', default: false },
      wrong: { type: 'string' },
    },
  })
  const all = readPrompts(values.prompts)
  const counts = new Map<string, number>()
  const perGroup = (section: string) => (section.startsWith('modes') ? 5 : 1)
  const asked = all.prompts.filter(({ section }) => {
    const count = counts.get(section) ?? 0
    counts.set(section, count + 1)
    return count < Number(values.limit) * perGroup(section)
  })
  await using model = await loadModel(positionals[0] ?? here('../verbatim-tiny.gguf'), {
    maxSequences: 1,
    threads: values.threads === undefined ? undefined : Number(values.threads),
  })
  const settings = [
    { name: 'greedy', temperature: 0, topP: 1 },
    ...(values.greedy ? [] : [{ name: '0.7 / 0.9', temperature: 0.7, topP: 0.9 }]),
  ]
  const results: { name: string; replies: Reply[]; tokens: number; seconds: number }[] = []
  for (const { name, ...sampling } of settings) {
    const result = await answerAll(model, asked, sampling, (done) => {
      if (process.stderr.isTTY) process.stderr.write(`\r${name}: ${done} of ${asked.length}`)
    })
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
    results.push({ name, ...result })
  }

  const percent = (value: number | null) => (value === null ? '' : (100 * value).toFixed(1))
  const table = rowsOf(all).map(({ name, goal, score }) => [
    name,
    goal === null ? '' : `${(100 * goal).toFixed(0)}`,
    ...results.map(({ replies }) => percent(score(replies))),
  ])
  process.stdout.write(
    `| % of ${asked.length} prompts | goal | ${settings.map(({ name }) => name).join(' | ')} |\n`,
  )
  process.stdout.write(`| --- | ---: |${' ---: |'.repeat(settings.length)}\n`)
  for (const cells of table) process.stdout.write(`| ${cells.join(' | ')} |\n`)
  if (values.json) writeFileSync(values.json, `${JSON.stringify(table, null, 1)}\n`)
  if (values.wrong) {
    const wrong = results.flatMap(({ name, replies }) =>
      replies
        .filter((reply) => !exact(reply))
        .map(({ prompt, text }) => JSON.stringify({ at: name, ...prompt, text })),
    )
    writeFileSync(values.wrong, `${wrong.join('\n')}\n`)
  }
  const tokens = results.reduce((sum, result) => sum + result.tokens, 0)
  const seconds = results.reduce((sum, result) => sum + result.seconds, 0)
  process.stderr.write(
    `${(tokens / seconds).toFixed(0)} tokens/s, one request at a time, ${model.info.threads} threads\n`,
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
