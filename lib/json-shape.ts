import { types } from 'node:util'
import { InvalidMessagesError, InvalidOptionError, VerbatimError } from './errors.js'

/**
 * Makes the error for the value at `path`. `reason` reads on from the path: `is undefined, which …`. `cause` is
 * there when the caller's own code threw (an accessor or a proxy), or when JSON text did not parse.
 */
export type JsonFailure = (path: string, reason: string, cause?: unknown) => VerbatimError

/** Requirements of {@link toJsonText} and {@link readJsonText} on the root value. */
export interface JsonShape {
  /** Makes the errors. Default: an `InvalidOptionError`. */
  readonly fail?: JsonFailure
  /** Kind of the root. Default: any value. */
  readonly root?: 'any' | 'array' | 'object'
  /** False refuses an empty root array. Default: true. */
  readonly allowEmpty?: boolean
  /** Kind of a root array's elements. Default: any value. */
  readonly elements?: 'any' | 'object'
  /** A member that each element of a root array must have, as a string. Only with `elements: 'object'`. */
  readonly elementMember?: string
  /** Members a root object must not have, and why: the reason reads on from the path. */
  readonly refusedMembers?: ReadonlyMap<string, string>
}

/** `message[0].content`, `function["weird key"]`: one more step of a path. */
export function pathStep(key: string | number | symbol): string {
  if (typeof key === 'number') return `[${key}]`
  if (typeof key === 'symbol') return `[${String(key)}]`
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`
}

/** True for promises, also those of other realms, and for whatever else can be awaited. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  // Do not read `then` of what has none: proxies would notice.
  return types.isPromise(value) || ('then' in value && typeof value.then === 'function')
}

/** What a promise is called in the place of the value it was to be awaited for. */
export const PROMISE = 'a promise: await it first'

/** Kind of a value for error messages, without its content: `null`, `a string`, `an array`. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  try {
    if (isThenable(value)) return PROMISE
    if (typeof value !== 'object') return `a ${typeof value}`
    if (Array.isArray(value)) return 'an array'
    const tag = Object.prototype.toString.call(value).slice('[object '.length, -1)
    return tag === 'Object' ? 'an object' : `an object of type ${tag}`
  } catch {
    return typeof value === 'object' ? 'an object' : `a ${typeof value}` // a revoked proxy, or an accessor that throws
  }
}

/** Error for the refused option at `path`; `cause` is what the caller's own code threw, if it did. */
export function invalidOption(path: string, reason: string, cause?: unknown): VerbatimError {
  return new InvalidOptionError(sentence(path, reason), { path }, cause === undefined ? {} : { cause })
}

/** Error for the refused value at `path` in the messages; `cause` as in {@link invalidOption}. */
export function invalidMessages(path: string, reason: string, cause?: unknown): VerbatimError {
  return new InvalidMessagesError(sentence(path, reason), { path }, cause === undefined ? {} : { cause })
}

/** A copy without a prototype, on which only own members are found. */
export function ownMembers<T extends object>(value: T): T {
  return Object.assign(Object.create(null), value)
}

/** Runs `read`, which reads the caller's objects: errors of their accessors or proxies become causes of a refusal. */
export function reading<T>(
  path: string | (() => string),
  read: () => T,
  fail: JsonFailure = invalidOption,
): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof VerbatimError) throw error
    const message = error instanceof Error ? error.message : String(error)
    throw fail(typeof path === 'string' ? path : path(), `could not be read: ${message}`, error)
  }
}

/** The path and what is wrong there. A long path is shortened: nesting may be deep, and error.path has all of it. */
export function sentence(path: string, reason: string): string {
  return `${shortened(path)} ${reason}`
}

/** The text, without its middle where it is long. */
export function shortened(text: string): string {
  return text.length > 200 ? `${text.slice(0, 120)}…${text.slice(-60)}` : text
}

/** Checks the shape of parsed JSON. toJsonText checks while writing, since it reads everything only once. */
export function checkShape(value: unknown, rootPath: string, shape: JsonShape): void {
  const { fail = invalidOption, allowEmpty, elements, elementMember, refusedMembers } = ownMembers(shape)
  const isArray = Array.isArray(value)
  if (wrongRoot(shape, value, isArray)) {
    throw fail(rootPath, `must be ${wanted(shape)}, not ${kindOf(value)}.`)
  }
  if (isArray) {
    if (value.length === 0 && allowEmpty === false) throw fail(rootPath, EMPTY)
    if (elements !== 'object') return
    const path = (index: number) => rootPath + pathStep(index)
    for (let i = 0; i < value.length; i++) {
      const element: unknown = value[i]
      if (notAnObject(element)) throw fail(path(i), `must be an object, not ${kindOf(element)}.`)
      if (elementMember === undefined) continue
      const member = Object.hasOwn(element, elementMember)
        ? (element as Record<string, unknown>)[elementMember]
        : undefined
      if (typeof member !== 'string') throw fail(path(i) + pathStep(elementMember), notAString(member))
    }
  } else if (refusedMembers && typeof value === 'object' && value !== null) {
    for (const [name, reason] of refusedMembers) {
      if (Object.hasOwn(value, name)) throw fail(rootPath + pathStep(name), reason)
    }
  }
}

export const EMPTY = 'must not be empty.'

/** The wanted root, in words. */
export function wanted(shape: JsonShape): string {
  const { root = 'any' } = ownMembers(shape)
  if (root === 'any') return 'a value'
  return root === 'array' ? 'an array' : 'an object'
}

export function wrongRoot(shape: JsonShape, value: unknown, isArray: boolean): boolean {
  const { root = 'any' } = ownMembers(shape)
  if (root === 'any') return false
  return root === 'array' ? !isArray : isArray || typeof value !== 'object' || value === null
}

function notAnObject(
  value: unknown,
): value is null | string | number | boolean | bigint | symbol | undefined {
  return typeof value !== 'object' || value === null || Array.isArray(value)
}

export function notAString(member: unknown): string {
  return member === undefined
    ? 'is missing: it must be a string.'
    : `must be a string, not ${kindOf(member)}.`
}
