/// <reference lib="es2024.string" />
// The fields of a receipt, one row each: what it may be, and what it is checked against.
import { isDeepStrictEqual } from 'node:util'
import { invalidOption, isThenable, pathStep, reading } from './json-shape.js'
import { wrongValue } from './options/bag.js'
import type { promptHashes } from './receipt.js'
import { camelCase, snakeCase } from './snake-case.js'
import type { ControlTokens, ModelInfo, Receipt, ReceiptVerification } from './types.js'

/** What is known anew of a request, to check its receipt against. */
export interface Recomputed {
  readonly info: ModelInfo
  readonly prompt: ReturnType<typeof promptHashes>
  /** Undefined when the output is not to be checked. */
  readonly outputTokenIdsSha256: string | undefined
}

interface Kind {
  readonly wanted: string
  /** The value as the library writes it, or undefined for one that is none of this kind. */
  readonly read: (value: unknown, path: string) => unknown
}

interface FieldRow {
  readonly kind: Kind
  /** True for a field that receipts of earlier versions lack. */
  readonly isLater?: true
  /** The value that it must have. Absent, or undefined: the field is not verified. */
  readonly recomputed?: (from: Recomputed) => unknown
}

const kind = (wanted: string, is: (value: unknown) => boolean): Kind => ({
  wanted,
  read: (value) => (is(value) ? value : undefined),
})

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !isThenable(value)

const VERSION = kind('1, the only version that is known here', (value) => value === 1)
const TEXT = kind('a string', (value) => typeof value === 'string')
const TEXT_OR_NULL = kind('a string or null', (value) => typeof value === 'string' || value === null)
const TIME = kind(
  'milliseconds since 1970, as an integer',
  (value) => Number.isInteger(value) && Math.abs(value as number) <= 8.64e15,
)
const BOOLEAN = kind('true or false', (value) => typeof value === 'boolean')
const SEED = kind('an integer from 0', (value) => Number.isSafeInteger(value) && (value as number) >= 0)
const OBJECT = kind('an object', isObject)
const TEXTS_BY_NAME: Kind = {
  wanted: 'an object of strings',
  read: (value) =>
    isObject(value) && Object.values(value).every((text) => typeof text === 'string')
      ? { ...value }
      : undefined,
}
const CONTROL_TOKENS: Kind = { wanted: "'template', 'anywhere' or { trustRoles }", read: readControlTokens }

const ROPE_SCALING: Kind = {
  wanted: 'an object or null',
  read: (value, path) => {
    if (!isObject(value)) return value === null ? null : undefined
    for (const name of Object.keys(value)) refuseTwin(name, (other) => Object.hasOwn(value, other), path)
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [camelCase(name), member]))
  },
}

/** Refuses a name in camelCase that is there in snake_case too. */
function refuseTwin(name: string, has: (name: string) => boolean, path: string): void {
  const other = snakeCase(name)
  if (name !== other && has(other))
    throw invalidOption(`${path}.${name}`, `is there twice, also as ${other}. Remove one of them.`)
}

const IGNORED_INPUTS = kind("'refuse' or 'allow'", (value) => value === 'refuse' || value === 'allow')

const FIELDS: Readonly<Record<keyof Receipt, FieldRow>> = {
  version: { kind: VERSION, recomputed: () => 1 },
  messagesSha256: { kind: TEXT, recomputed: ({ prompt }) => prompt.messagesSha256 },
  toolsSha256: { kind: TEXT_OR_NULL, recomputed: ({ prompt }) => prompt.toolsSha256 },
  documentsSha256: { kind: TEXT_OR_NULL, recomputed: ({ prompt }) => prompt.documentsSha256 },
  templateVariablesSha256: { kind: TEXT_OR_NULL, recomputed: ({ prompt }) => prompt.templateVariablesSha256 },
  chatTemplateName: {
    kind: TEXT_OR_NULL,
    isLater: true,
    recomputed: ({ prompt }) => prompt.chatTemplateName,
  },
  chatTemplateSha256: { kind: TEXT, recomputed: ({ prompt }) => prompt.chatTemplateSha256 },
  modelMetadataSha256: { kind: TEXT, recomputed: ({ info }) => info.metadataSha256 },
  promptTextSha256: { kind: TEXT, recomputed: ({ prompt }) => prompt.promptTextSha256 },
  promptTokenIdsSha256: { kind: TEXT, recomputed: ({ prompt }) => prompt.promptTokenIdsSha256 },
  outputTokenIdsSha256: { kind: TEXT, recomputed: ({ outputTokenIdsSha256 }) => outputTokenIdsSha256 },
  // The prompt is rendered anew with these three; that it agrees does not prove them, since others may give the same.
  now: { kind: TIME },
  addGenerationPrompt: { kind: BOOLEAN },
  controlTokens: { kind: CONTROL_TOKENS },
  specialTokens: { kind: TEXTS_BY_NAME, recomputed: ({ info }) => ({ ...info.specialTokens }) },
  ignoredInputs: { kind: IGNORED_INPUTS, isLater: true },
  sampling: { kind: OBJECT },
  ropeScaling: { kind: ROPE_SCALING, isLater: true, recomputed: ({ info }) => info.ropeScaling },
  seed: { kind: SEED },
  packageVersion: { kind: TEXT },
  llamaCppVersion: { kind: TEXT },
}
const ROWS = Object.entries(FIELDS) as readonly [keyof Receipt, FieldRow][]

/** A receipt with the names of the library. */
export interface ReadReceipt {
  /** Lacks what receipts of earlier versions lack. */
  readonly fields: Receipt
  /** Names of fields that are not known here. */
  readonly unknown: readonly string[]
}

/**
 * Reads a receipt of the library, or of a worker in snake_case.
 *
 * @throws InvalidOptionError for what is none, naming the field
 */
export function readReceipt(receipt: unknown): ReadReceipt {
  const given = new Map(reading('receipt', () => entriesOf(receipt)))
  const fields: Record<string, unknown> = {}
  for (const [name, { kind, isLater }] of ROWS) {
    const spelled = given.has(name) ? name : snakeCase(name)
    const path = `receipt.${spelled}`
    if (spelled === name) refuseTwin(name, (other) => given.has(other), 'receipt')
    const value = given.get(spelled)
    given.delete(spelled)
    if (value === undefined) {
      if (isLater) continue
      const advice = given.has('receipt')
        ? 'Pass the receipt that is in it.'
        : 'Pass the whole receipt of a result.'
      throw invalidOption(`receipt.${name}`, `is missing. ${advice}`)
    }
    fields[name] = reading(path, () => kind.read(value, path))
    if (fields[name] === undefined) throw wrongValue(path, kind.wanted, value)
  }
  return { fields: fields as unknown as Receipt, unknown: [...given.keys()] }
}

function entriesOf(receipt: unknown): [string, unknown][] {
  if (!isObject(receipt)) throw wrongValue('receipt', 'the receipt of a result', receipt)
  for (const key of Object.getOwnPropertySymbols(receipt))
    throw invalidOption(`receipt${pathStep(key)}`, 'is a property named by a symbol, which no receipt has.')
  return Object.entries(receipt)
}

function readControlTokens(value: unknown): ControlTokens | undefined {
  if (value === 'template' || value === 'anywhere') return value
  if (!isObject(value)) return undefined
  const [entry, ...more] = Object.entries(value)
  if (entry === undefined || more.length > 0 || !['trustRoles', 'trust_roles'].includes(entry[0]))
    return undefined
  const roles: unknown = entry[1]
  if (!Array.isArray(roles)) return undefined
  const trustRoles = [...roles]
  return trustRoles.every((role) => typeof role === 'string' && role.isWellFormed())
    ? { trustRoles }
    : undefined
}

/** Compares a receipt with what was recomputed. */
export function compareReceipt({ fields, unknown }: ReadReceipt, from: Recomputed): ReceiptVerification {
  const verified: (keyof Receipt)[] = []
  const unverified: string[] = []
  const mismatches: (keyof Receipt)[] = []
  for (const [name, { recomputed }] of ROWS) {
    const wanted = Object.hasOwn(fields, name) ? recomputed?.(from) : undefined
    if (wanted === undefined) {
      unverified.push(name)
      continue
    }
    verified.push(name)
    if (!isDeepStrictEqual(fields[name], wanted)) mismatches.push(name)
  }
  unverified.push(...unknown)
  return Object.freeze({
    ok: mismatches.length === 0,
    mismatches: Object.freeze(mismatches),
    verified: Object.freeze(verified),
    unverified: Object.freeze(unverified),
  })
}
