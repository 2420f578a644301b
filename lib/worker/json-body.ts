import { pathStep } from '../json-shape.js'
import { MAX_JSON_DEPTH } from '../json-text.js'
import { HttpError } from './http-error.js'

/** A body that is a JSON object: its members parsed, and as the very text that the client sent. */
export interface JsonBody {
  readonly values: ReadonlyMap<string, unknown>
  /** The JSON text of each member, cut out of the body. */
  readonly texts: ReadonlyMap<string, string>
}

/**
 * Reads a body: strict UTF-8 without a byte order mark, strict JSON, an object, no key twice in any object of it.
 *
 * @throws HttpError 400 INVALID_JSON
 */
export function readJsonBody(bytes: Uint8Array): JsonBody {
  const text = decode(bytes)
  requireShallow(text)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw invalidJson(`The body is not JSON: ${(error as Error).message}.`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalidJson('The body must be a JSON object.')
  return { values: new Map(Object.entries(value)), texts: memberTexts(text, twice) }
}

const twice = (key: string, where: string) =>
  invalidJson(`The key ${JSON.stringify(key)} occurs twice in ${where === '' ? 'the body' : where}.`)

function decode(bytes: Uint8Array): string {
  try {
    // Keep a byte order mark, which JSON.parse refuses: the text that is checked is the text that was sent.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw invalidJson('The body is not valid UTF-8.')
  }
}

function invalidJson(message: string): HttpError {
  return new HttpError('INVALID_JSON', message)
}

const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d]
const [COMMA, QUOTE, BACKSLASH] = [0x2c, 0x22, 0x5c]

/** Deepest nesting: the body's object, around a value as deep as the library takes. */
const MAX_DEPTH = MAX_JSON_DEPTH + 1

/** Refuses deep nesting before JSON.parse, which takes seconds for a few million brackets. The text may be no JSON. */
function requireShallow(text: string): void {
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = endOfString(text, at) - 1
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++
    if (depth > MAX_DEPTH) throw invalidJson(`The body is nested deeper than ${MAX_DEPTH} levels.`)
  }
}

/** End of the string that begins at `at`; the end of the text when the string is not closed. */
function endOfString(text: string, at: number): number {
  for (let end = at + 1; ; end++) {
    end = text.indexOf('"', end)
    if (end < 0) return text.length
    let backslashes = 0
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++
    if (backslashes % 2 === 0) return end + 1
  }
}

/**
 * The JSON text of each member of the root object; `text` must be JSON of an object.
 *
 * @param twice makes the error for a key that occurs twice in the object at the path `where`, which is empty for the root
 */
export function memberTexts(
  text: string,
  twice: (key: string, where: string) => Error,
): ReadonlyMap<string, string> {
  return new MemberScanner(text, twice).run()
}

/** Finds the members of the root object, and keys that occur twice. The text must be JSON of an object. */
class MemberScanner {
  readonly #text: string
  readonly #twice: (key: string, where: string) => Error
  readonly #members = new Map<string, string>()
  /** The open containers: the keys of an object so far, null for an array. */
  readonly #open: (Set<string> | null)[] = []
  /** The key or index that is read in each open container. */
  readonly #path: (string | number)[] = []
  /** Start of the value of the root's current member. */
  #begin = 0

  constructor(text: string, twice: (key: string, where: string) => Error) {
    this.#text = text
    this.#twice = twice
  }

  run(): ReadonlyMap<string, string> {
    const text = this.#text
    let keyNext = false
    for (let at = 0; at < text.length; at++) {
      switch (text.charCodeAt(at)) {
        case OPEN_BRACE:
          this.#enter(new Set())
          keyNext = true
          break
        case OPEN_BRACKET:
          this.#enter(null)
          keyNext = false
          break
        case CLOSE_BRACE:
        case CLOSE_BRACKET:
          if (this.#open.length === 1) this.#endMember(at)
          this.#open.pop()
          this.#path.pop()
          keyNext = false
          break
        case COMMA:
          if (this.#open.length === 1) this.#endMember(at)
          keyNext = this.#open.at(-1) !== null
          if (!keyNext) (this.#path[this.#path.length - 1] as number)++
          break
        case QUOTE: {
          const end = endOfString(text, at)
          if (keyNext) {
            this.#enterMember(JSON.parse(text.slice(at, end)) as string)
            this.#begin = this.#open.length === 1 ? text.indexOf(':', end) + 1 : this.#begin
          }
          keyNext = false
          at = end - 1
        }
      }
    }
    return this.#members
  }

  #enter(keys: Set<string> | null): void {
    this.#open.push(keys)
    this.#path.push(keys ? '' : 0)
  }

  #enterMember(key: string): void {
    const keys = this.#open.at(-1) as Set<string>
    if (keys.has(key)) {
      const where = this.#path.slice(0, -1).map(pathStep).join('').replace(/^\./, '')
      throw this.#twice(key, where)
    }
    keys.add(key)
    this.#path[this.#path.length - 1] = key
  }

  #endMember(at: number): void {
    const key = this.#path[0] as string
    if ((this.#open[0] as Set<string>).size > 0)
      this.#members.set(key, this.#text.slice(this.#begin, at).trim())
  }
}
