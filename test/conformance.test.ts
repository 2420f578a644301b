// Templates render byte for byte as transformers' apply_chat_template: real ones, and probes of one feature each. The
// expected texts were made with Jinja2 configured as transformers configures it.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ChatTemplate } from 'verbatim-llama'
import { describe, expect, test } from 'vitest'
import { llamaCppDir } from '../scripts/make-model/vocab.js'

const folder = fileURLToPath(new URL('conformance', import.meta.url))
const templates = join(llamaCppDir(), 'models/templates')

const read = (name: string) => readFileSync(join(folder, name), 'utf8')
const lines = <T>(name: string): T[] => {
  const rows = read(name).trim().split('\n')
  return rows.map((row) => JSON.parse(row) as T)
}

type SpecialTokens = Record<string, string | null>
const settings = JSON.parse(read('settings.json')) as {
  frozenNow: string
  specialTokens: SpecialTokens
  specialTokenOverrides: { prefixes: string[]; tokens: SpecialTokens }[]
  probeVariables: string
}
const now = new Date(settings.frozenNow)

interface Expected {
  ok: boolean
  text?: string
  len_bytes?: number
  sha256?: string
}

/** Renders a case; undefined for an error. */
async function render(template: ChatTemplate, variables: string, specialTokens: SpecialTokens) {
  return template.render(variables, { now, specialTokens }).then(
    ({ text }) => text,
    () => undefined,
  )
}

function agrees(text: string | undefined, expected: Expected): boolean {
  if (text === undefined || !expected.ok) return text === undefined && !expected.ok
  if (expected.text !== undefined) return text === expected.text
  return (
    Buffer.byteLength(text) === expected.len_bytes &&
    createHash('sha256').update(text).digest('hex') === expected.sha256
  )
}

function groupBy<T>(rows: readonly T[], keyOf: (row: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const row of rows) groups.set(keyOf(row), [...(groups.get(keyOf(row)) ?? []), row])
  return groups
}

describe("the templates of llama.cpp's collection", () => {
  const cases = new Map(
    lines<{ case: string; variables: string }>('cases.jsonl').map((row) => [row.case, row.variables]),
  )
  const expected = groupBy(
    lines<Expected & { template?: string; case: string }>('golden.jsonl').filter((row) => row.template),
    (row) => row.template as string,
  )
  const names = readdirSync(templates).filter((name) => name.endsWith('.jinja'))

  test('are all compared', () => {
    expect(names.map((name) => name.replace('.jinja', '')).sort()).toEqual([...expected.keys()].sort())
  })

  test.each([...expected.keys()])('%s renders every conversation as Transformers does', async (name) => {
    const template = new ChatTemplate(readFileSync(join(templates, `${name}.jinja`), 'utf8'))
    const specialTokens = { ...settings.specialTokens }
    for (const { prefixes, tokens } of settings.specialTokenOverrides)
      if (prefixes.some((prefix) => name.startsWith(prefix))) Object.assign(specialTokens, tokens)
    const rows = expected.get(name) ?? []
    expect(rows).toHaveLength(cases.size)
    const differing = []
    for (const row of rows) {
      const text = await render(template, cases.get(row.case) as string, specialTokens)
      if (!agrees(text, row)) differing.push({ case: row.case, text, expected: row })
    }
    expect(differing).toEqual([])
  })
})

test('every probe of one feature renders as in Transformers', async () => {
  const probes = lines<Expected & { id: string; template: string; variables: string }>('probes.jsonl')
  expect(probes).toHaveLength(336)
  const differing = []
  for (const probe of probes) {
    const own = probe.variables.slice(1, -1)
    const variables = settings.probeVariables.slice(0, -1) + (own ? `, ${own}}` : '}')
    let text: string | undefined
    try {
      text = await render(new ChatTemplate(probe.template), variables, settings.specialTokens)
    } catch {}
    if (!agrees(text, probe)) differing.push({ ...probe, got: text })
  }
  expect(differing).toEqual([])
})
