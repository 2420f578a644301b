/// <reference lib="es2024.string" />
import type { VerbatimError } from '../errors.js'
import { invalidOption, isThenable, kindOf, ownMembers, pathStep, reading } from '../json-shape.js'
import { type Aliases, adviceOn } from './nearest-name.js'
import { type NumberRange, rangeText } from './row.js'

/** Words for a refused value: numbers and short strings as they are, of everything else only the kind. */
export function shown(value: unknown): string {
  if (Object.is(value, -0)) return '-0'
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (typeof value === 'string') {
    return value.length <= 40
      ? `the string ${JSON.stringify(value)}`
      : `a string of ${value.length} characters`
  }
  return kindOf(value)
}

/** "must be …, not …" for an option. */
export function wrongValue(path: string, wanted: string, value: unknown): VerbatimError {
  if (value === undefined) return invalidOption(path, `is missing: it must be ${wanted}.`)
  return invalidOption(path, `must be ${wanted}, not ${shown(value)}.`)
}

/** Texts of errors about unknown names. */
export interface BagTexts {
  /** Text before an option's name: empty, or `specialTokens.`. */
  readonly prefix?: string
  /** Advice on an unknown name, before the nearest known one is looked for. */
  readonly hint?: (name: string) => string | undefined
  readonly aliases?: Aliases
}

/**
 * A copy of the caller's options: each property is read exactly once, when the bag is made, and names that no
 * option has are refused. `undefined` is as good as absent.
 *
 * Properties that the options inherit count too, so that instances of classes and `Object.create(defaults)` mean
 * what they seem to; only what sits on `Object.prototype` does not.
 */
export class OptionBag {
  readonly #values = new Map<string, unknown>()
  readonly #prefix: string

  /**
   * @param path name of the options in errors about them as a whole
   */
  constructor(options: unknown, path: string, names: readonly string[], texts: BagTexts = {}) {
    const { prefix = '', hint, aliases } = ownMembers(texts)
    this.#prefix = prefix
    if (options === undefined) return
    let at = path
    reading(
      () => at,
      () => {
        if (typeof options !== 'object' || options === null || Array.isArray(options)) {
          throw wrongValue(path, 'an object', options)
        }
        if (isThenable(options)) throw wrongValue(path, 'an object', options)
        for (const key of Reflect.ownKeys(options)) {
          if (typeof key === 'string' && names.includes(key)) continue
          at = typeof key === 'string' ? prefix + key : path + pathStep(key)
          if (!Object.prototype.propertyIsEnumerable.call(options, key)) continue
          const advice =
            typeof key === 'string' ? (hint?.(key) ?? adviceOn(key, names, aliases)) : 'Remove it.'
          const what = prefix === '' ? 'is not an option that is known here' : 'is not known here'
          throw invalidOption(at, `${what}. ${advice}`)
        }
        const prototype = Object.getPrototypeOf(options)
        const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null
        for (const name of names) {
          at = prefix + name
          if (Object.hasOwn(options, name) || (!isPlain && name in options)) {
            this.#values.set(name, (options as Record<string, unknown>)[name])
          }
        }
      },
    )
  }

  /** True when the option was given, and not as `undefined`. */
  has(name: string): boolean {
    return this.#values.get(name) !== undefined
  }

  /** The value as it was given. */
  get(name: string): unknown {
    return this.#values.get(name)
  }

  /** The option's path in errors. */
  pathOf(name: string): string {
    return this.#prefix + name
  }

  error(name: string, wanted: string): VerbatimError {
    return wrongValue(this.pathOf(name), wanted, this.get(name))
  }

  number<T>(name: string, fallback: T, range: NumberRange): number | T {
    const value = this.get(name)
    return value === undefined ? fallback : checkNumber(value, this.#prefix + name, range)
  }

  /** A number of the range, or one word in its place. */
  numberOr<W extends string>(name: string, word: W, range: NumberRange): number | W {
    const value = this.get(name)
    if (value === undefined || value === word) return word
    return checkNumber(value, this.#prefix + name, range, shown(value), `'${word}' or `)
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.get(name)
    if (value === undefined) return fallback
    if (typeof value !== 'boolean') throw this.error(name, 'true or false')
    return value
  }

  oneOf<T extends string | boolean, F>(
    name: string,
    fallback: F,
    allowed: readonly T[],
    required = false,
  ): T | F {
    const value = this.get(name)
    if (value === undefined && !required) return fallback
    if (!allowed.includes(value as T)) {
      throw this.error(
        name,
        `one of ${allowed.map((v) => (typeof v === 'string' ? `'${v}'` : v)).join(', ')}`,
      )
    }
    return value as T
  }

  /** Text that is not empty, or null. */
  text(name: string): string | null {
    const value = this.get(name)
    return value === undefined ? null : nonEmptyText(value, this.pathOf(name))
  }

  callback<T>(name: string): T | null {
    const value = this.get(name)
    if (value === undefined) return null
    if (typeof value !== 'function') throw this.error(name, 'a function')
    return value as T
  }

  /** Any object that works as an AbortSignal: those of other realms and of polyfills are no instances of ours. */
  signal(name: string): AbortSignal | null {
    const value = this.get(name)
    if (value === undefined) return null
    const isSignal = reading(this.pathOf(name), () => {
      const { aborted, addEventListener, removeEventListener } = Object(value) as Partial<AbortSignal>
      const isTarget = [addEventListener, removeEventListener].every((method) => typeof method === 'function')
      return typeof value === 'object' && typeof aborted === 'boolean' && isTarget
    })
    if (!isSignal) throw this.error(name, 'an AbortSignal')
    return value as AbortSignal
  }
}

export function checkWellFormed(value: string, path: string): void {
  if (!value.isWellFormed()) {
    throw invalidOption(path, 'contains a lone surrogate, which is not valid Unicode: replace or remove it.')
  }
}

/** The value, if it is a text that is not empty. */
export function nonEmptyText(value: unknown, path: string): string {
  if (typeof value !== 'string' || value === '') throw wrongValue(path, 'a string that is not empty', value)
  checkWellFormed(value, path)
  return value
}

/**
 * The value, if it is a number of the range; -0 becomes 0.
 *
 * @param words the value in the message
 * @param or what else it may be
 */
export function checkNumber(
  value: unknown,
  path: string,
  range: NumberRange,
  words = shown(value),
  or = '',
): number {
  const { integer, min = -Infinity, above = -Infinity, max } = range
  const isRight =
    typeof value === 'number' &&
    (integer ? Number.isSafeInteger(value) : Number.isFinite(value)) &&
    value >= min &&
    value > above &&
    value <= max
  // Compare as the engine does: a tiny number is not above the bound any more.
  const vanishes = isRight && Math.fround(value) <= above
  if (isRight && !vanishes) return value + 0
  const why = vanishes ? `, which is ${above} as a 32-bit float: the engine counts with these` : ''
  throw invalidOption(path, `must be ${or}${rangeText(range)}, not ${words}${why}.`)
}
