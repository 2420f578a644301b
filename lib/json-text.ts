/// <reference lib="es2024.string" />
import { types } from 'node:util'
import { VerbatimError } from './errors.js'
import {
  checkShape,
  EMPTY,
  invalidOption,
  isThenable,
  type JsonFailure,
  type JsonShape,
  kindOf,
  notAString,
  ownMembers,
  PROMISE,
  pathStep,
  reading,
  wanted,
  wrongRoot,
} from './json-shape.js'

/** Deepest nesting of arrays and objects, the root counted. */
export const MAX_JSON_DEPTH = 512

/**
 * Writes a value as JSON text, exactly as `JSON.stringify(value)` does, except that
 *
 * - what `JSON.stringify` would drop or replace is refused by path: `undefined`, `NaN`, infinities, `-0`,
 *   functions, symbols as values or (enumerable) keys, holes and extra properties of arrays, objects with a
 *   `toJSON` method (such as `Date` and `Buffer`), boxed primitives, `Map`, `Set`, `RegExp`, `Error`, `Promise`,
 *   `ArrayBuffer`, typed arrays and other built-in objects whose content is not in enumerable members;
 * - strings and keys with a lone surrogate, cycles, and nesting deeper than {@link MAX_JSON_DEPTH} are refused;
 * - a `bigint` is written as an integer with all its digits.
 *
 * Instances of classes are written like plain objects: their own enumerable members. Every property, accessors
 * included, is read exactly once, nothing is written to, and objects of other realms and proxies work.
 *
 * @param rootPath name of the value in error paths, such as `messages`: `messages[2].content`
 * @throws the error that `shape.fail` makes (default: `InvalidOptionError`)
 */
export function toJsonText(value: unknown, rootPath: string, shape: JsonShape = {}): string {
  const copier = new JsonCopier(rootPath, shape)
  const copy = reading(
    () => copier.pathTo(copier.readDepth),
    () => copier.copy(value, 0),
    copier.fail,
  )
  return copier.sawBigInt || isPolluted() ? plainText(copy) : JSON.stringify(copy)
}

/**
 * Checks that a string is JSON text of the wanted shape, and returns it as it is. The text is parsed again where it is
 * used: what `JSON.parse` rounds, reorders or merges is not lost.
 *
 * @throws the error that `shape.fail` makes (default: `InvalidOptionError`)
 */
export function readJsonText(text: string, rootPath: string, shape: JsonShape = {}): string {
  const { fail = invalidOption } = ownMembers(shape)
  if (!text.isWellFormed()) throw illFormed(text, rootPath, fail)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw fail(
      rootPath,
      `is a string, but not JSON text (${(error as Error).message}): pass ${wanted(shape)}, or its JSON text.`,
      error,
    )
  }
  if (wrongRoot(shape, value, Array.isArray(value)))
    throw fail(rootPath, `must be JSON text of ${wanted(shape)}, not of ${kindOf(value)}.`)
  checkShape(value, rootPath, shape)
  return text
}

/** The error for JSON text with a lone surrogate as it is, not as an escape: it names the string or key that has it. */
function illFormed(text: string, rootPath: string, fail: JsonFailure): unknown {
  try {
    const value = JSON.parse(text, (_, member) => (typeof member === 'number' ? 0 : member))
    toJsonText(value, rootPath, { fail })
  } catch (error) {
    if (error instanceof VerbatimError) return error
  }
  return fail(rootPath, 'is JSON text with a lone surrogate, which is not valid Unicode.')
}
const IS_PROMISE = `is ${PROMISE}.`

/** Reason to refuse an object of a built-in type that JSON cannot carry; undefined for others. */
function builtInReason(value: object): string | undefined {
  if (types.isPromise(value)) return IS_PROMISE
  if (types.isBoxedPrimitive(value)) return 'is a boxed primitive: pass the primitive value itself.'
  if (
    types.isMap(value) ||
    types.isSet(value) ||
    types.isWeakMap(value) ||
    types.isWeakSet(value) ||
    types.isRegExp(value) ||
    types.isDate(value) ||
    types.isNativeError(value) ||
    types.isAnyArrayBuffer(value) ||
    types.isArrayBufferView(value)
  ) {
    return `is ${kindOf(value)}, which JSON cannot carry: convert it to a plain object, an array or a string.`
  }
  return undefined
}

/** True when someone gave all objects a toJSON, which JSON.stringify would call on our copy. */
const isPolluted = () => 'toJSON' in Object.prototype || 'toJSON' in Array.prototype

/** JSON.stringify for a copy, with bigints. */
function plainText(value: unknown): string {
  if (typeof value !== 'object' || value === null) {
    return typeof value === 'string' ? JSON.stringify(value) : String(value)
  }
  if (Array.isArray(value)) return `[${value.map(plainText).join(',')}]`
  const members = Object.entries(value).map(
    ([name, member]) => `${JSON.stringify(name)}:${plainText(member)}`,
  )
  return `{${members.join(',')}}`
}

/**
 * Checks a value and copies it into plain arrays and objects. Copying and one JSON.stringify of the copy is faster
 * than writing piece by piece.
 */
class JsonCopier {
  sawBigInt = false
  /** Number of #keys that lead to the value being read, for errors of accessors and proxies. */
  readDepth = 0
  readonly #rootPath: string
  readonly #shape: JsonShape
  /** The containers being copied, the root first. */
  readonly #parents: object[] = []
  /** The key being copied of each of #parents. */
  readonly #keys: (string | number | symbol)[] = []

  constructor(rootPath: string, shape: JsonShape) {
    this.#rootPath = rootPath
    this.#shape = ownMembers(shape)
  }

  get fail(): JsonFailure {
    return this.#shape.fail ?? invalidOption
  }

  /** Makes the error for the value that the first `depth` of #keys lead to. */
  refuse(depth: number, reason: string): VerbatimError {
    return this.fail(this.pathTo(depth), reason)
  }

  pathTo(depth: number): string {
    return this.#rootPath + this.#keys.slice(0, depth).map(pathStep).join('')
  }

  copy(value: unknown, depth: number): unknown {
    if (typeof value === 'object' && value !== null) return this.#object(value, depth)
    this.#checkScalar(value, depth)
    switch (typeof value) {
      case 'string':
        if (value.isWellFormed()) return value
        throw this.refuse(
          depth,
          'contains a lone surrogate, which is not valid Unicode: replace or remove it.',
        )
      case 'object': // null
      case 'boolean':
        return value
      case 'number':
        if (Object.is(value, -0))
          throw this.refuse(depth, 'is -0, which JSON.stringify replaces with 0: pass 0.')
        if (Number.isFinite(value)) return value
        throw this.refuse(depth, `is ${value}, which JSON cannot carry: pass a finite number or null.`)
      case 'bigint':
        this.sawBigInt = true
        return value
      case 'undefined':
        throw this.refuse(depth, 'is undefined, which JSON cannot carry: remove it, or pass null.')
      default:
        if (isThenable(value)) throw this.refuse(depth, IS_PROMISE)
        throw this.refuse(depth, `is ${kindOf(value)}, which JSON cannot carry: remove it.`)
    }
  }

  /** Refuses a value that is neither array nor object where the shape wants one. */
  #checkScalar(value: unknown, depth: number): void {
    if (depth === 0) this.#checkRoot(value, false)
    else if (depth === 1) this.#checkElement(value, false)
  }

  #checkRoot(value: unknown, isArray: boolean): void {
    if (!wrongRoot(this.#shape, value, isArray)) return
    throw this.refuse(0, `must be ${wanted(this.#shape)} (or its JSON text), not ${kindOf(value)}.`)
  }

  #checkElement(value: unknown, isObject: boolean): void {
    if (this.#shape.elements !== 'object' || isObject || !Array.isArray(this.#parents[0])) return
    throw this.refuse(1, `must be an object, not ${kindOf(value)}.`)
  }

  #object(value: object, depth: number): object {
    this.readDepth = depth
    const isArray = Array.isArray(value)
    if (depth === 0) this.#checkRoot(value, isArray)
    else if (depth === 1) this.#checkElement(value, !isArray)
    if (depth >= MAX_JSON_DEPTH) throw this.refuse(depth, `is nested deeper than ${MAX_JSON_DEPTH} levels.`)
    for (let i = 0; i < depth; i++) {
      if (this.#parents[i] === value)
        throw this.refuse(depth, `refers back to ${this.pathTo(i)}: JSON cannot carry a cycle.`)
    }
    // Refuse toJSON on prototypes too: JSON.stringify would call it.
    const toJson = (value as { toJSON?: unknown }).toJSON
    if (typeof toJson === 'function') {
      if (isThenable(value)) throw this.refuse(depth, IS_PROMISE)
      throw this.refuse(
        depth,
        `is ${kindOf(value)} with a toJSON method, which would replace it: pass the value it stands for.`,
      )
    }
    this.#parents[depth] = value
    const copy = isArray
      ? this.#array(value as readonly unknown[], depth)
      : this.#members(value, depth, toJson)
    this.readDepth = depth
    return copy
  }

  #array(value: readonly unknown[], depth: number): unknown[] {
    this.#refuseSymbols(value, depth)
    const length = value.length
    if (depth === 0 && length === 0 && this.#shape.allowEmpty === false) throw this.refuse(0, EMPTY)
    const copy: unknown[] = []
    for (let i = 0; i < length; i++) {
      this.#keys[depth] = i
      this.readDepth = depth + 1
      const element = value[i]
      if (element === undefined && !Object.hasOwn(value, i)) {
        throw this.refuse(
          depth + 1,
          'is a hole in the array, which JSON cannot carry: fill it, or pass null.',
        )
      }
      copy.push(this.copy(element, depth + 1))
    }
    // Check this after the elements: without holes, all other enumerable keys come last.
    this.readDepth = depth
    const names = Object.keys(value)
    if (names.length > length) {
      this.#keys[depth] = names[length] as string
      throw this.refuse(depth + 1, 'is an extra property of an array, which JSON would drop: remove it.')
    }
    return copy
  }

  #members(value: object, depth: number, toJson: unknown): object {
    this.#refuseSymbols(value, depth)
    const names = Object.keys(value)
    this.#refuseBuiltIn(value, depth, names.length === 0)
    const { elementMember, refusedMembers } = this.#shape
    const required =
      depth === 1 && elementMember !== undefined && Array.isArray(this.#parents[0])
        ? elementMember
        : undefined
    let found = false
    const copy: Record<string, unknown> = {}
    for (let i = 0; i < names.length; i++) {
      const name = names[i] as string
      this.#keys[depth] = name
      this.readDepth = depth + 1
      if (!name.isWellFormed()) {
        throw this.refuse(depth + 1, 'has a lone surrogate in its name, which is not valid Unicode.')
      }
      if (depth === 0 && refusedMembers !== undefined) {
        const reason = refusedMembers.get(name)
        if (reason !== undefined) throw this.refuse(1, reason)
      }
      // Read an accessor once only: toJSON has been read already.
      const member = name === 'toJSON' ? toJson : (value as Record<string, unknown>)[name]
      if (name === required) {
        if (typeof member !== 'string') throw this.refuse(depth + 1, notAString(member))
        found = true
      }
      if (name === 'then' && typeof member === 'function') throw this.refuse(depth, IS_PROMISE)
      const memberCopy = this.copy(member, depth + 1)
      // Assigning to __proto__ would set the prototype, and to a name of a frozen Object.prototype would throw.
      if (name in Object.prototype) {
        Object.defineProperty(copy, name, {
          value: memberCopy,
          enumerable: true,
          configurable: true,
          writable: true,
        })
      } else {
        copy[name] = memberCopy
      }
    }
    if (required !== undefined && !found) {
      this.#keys[depth] = required
      throw this.refuse(depth + 1, notAString(undefined))
    }
    return copy
  }

  #refuseSymbols(value: object, depth: number): void {
    const symbols = Object.getOwnPropertySymbols(value)
    if (symbols.length === 0) return
    for (const symbol of symbols) {
      if (!Object.prototype.propertyIsEnumerable.call(value, symbol)) continue
      this.#keys[depth] = symbol
      throw this.refuse(depth + 1, 'is a property named by a symbol, which JSON would drop: remove it.')
    }
  }

  #refuseBuiltIn(value: object, depth: number, isEmpty: boolean): void {
    const prototype = Object.getPrototypeOf(value)
    const tag = Object.prototype.toString.call(value)
    if (tag === '[object Object]' && (prototype === null || prototype === Object.prototype)) return
    const reason = builtInReason(value)
    if (reason !== undefined) throw this.refuse(depth, reason)
    // An own member `then` is read once, with the other members.
    if (!Object.hasOwn(value, 'then') && isThenable(value)) throw this.refuse(depth, IS_PROMISE)
    // Refuse URLSearchParams, iterators, proxied Maps and the like: they hold something, and JSON would write {}.
    if (isEmpty && tag !== '[object Object]') {
      throw this.refuse(
        depth,
        `is ${kindOf(value)} without enumerable members, of which JSON would write {}: convert it.`,
      )
    }
  }
}
