/// <reference lib="es2024.string" />
import type { VerbatimError } from './errors.js'
import { invalidOption, kindOf, pathStep, reading } from './json-shape.js'

/** A range of numbers; `above` excludes the lower bound. */
export interface NumberRange {
  readonly integer?: boolean
  readonly min?: number
  readonly above?: number
  readonly max: number
}

/** The largest 32-bit integer: what the engine counts with. */
export const MAX_INT32 = 2 ** 31 - 1

/** What an error says it got: numbers and short strings as they are, of everything else only the kind. */
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
  return invalidOption(path, `must be ${wanted}, not ${shown(value)}.`)
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
   * @param path what the options are called in errors about them as a whole
   * @param prefix what precedes an option's name in errors: empty, or `specialTokens.`
   * @param hint what to say of an unknown name, before the nearest known one is looked for
   */
  constructor(
    options: unknown,
    path: string,
    names: readonly string[],
    prefix = '',
    hint: (name: string) => string | undefined = () => undefined,
  ) {
    this.#prefix = prefix
    if (options === undefined) return
    let at = path
    reading(
      () => at,
      () => {
        if (typeof options !== 'object' || options === null || Array.isArray(options)) {
          throw wrongValue(path, 'an object', options)
        }
        for (const key of Reflect.ownKeys(options)) {
          if (typeof key === 'string' && names.includes(key)) continue
          at = typeof key === 'string' ? prefix + key : path + pathStep(key)
          if (!Object.prototype.propertyIsEnumerable.call(options, key)) continue
          const advice =
            typeof key === 'string' ? (hint(key) ?? suggestion(key, names, prefix)) : 'Remove it.'
          throw invalidOption(at, `is not an option that is known here. ${advice}`)
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

  /** The value as it was given. */
  get(name: string): unknown {
    return this.#values.get(name)
  }

  error(name: string, wanted: string): VerbatimError {
    return wrongValue(this.#prefix + name, wanted, this.get(name))
  }

  number<T>(name: string, fallback: T, range: NumberRange): number | T {
    const value = this.get(name)
    if (value === undefined) return fallback
    if (!isInRange(value, range)) throw this.error(name, rangeText(range))
    return value + 0 // -0 becomes 0
  }

  /** A number of the range, or one word in its place. */
  numberOr<W extends string>(name: string, word: W, range: NumberRange): number | W {
    const value = this.get(name)
    if (value === undefined || value === word) return word
    if (!isInRange(value, range)) throw this.error(name, `'${word}' or ${rangeText(range)}`)
    return value + 0
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.get(name)
    if (value === undefined) return fallback
    if (typeof value !== 'boolean') throw this.error(name, 'true or false')
    return value
  }

  oneOf<T extends string | boolean>(name: string, fallback: T, allowed: readonly T[]): T {
    const value = this.get(name)
    if (value === undefined) return fallback
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
    if (value === undefined) return null
    if (typeof value !== 'string' || value === '') throw this.error(name, 'a string that is not empty')
    checkWellFormed(value, this.#prefix + name)
    return value
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
    const isSignal = reading(this.#prefix + name, () => {
      const { aborted, addEventListener } = Object(value) as Partial<AbortSignal>
      return (
        typeof value === 'object' && typeof aborted === 'boolean' && typeof addEventListener === 'function'
      )
    })
    if (!isSignal) throw this.error(name, 'an AbortSignal')
    return value as AbortSignal
  }
}

export function checkWellFormed(value: string, path: string): void {
  if (!value.isWellFormed()) {
    throw invalidOption(
      path,
      'contains a lone surrogate, which is not valid Unicode: toWellFormed() replaces it.',
    )
  }
}

function isInRange(value: unknown, range: NumberRange): value is number {
  if (typeof value !== 'number' || !Number.isFinite(value)) return false
  if (range.integer && !Number.isSafeInteger(value)) return false
  if (range.min !== undefined && value < range.min) return false
  // The engine computes with 32-bit floats, in which a tiny number is not above the bound any more.
  if (range.above !== undefined && Math.fround(value) <= range.above) return false
  return value <= range.max
}

/** What a number of the range is, in words. */
export function rangeText({ integer, min, above, max }: NumberRange): string {
  const kind = integer ? 'an integer' : 'a number'
  return above === undefined ? `${kind} from ${min} to ${max}` : `${kind} above ${above} and at most ${max}`
}

/** Names that other packages have for these options. */
const OTHER_NAMES: Readonly<Record<string, readonly string[]>> = {
  maxTokens: [
    'maxnewtokens',
    'maxcompletiontokens',
    'maxoutputtokens',
    'maxlength',
    'npredict',
    'numpredict',
  ],
  repetitionPenalty: ['repeatpenalty', 'repetition'],
  stop: ['stopsequences', 'stopstrings', 'stoptexts', 'stopwords', 'stoptriggers'],
  signal: ['abortsignal', 'stoponabortsignal'],
  templateVariables: ['chattemplatekwargs', 'templatekwargs', 'variables'],
  logprobs: ['toplogprobs'],
  ignoreEndOfSequence: ['ignoreeos'],
  contextSize: ['nctx', 'numctx', 'contextlength', 'maxcontext'],
  gpuLayers: ['ngpulayers', 'ngl', 'numgpu'],
  threads: ['nthreads', 'numthread', 'numthreads'],
  maxSequences: ['sequences', 'parallel', 'nparallel', 'nseqmax'],
  flashAttention: ['flashattn'],
  kvCacheType: ['cachetype', 'cachetypek', 'cachetypev', 'typek', 'typev'],
  onProgress: ['onloadprogress', 'progresscallback'],
}

function suggestion(name: string, names: readonly string[], prefix: string): string {
  const nearest = nearestName(name, names)
  if (nearest !== undefined) return `Did you mean ${prefix}${nearest}?`
  return `Known are ${[...names].sort().join(', ')}.`
}

/** The known name that an unknown one most likely stands for. */
export function nearestName(name: string, names: readonly string[]): string | undefined {
  const plain = (text: string) => text.toLowerCase().replace(/[_-]/g, '')
  const wanted = plain(name.slice(0, 64))
  const alias = names.find((known) => plain(known) === wanted || OTHER_NAMES[known]?.includes(wanted))
  if (alias !== undefined) return alias
  let nearest: string | undefined
  let nearestDistance = Math.min(3, Math.floor(wanted.length / 3)) + 1
  for (const known of names) {
    const distance = editDistance(wanted, plain(known))
    if (distance >= nearestDistance) continue
    nearest = known
    nearestDistance = distance
  }
  return nearest
}

/** Insertions, deletions, replacements and swaps of neighbours that turn one text into the other. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let best = Math.min((row[j - 1] ?? 0) + 1, (last[j] ?? 0) + 1, (last[j - 1] ?? 0) + cost)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1)
      }
      row.push(best)
    }
    beforeLast = last
    last = row
  }
  return last[b.length] ?? 0
}
