/// <reference lib="es2024.string" />
// Checks and copies the value of one option, by the `takes` of its row.
import { types } from 'node:util'
import type { NamedChatTemplate, SpecialTokens } from '../input-types.js'
import { invalidOption, isThenable, type JsonShape, reading, shortened } from '../json-shape.js'
import { readJsonText, toJsonText } from '../json-text.js'
import { checkNumber, checkWellFormed, nonEmptyText, OptionBag, wrongValue } from './bag.js'
import { readLocalPath } from './paths.js'
import { type Checked, type OptionRow, type OptionRows, ownOnly, type Takes } from './row.js'
import { SPECIAL_TOKENS } from './special-tokens.js'

type TakesOf<Kind extends Takes['kind']> = Extract<Takes, { readonly kind: Kind }>

/**
 * The checked value of an option, or its default.
 *
 * @throws InvalidOptionError naming the option and what it takes
 */
export function readOption(given: OptionBag, name: string, row: OptionRow): unknown {
  const { takes } = row
  switch (takes.kind) {
    case 'number':
      return takes.or === undefined
        ? given.number(name, row.default, takes.range)
        : given.numberOr(name, takes.or, takes.range)
    case 'boolean':
      return given.boolean(name, row.default as boolean)
    case 'choice':
      return given.oneOf(name, row.default, takes.values, row.required)
    case 'json':
      return given.has(name) ? readJson(given.get(name), name, takes.shape) : null
    case 'texts':
      return texts(given, name, takes.most)
    case 'names':
      return names(given, name, takes)
    case 'shares':
      return shares(given, name, takes)
    case 'date':
      return milliseconds(given, name)
    case 'controlTokens':
      return controlTokens(given, name, takes)
    case 'chatTemplate':
      return chatTemplate(given, name)
    case 'specialTokens':
      return specialTokens(given.get(name), name)
    case 'options':
      return ownOptions(given, name, takes.rows)
    case 'signal':
      return given.signal(name)
    case 'callback':
      return given.callback(name)
  }
}

/**
 * The checked values of options, or their defaults; they are refused where they contradict each other.
 *
 * @throws InvalidOptionError naming the option and what it takes
 */
export function readRows<Rows extends OptionRows>(given: OptionBag, rows: Rows): Checked<Rows> {
  const read: Readonly<Record<string, unknown>> = Object.fromEntries(
    Object.entries(rows).map(([name, row]) => [name, readOption(given, name, row)]),
  )
  for (const [name, { refuse }] of Object.entries(rows)) {
    const reason = refuse?.(read, (option) => given.has(option))
    if (reason !== undefined) throw invalidOption(given.pathOf(name), reason)
  }
  return read as Checked<Rows>
}

/** JSON text of a value, or the text that was given in its place. */
export function readJson(value: unknown, path: string, shape: JsonShape): string {
  return typeof value === 'string' ? readJsonText(value, path, shape) : toJsonText(value, path, shape)
}

/** Reads a Date's internal slot: Dates of other realms work, and methods the caller put on one are not called. */
function milliseconds(given: OptionBag, name: string): number {
  const date = given.get(name)
  if (date === undefined) return Date.now()
  const time = types.isDate(date) ? Date.prototype.getTime.call(date) : Number.NaN
  if (Number.isNaN(time)) throw given.error(name, 'a valid Date')
  return time
}

function controlTokens(
  given: OptionBag,
  name: string,
  { wanted }: TakesOf<'controlTokens'>,
): 'anywhere' | readonly string[] {
  const value = given.get(name)
  if (value === undefined || value === 'template') return Object.freeze([])
  if (value === 'anywhere') return value
  if (!isBag(value, name)) throw given.error(name, wanted)
  const policy = new OptionBag(value, name, ['trustRoles'], { prefix: `${name}.` })
  return reading(`${name}.trustRoles`, () => {
    const roles = policy.get('trustRoles')
    if (!Array.isArray(roles)) throw policy.error('trustRoles', 'an array of roles')
    return Object.freeze(
      Array.from({ length: roles.length }, (_, i) => {
        const [role, path] = [roles[i] as unknown, `${name}.trustRoles[${i}]`]
        if (typeof role !== 'string') throw wrongValue(path, 'the name of a role', role)
        checkWellFormed(role, path)
        return role
      }),
    )
  })
}

/** True for an object that may hold options. */
function isBag(value: unknown, path: string): value is object {
  return reading(
    path,
    () => typeof value === 'object' && value !== null && !Array.isArray(value) && !isThenable(value),
  )
}

function texts(given: OptionBag, name: string, most: number): readonly string[] {
  const value = given.get(name)
  if (value === undefined) return Object.freeze([])
  if (typeof value === 'string') return Object.freeze([nonEmptyText(value, name)])
  return reading(name, () => {
    if (!Array.isArray(value)) throw given.error(name, `a string or an array of at most ${most} strings`)
    const { length } = value
    if (length > most) throw invalidOption(name, `must hold at most ${most} strings, not ${length}.`)
    return Object.freeze(Array.from({ length }, (_, i) => nonEmptyText(value[i], `${name}[${i}]`)))
  })
}

function names(given: OptionBag, name: string, takes: TakesOf<'names'>): readonly string[] {
  const list = items(given, name, takes, nonEmptyText)
  const twin = list.find((item, i) => list.indexOf(item) < i)
  if (twin !== undefined) throw invalidOption(name, `names ${shortened(JSON.stringify(twin))} twice.`)
  return list
}

function shares(given: OptionBag, name: string, takes: TakesOf<'shares'>): readonly number[] {
  const list = items(given, name, takes, (item, path) => checkNumber(item, path, SHARES))
  if (list.length > 0 && !list.some((share) => share > 0))
    throw invalidOption(name, `must be ${takes.wanted}, not zeros alone.`)
  return list
}

const SHARES = ownOnly({ min: 0, max: 1e6 })

/** A copy of an array of 1 to `most` items, each as `read` returns it; empty when it is absent. */
function items<T>(
  given: OptionBag,
  name: string,
  { most, wanted }: { readonly most: number; readonly wanted: string },
  read: (item: unknown, path: string) => T,
): readonly T[] {
  const value = given.get(name)
  if (value === undefined) return Object.freeze([])
  return reading(name, () => {
    if (!Array.isArray(value)) throw given.error(name, wanted)
    const { length } = value
    if (length === 0 || length > most)
      throw invalidOption(name, `must be ${wanted}, not ${length === 0 ? 'an empty array' : `${length}`}.`)
    return Object.freeze(Array.from({ length }, (_, i) => read(value[i], `${name}[${i}]`)))
  })
}

function chatTemplate(
  given: OptionBag,
  name: string,
): string | NamedChatTemplate | { readonly path: string } | null {
  const value = given.get(name)
  if (value === undefined) return null
  if (!isBag(value, name)) {
    if (typeof value !== 'string') throw given.error(name, "a template's source, { name } or { path }")
    return templateSource(nonEmptyText(value, name), name)
  }
  const place = new OptionBag(value, name, ['name', 'path'], { prefix: `${name}.` })
  const inFile = place.text('name')
  if (inFile !== null && place.has('path'))
    throw invalidOption(name, 'has both a name and a path: leave one out.')
  if (inFile !== null) return Object.freeze({ name: inFile })
  if (!place.has('path'))
    throw invalidOption(name, "must have the name of a template in the model file, or a file's path.")
  const path = readLocalPath(place.get('path'), `${name}.path`, 'the path of a file, or its file: URL')
  return Object.freeze({ path })
}

/** The source, unless it is what people write who mean something else. */
function templateSource(source: string, name: string): string {
  if (/\{[{%]|\n/.test(source)) return source
  if (/[/\\]|\.(jinja2?|j2|txt|json|gguf)$/i.test(source))
    throw invalidOption(
      name,
      `looks like a path: a template is given as its source, or as ${withMember('path', source)}.`,
    )
  if (/^[\w.:-]+$/.test(source))
    throw invalidOption(
      name,
      `looks like a name: a template is given as its source, or as ${withMember('name', source)} where the model file has one of that name. None is built in.`,
    )
  return source
}

/** An object with the text as a member, as one writes it; only the member's name where the text is long. */
function withMember(name: string, text: string): string {
  return text.length <= 40 ? `{ ${name}: ${JSON.stringify(text)} }` : `{ ${name} }`
}

function ownOptions(given: OptionBag, name: string, rows: OptionRows): Checked<OptionRows> | null {
  if (!given.has(name)) return null
  const aliases = (member: string) => rows[member]?.aliases ?? []
  const own = new OptionBag(given.get(name), name, Object.keys(rows), { prefix: `${name}.`, aliases })
  return Object.freeze(readRows(own, rows))
}

/** A copy of special tokens by their names. */
export function specialTokens(value: unknown, name: string): SpecialTokens<string | null> {
  const tokens = new OptionBag(value, name, SPECIAL_TOKENS, { prefix: `${name}.` })
  const read: Record<string, string | null> = {}
  for (const token of SPECIAL_TOKENS) {
    const value = tokens.get(token)
    if (value === undefined) continue
    if (value !== null && typeof value !== 'string') throw tokens.error(token, 'a string or null')
    if (value !== null) checkWellFormed(value, `${name}.${token}`)
    read[token] = value
  }
  return Object.freeze(read)
}
