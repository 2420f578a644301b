// Makes lib/option-types.ts and docs/options.md from the tables of options and of errors.
//
//   tsx scripts/make-option-types.ts           writes them (npm run format)
//   tsx scripts/make-option-types.ts --check   fails where they are out of date (npm run check)
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { flagsOf } from '../lib/cli/flag-names.js'
import { ERROR_CODES } from '../lib/error-codes.js'
import {
  GENERATE_ROWS,
  RENDER_ROWS,
  TEMPLATE_RENDER_ROWS,
  TOKENIZE_ROWS,
} from '../lib/options/generate-options.js'
import {
  ESTIMATE_MEMORY_ROWS,
  LOAD_ROWS,
  MEMORY_ROWS,
  ROPE_SCALING_ROWS,
} from '../lib/options/load-options.js'
import { defaultText, type OptionRow, type OptionRows, rangeText, type Takes } from '../lib/options/row.js'
import { snakeCase } from '../lib/worker/snake-case.js'

const root = fileURLToPath(new URL('..', import.meta.url))

const code = (text: string) => `\`${text}\``

interface Interface {
  readonly name: string
  readonly doc: string
  readonly rows: OptionRows
  readonly base?: { readonly name: string; readonly rows: OptionRows }
}

const INTERFACES: readonly Interface[] = [
  { name: 'RenderOptions', doc: 'Options of `model.renderPrompt`.', rows: RENDER_ROWS },
  {
    name: 'GenerateOptions',
    doc: 'Options of `model.generateInference`.',
    rows: GENERATE_ROWS,
    base: { name: 'RenderOptions', rows: RENDER_ROWS },
  },
  { name: 'TokenizeOptions', doc: 'Options of `model.tokenize`.', rows: TOKENIZE_ROWS },
  { name: 'TemplateRenderOptions', doc: 'Options of `template.render`.', rows: TEMPLATE_RENDER_ROWS },
  { name: 'RopeScalingOptions', doc: 'The option `ropeScaling` of `loadModel`.', rows: ROPE_SCALING_ROWS },
  {
    name: 'MemoryOptions',
    doc: 'The options of `loadModel` that decide what memory the model takes, and where.',
    rows: MEMORY_ROWS,
  },
  {
    name: 'EstimateMemoryOptions',
    doc: 'Options of `estimateMemory`.',
    rows: ESTIMATE_MEMORY_ROWS,
    base: { name: 'MemoryOptions', rows: MEMORY_ROWS },
  },
  {
    name: 'LoadModelOptions',
    doc: 'Options of `loadModel`.',
    rows: LOAD_ROWS,
    base: { name: 'MemoryOptions', rows: MEMORY_ROWS },
  },
]

/** Returns a sentence for each mistake in the rows. */
function mistakes(): string[] {
  return [
    ...INTERFACES.flatMap(({ rows }) => Object.entries(rows as OptionRows)).flatMap(([name, row]) =>
      /^[A-Z`].*[a-z)`0-9]\.$/s.test(row.sentence) && !row.sentence.includes('. ')
        ? []
        : [
            `The option ${name} needs one sentence that says what it does, not ${JSON.stringify(row.sentence)}.`,
          ],
    ),
    ...unread(GENERATE_ROWS, 'cpp/generate-options.h', ['messages', 'controlTokens']),
    ...unread(LOAD_ROWS, 'cpp/load-options.h', ['path']),
  ]
}

/** Returns a sentence for each option that the engine does not read, or that it alone knows. */
function unread(rows: OptionRows, header: string, others: readonly string[]): string[] {
  const text = readFileSync(root + header, 'utf8')
  const read = [...text.matchAll(/visit\("(\w+)"/g)].map(([, name = '']) => name)
  const own = Object.keys(rows).filter(
    (name) => !['signal', 'callback'].includes(rows[name]?.takes.kind ?? ''),
  )
  return [
    ...own
      .filter((name) => !read.includes(name) && !others.includes(name))
      .map((name) => `The engine does not read the option ${name}: ${header} has no visit("${name}", …).`),
    ...read
      .filter((name) => !own.includes(name) && !others.includes(name))
      .map((name) => `${header} reads ${name}, which has no row in lib/options/.`),
  ]
}

function types(): string {
  const named = new Map<string, { readonly doc: string; readonly text: string }>()
  for (const { sentence, takes } of Object.values(LOAD_ROWS as OptionRows))
    if (takes.kind === 'choice' && takes.type)
      named.set(takes.type, { doc: sentence, text: union(takes.values) })
  return [
    '// Made from lib/options/ by scripts/make-option-types.ts: change the rows there, then npm run format.',
    "import type { ChatTemplateFile, ControlTokens, JsonValue, LoadProgress, LogEntry, NamedChatTemplate, SpecialTokens, Tool } from './input-types.js'",
    '',
    ...[...named].map(([name, { doc, text }]) => `/** ${doc} */\nexport type ${name} = ${text}\n`),
    ...INTERFACES.map(interfaceText),
    receiptText(),
  ].join('\n')
}

function interfaceText({ name, doc, rows, base }: Interface): string {
  const own = Object.entries(rows).filter(([option]) => !base || !Object.hasOwn(base.rows, option))
  const members = own.map(
    ([option, row]) =>
      `${docComment(row)}\n  readonly ${option}${row.required ? `: ${typeText(row.takes)}` : `?: ${typeText(row.takes)} | undefined`}`,
  )
  const extending = base ? ` extends ${base.name}` : ''
  return `/** ${doc} */\nexport interface ${name}${extending} {\n${members.join('\n')}\n}\n`
}

function receiptText(): string {
  const members = Object.entries(GENERATE_ROWS as OptionRows)
    .filter(([, { receipt }]) => receipt)
    .map(
      ([name, { sentence, takes }]) => `  /** ${sentence} */\n  readonly ${name}: ${checkedTypeText(takes)}`,
    )
  return `/** The values of a receipt’s options that were in effect, defaults included. */\nexport interface ReceiptSampling {\n${members.join('\n')}\n}\n`
}

function docComment(row: OptionRow): string {
  const sentences = [row.sentence, row.more, rangeSentence(row.takes), `Default: ${defaultText(row)}.`]
  const text = sentences.filter((sentence) => sentence).join(' ')
  if (text.length < 100) return `  /** ${text} */`
  return `  /**\n${wrapped(text, 110)
    .map((line) => `   * ${line}`)
    .join('\n')}\n   */`
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const line = lines.at(-1)
    if (line !== undefined && line.length + 1 + word.length <= width) lines[lines.length - 1] += ` ${word}`
    else lines.push(word)
  }
  return lines
}

function rangeSentence(takes: Takes): string {
  if (takes.kind !== 'number') return ''
  const text = valuesText(takes)
  return `${text[0]?.toUpperCase()}${text.slice(1)}.`
}

function union(values: readonly (string | boolean)[]): string {
  const both = values.includes(true) && values.includes(false)
  const texts = values
    .filter((value) => !both || typeof value === 'string')
    .map((value) => (typeof value === 'string' ? `'${value}'` : String(value)))
  return [...(both ? ['boolean'] : []), ...texts].join(' | ')
}

function typeText(takes: Takes): string {
  switch (takes.kind) {
    case 'number':
      return takes.or === undefined ? 'number' : `number | '${takes.or}'`
    case 'boolean':
      return 'boolean'
    case 'choice':
      return takes.type ?? union(takes.values)
    case 'json':
      return takes.type
    case 'texts':
      return 'string | readonly string[]'
    case 'names':
      return 'readonly string[]'
    case 'shares':
      return 'readonly number[]'
    case 'date':
      return 'Date'
    case 'controlTokens':
      return 'ControlTokens'
    case 'chatTemplate':
      return 'string | NamedChatTemplate | ChatTemplateFile'
    case 'specialTokens':
      return 'SpecialTokens<string | null | undefined>'
    case 'options':
      return takes.type
    case 'signal':
      return 'AbortSignal'
    case 'callback':
      return `(${takes.type})`
  }
}

/** The type of the value in effect. */
function checkedTypeText(takes: Takes): string {
  return takes.kind === 'texts' ? 'readonly string[]' : typeText(takes)
}

function documentation(): string {
  return `# Options and errors

Made from the tables in \`lib/options/\` and \`lib/error-codes.ts\` by \`npm run format\`.

## Options of a request

Of \`generateInference\` and of HTTP bodies, where names are in snake_case. \`renderPrompt\` takes those from \`tools\` on.

| option | field | what it does | values | default |
| --- | --- | --- | --- | --- |
${Object.entries<OptionRow>(GENERATE_ROWS)
  .map(([name, row]) => line(name, row.remote === false ? '' : code(snakeCase(name)), row))
  .join('\n')}

## Options of loading

Of \`loadModel\`, and as flags of \`verbatim-llama serve\`. \`estimateMemory\` takes those before \`maxQueue\`, and \`signal\`.

| option | flag | what it does | values | default |
| --- | --- | --- | --- | --- |
${Object.entries<OptionRow>(LOAD_ROWS)
  .map(([name, row]) => line(name, row.remote === false ? '' : flagsOf(name, row).map(code).join(', '), row))
  .join('\n')}

## Members of \`ropeScaling\`

| member | what it does | values | default |
| --- | --- | --- | --- |
${Object.entries<OptionRow>(ROPE_SCALING_ROWS)
  .map(([name, row]) => line(name, undefined, row))
  .join('\n')}

${details({ ...GENERATE_ROWS, ...LOAD_ROWS, ...ROPE_SCALING_ROWS })}

## Errors

Every error is a \`VerbatimError\` with a \`code\`, but for the reason of a \`signal\`, which comes as it is.

| code | class | HTTP status | meaning |
| --- | --- | --- | --- |
${Object.entries(ERROR_CODES)
  .map(
    ([name, { className, status, message }]) =>
      `| ${code(name)} | ${code(className)} | ${status} | ${message} |`,
  )
  .join('\n')}
`
}

/** The options that have more to say. */
function details(rows: OptionRows): string {
  const texts = Object.entries(rows).flatMap(([name, { more }]) => (more ? [`- ${code(name)}: ${more}`] : []))
  return `## In detail\n\n${texts.join('\n')}`
}

function line(name: string, there: string | undefined, row: OptionRow): string {
  const cells = [
    code(name),
    ...(there === undefined ? [] : [there]),
    row.sentence,
    valuesText(row.takes),
    defaultText(row),
  ]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function valuesText(takes: Takes): string {
  switch (takes.kind) {
    case 'number':
      return `${takes.or === undefined ? '' : `${code(takes.or)} or `}${rangeText(takes.range)}`
    case 'boolean':
      return 'true or false'
    case 'choice':
      return takes.values.map((value) => code(String(value))).join(', ')
    case 'json':
      return takes.shape.root === 'object' ? 'an object, or its JSON text' : 'an array, or its JSON text'
    case 'texts':
      return `a string, or an array of at most ${takes.most}`
    case 'names':
    case 'shares':
    case 'controlTokens':
      return takes.wanted.replaceAll("'", '`')
    case 'date':
      return 'a Date; over HTTP milliseconds since 1970 or an ISO 8601 time'
    case 'chatTemplate':
      return 'Jinja, `{ name }` or `{ path }`'
    case 'specialTokens':
      return '`bos_token`, `eos_token`, …: a string or null'
    case 'options':
      return `an object: ${Object.keys(takes.rows).map(code).join(', ')}`
    case 'signal':
      return 'an AbortSignal'
    case 'callback':
      return 'a function'
  }
}

const found = mistakes()
for (const mistake of found) process.stderr.write(`${mistake}\n`)
if (found.length > 0) process.exit(1)
for (const [path, text] of [
  ['lib/option-types.ts', types()],
  ['docs/options.md', documentation()],
] as const) {
  if (!process.argv.includes('--check')) writeFileSync(root + path, text)
  else if (readFileSync(root + path, 'utf8') !== text) {
    process.stderr.write(`${path} is not what the tables say: npm run format makes it anew.\n`)
    process.exitCode = 1
  }
}
