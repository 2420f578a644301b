import { inspect } from 'node:util'
import { createContext, runInContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InternalError, InvalidOptionError, type VerbatimError } from '#lib/errors.js'
import type { JsonShape } from '#lib/json-shape.js'
import { MAX_JSON_DEPTH, readJsonText, toJsonText } from '#lib/json-text.js'

function refusal(run: () => unknown): InvalidOptionError {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidOptionError)
    return error as InvalidOptionError
  }
  throw new Error('was not refused')
}

/** The path and message of a refusal of a value that is named `v`. */
function refused(value: unknown, shape?: JsonShape): [string, string] {
  const error = refusal(() => toJsonText(value, 'v', shape))
  return [error.path, error.message]
}

/** A view of a value through proxies that throw on every write. */
function readOnlyView<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  const forbidden = () => {
    throw new Error('written to')
  }
  return new Proxy(value, {
    get: (target, key) => readOnlyView(Reflect.get(target, key)),
    set: forbidden,
    defineProperty: forbidden,
    deleteProperty: forbidden,
    setPrototypeOf: forbidden,
    preventExtensions: forbidden,
  })
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const key of Reflect.ownKeys(value)) deepFreeze((value as Record<PropertyKey, unknown>)[key])
    Object.freeze(value)
  }
  return value
}

// Leave out -0, which is refused, and which fast-check likes.
const plainJson = fc
  .jsonValue({ maxDepth: 6, stringUnit: 'binary' })
  .map((value) => JSON.parse(JSON.stringify(value)) as unknown)

const realm = createContext({})
const fromRealm = (code: string): unknown => runInContext(code, realm)

describe('the JSON text of a value', () => {
  test("is JSON.stringify's for any JSON value", () => {
    fc.assert(
      fc.property(plainJson, (value) => {
        const text = toJsonText(value, 'v')
        expect(text).toBe(JSON.stringify(value))
        expect(JSON.parse(text)).toStrictEqual(value)
      }),
      { numRuns: 1000 },
    )
  })

  test("is JSON.stringify's for any well-formed string, short or long, as value and as key", () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), fc.nat(2000), (core, padding) => {
        const value = 'x'.repeat(padding) + core
        expect(toJsonText(value, 'v')).toBe(JSON.stringify(value))
        expect(toJsonText({ [value]: value }, 'v')).toBe(JSON.stringify({ [value]: value }))
      }),
      { numRuns: 500 },
    )
    for (let code = 0; code < 0x10000; code++) {
      if (code >= 0xd800 && code <= 0xdfff) continue
      const value = String.fromCharCode(code)
      if (toJsonText(value, 'v') !== JSON.stringify(value)) expect.fail(`U+${code.toString(16)}`)
    }
  })

  test("is JSON.stringify's for any finite number but -0", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        fc.pre(!Object.is(value, -0))
        expect(toJsonText(value, 'v')).toBe(JSON.stringify(value))
      }),
    )
  })

  test('is read through proxies that throw on writes and from frozen values, and leaves the input as it was', () => {
    fc.assert(
      fc.property(plainJson, (value) => {
        const before = structuredClone(value)
        const text = JSON.stringify(value)
        expect(toJsonText(readOnlyView(value), 'v')).toBe(text)
        expect(value).toStrictEqual(before)
        expect(toJsonText(deepFreeze(value), 'v')).toBe(text)
      }),
      { numRuns: 300 },
    )
  })

  test.each<[string, unknown]>([
    ['integer-like keys in the order JavaScript has them', { b: 1, 2: 1, a: 1, 1: 1 }],
    ['an own __proto__ key', JSON.parse('{"__proto__": {"x": 1}, "constructor": 1, "hasOwnProperty": 2}')],
    ['objects without prototype', Object.assign(Object.create(null), { a: [1] })],
    ['an own toJSON that is not a method', { toJSON: 5, a: 1 }],
    ['non-enumerable properties left out', Object.defineProperty({ a: 1 }, 'hidden', { value: 2 })],
    ['non-enumerable symbols left out', Object.defineProperty({ a: 1 }, Symbol('s'), { value: 2 })],
    [
      'template literals with their hidden raw',
      ((strings: TemplateStringsArray, ..._: number[]) => strings)`a${1}b`,
    ],
    ['the same object twice', ((shared) => [shared, { shared }, shared])({ a: 1 })],
    ['objects of another realm', fromRealm('({ a: [1, "x", { b: null }], c: Object.create(null) })')],
    ['empty containers', [{}, [], { a: {} }]],
    [
      'class instances',
      new (class Point {
        x = 1
        #y = 2
        get sum() {
          return this.x + this.#y
        }
      })(),
    ],
    ['instances of a class without fields', new (class Empty {})()],
    ['subclasses of Array', class List extends Array {}.from([1, 2])],
    ['an arguments object', fromRealm('(function () { return arguments })(1, 2)')],
  ])("is JSON.stringify's for %s", (_, value) => {
    expect(toJsonText(value, 'v')).toBe(JSON.stringify(value))
  })

  test('has bigints with all their digits', () => {
    expect(toJsonText({ a: 123456789012345678901234567890n, b: -0n }, 'v')).toBe(
      '{"a":123456789012345678901234567890,"b":0}',
    )
  })

  test('does not depend on what Object.prototype has', () => {
    const own = JSON.parse('{"toString": 1, "constructor": {"a": 2}, "valueOf": null}') as object
    const bare = Object.assign(Object.create(null) as object, { a: [1n, 'x"', null, true, { b: 0.5 }] })
    const expected = '{"a":[1,"x\\"",null,true,{"b":0.5}]}'
    expect(toJsonText(own, 'v')).toBe('{"toString":1,"constructor":{"a":2},"valueOf":null}')
    expect(toJsonText(bare, 'v')).toBe(expected)
    Object.defineProperty(Object.prototype, 'toJSON', { value: () => 'replaced', configurable: true })
    Object.defineProperty(Object.prototype, 'b', { value: 1, configurable: true }) // read-only, so not assignable
    try {
      expect(() => toJsonText({ a: 1 }, 'v')).toThrow('toJSON')
      const text = toJsonText(Object.assign(Object.create(null) as object, { b: 1 }), 'v')
      expect(text).toBe('{"b":1}')
    } finally {
      delete (Object.prototype as { toJSON?: unknown }).toJSON
      delete (Object.prototype as { b?: unknown }).b
    }
  })

  test('is written up to the deepest nesting, and refused beyond', () => {
    const nested = (levels: number) =>
      JSON.parse('[{"a":'.repeat(levels / 2) + 1 + '}]'.repeat(levels / 2)) as unknown
    expect(toJsonText(nested(MAX_JSON_DEPTH), 'v')).toBe(JSON.stringify(nested(MAX_JSON_DEPTH)))
    const error = refusal(() => toJsonText([nested(MAX_JSON_DEPTH)], 'v'))
    expect(error.message).toContain('nested deeper than 512')
    expect(error.message.length).toBeLessThan(300)
    expect(error.path).toBe(`v[0]${'[0].a'.repeat(MAX_JSON_DEPTH / 2 - 1)}[0].a`.slice(0, -2))
    expect(() => toJsonText(JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)), 'v')).toThrow(
      'nested deeper',
    )
  })
})

describe('toJsonText refuses, by path,', () => {
  const cases: [string, unknown, string, string][] = [
    ['undefined', undefined, 'v', 'undefined'],
    ['undefined members', [{ name: undefined }], 'v[0].name', 'undefined'],
    ['undefined elements', { a: [1, undefined] }, 'v.a[1]', 'undefined'],
    ['NaN', { a: Number.NaN }, 'v.a', 'NaN'],
    ['Infinity', [Number.POSITIVE_INFINITY], 'v[0]', 'Infinity'],
    ['-Infinity', [Number.NEGATIVE_INFINITY], 'v[0]', '-Infinity'],
    ['-0', { a: [-0] }, 'v.a[0]', '-0'],
    ['functions', { f: () => 1 }, 'v.f', 'a function'],
    ['classes', [class {}], 'v[0]', 'a function'],
    ['symbols', { 'a key': Symbol('s') }, 'v["a key"]', 'a symbol'],
    ['symbol keys', { a: { [Symbol('s')]: 1 } }, 'v.a[Symbol(s)]', 'symbol'],
    ['symbol keys of arrays', [Object.assign([1], { [Symbol('s')]: 1 })], 'v[0][Symbol(s)]', 'symbol'],
    ['holes', Object.assign(new Array(3), { 0: 1, 2: 3 }), 'v[1]', 'a hole'],
    ['huge empty arrays, at once', { a: new Array(2 ** 32 - 1) }, 'v.a[0]', 'a hole'],
    ['extra properties of arrays', { a: Object.assign([1, 2], { extra: 1 }) }, 'v.a.extra', 'extra property'],
    ['match arrays', [/b/.exec('abc')], 'v[0].index', 'extra property'],
    ['Date', { when: new Date(0) }, 'v.when', 'toJSON'],
    ['Buffer', { b: Buffer.from('x') }, 'v.b', 'toJSON'],
    ['URL', [new URL('http://localhost/')], 'v[0]', 'toJSON'],
    ['own toJSON', { a: { toJSON: () => 1 } }, 'v.a', 'toJSON'],
    [
      'inherited toJSON',
      [
        new (class Money {
          toJSON() {
            return 1
          }
        })(),
      ],
      'v[0]',
      'toJSON',
    ],
    ['toJSON of arrays', Object.defineProperty([1], 'toJSON', { value: () => 1 }), 'v', 'toJSON'],
    ['boxed strings', [Object('x')], 'v[0]', 'boxed'],
    ['boxed numbers', [Object(1)], 'v[0]', 'boxed'],
    ['boxed bigints', [Object(1n)], 'v[0]', 'boxed'],
    ['boxed symbols', [Object(Symbol('s'))], 'v[0]', 'boxed'],
    ['boxed values in disguise', [Object.setPrototypeOf(Object(1), null)], 'v[0]', 'boxed'],
    ['Map', { m: new Map([['a', 1]]) }, 'v.m', 'type Map'],
    ['Set', { m: new Set() }, 'v.m', 'type Set'],
    ['WeakMap', [new WeakMap()], 'v[0]', 'type WeakMap'],
    ['WeakSet', [new WeakSet()], 'v[0]', 'type WeakSet'],
    ['WeakRef', [new WeakRef({})], 'v[0]', 'type WeakRef'],
    ['RegExp', [/x/], 'v[0]', 'type RegExp'],
    ['Error', [Object.assign(new Error('x'), { code: 'E' })], 'v[0]', 'type Error'],
    ['our own errors', [new InternalError('x')], 'v[0]', 'type Error'],
    ['Promise', [Promise.resolve(1)], 'v[0]', 'is a promise: await it first.'],
    ['ArrayBuffer', [new ArrayBuffer(1)], 'v[0]', 'type ArrayBuffer'],
    ['typed arrays', [new Float32Array(2)], 'v[0]', 'type Float32Array'],
    ['DataView', [new DataView(new ArrayBuffer(1))], 'v[0]', 'type DataView'],
    ['URLSearchParams', [new URLSearchParams('a=1')], 'v[0]', 'type URLSearchParams'],
    ['iterators', [[1].values()], 'v[0]', 'type Array Iterator'],
    ['generators', [(function* () {})()], 'v[0]', 'type Generator'],
    ['a proxied Map', [new Proxy(new Map(), {})], 'v[0]', 'type Map'],
    ['a Map of another realm', [fromRealm('new Map()')], 'v[0]', 'type Map'],
    ['a Date of another realm', [fromRealm('new Date()')], 'v[0]', 'toJSON'],
    ['an Error of another realm', [fromRealm('new TypeError("x")')], 'v[0]', 'type Error'],
    ['lone high surrogates', { a: 'x\ud800y' }, 'v.a', 'lone surrogate'],
    ['lone low surrogates', { a: '\udc00' }, 'v.a', 'lone surrogate'],
    ['lone surrogates in long strings', { a: `${'x'.repeat(5000)}\ud800` }, 'v.a', 'lone surrogate'],
    ['lone surrogates in keys', [{ 'a\ud800': 1 }], 'v[0]["a\\ud800"]', 'lone surrogate'],
  ]
  test.each(cases)('%s', (_, value, path, message) => {
    const before = inspect(value)
    const [actualPath, actualMessage] = refused(value)
    expect(actualPath).toBe(path)
    expect(actualMessage.startsWith(`${path} `)).toBe(true)
    expect(actualMessage).toContain(message)
    expect(inspect(value)).toBe(before)
  })

  test('values that refer back to themselves', () => {
    const message: Record<string, unknown> = { role: 'user' }
    message.self = { list: [message] }
    expect(refused([message])).toEqual(['v[0].self.list[0]', expect.stringContaining('refers back to v[0]:')])
    const list: unknown[] = []
    list.push(list)
    expect(refused(list)).toEqual(['v[0]', expect.stringContaining('refers back to v:')])
  })

  test('values whose accessor or proxy throws, with what they threw as the cause', () => {
    const boom = new Error('boom')
    const thrower = {
      get a(): never {
        throw boom
      },
    }
    const error = refusal(() => toJsonText([{ x: 1, y: thrower }], 'v'))
    expect(error).toMatchObject({ path: 'v[0].y.a', cause: boom })
    expect(error.message).toContain('boom')
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    expect(refused({ a: [1, proxy] })[0]).toBe('v.a[1]')
  })
})

test('every property is read exactly once', () => {
  const reads: Record<string, number> = {}
  const counting = (target: object): object =>
    new Proxy(target, {
      get(from, key) {
        if (Object.hasOwn(from, key)) reads[String(key)] = (reads[String(key)] ?? 0) + 1
        const value: unknown = Reflect.get(from, key)
        return typeof value === 'object' && value !== null ? counting(value) : value
      },
    })
  const value = { role: 'user', content: [{ type: 'text', text: 'x' }], toJSON: 5 }
  expect(toJsonText(counting(value), 'v')).toBe(JSON.stringify(value))
  expect(reads).toEqual({ role: 1, content: 1, length: 1, 0: 1, type: 1, text: 1, toJSON: 1 })
})

test('an accessor that changes its answer is written once, as first answered', () => {
  let calls = 0
  const value = {
    get content() {
      return `answer ${++calls}`
    },
  }
  expect(toJsonText([value], 'v')).toBe('[{"content":"answer 1"}]')
})

test('the caller makes the errors', () => {
  const seen: unknown[] = []
  const fail = (path: string, reason: string, cause?: unknown): VerbatimError => {
    seen.push([path, reason, cause])
    return new InternalError('made by the caller')
  }
  expect(() => toJsonText([undefined], 'v', { fail })).toThrow('made by the caller')
  expect(() => readJsonText('[', 'w', { fail })).toThrow('made by the caller')
  expect(seen).toEqual([
    ['v[0]', expect.stringMatching(/^is undefined/), undefined],
    ['w', expect.stringMatching(/^is a string, but not JSON text/), expect.any(SyntaxError)],
  ])
})

describe('shapes', () => {
  const messages: JsonShape = { root: 'array', allowEmpty: false, elements: 'object', elementMember: 'role' }
  const variables: JsonShape = { root: 'object', refusedMembers: new Map([['tools', 'is refused.']]) }
  const cases: [string, JsonShape, unknown, string][] = [
    ['an object for an array', messages, {}, 'v'],
    ['null for an array', messages, null, 'v'],
    ['a number for an array', messages, 5, 'v'],
    ['an empty array', messages, [], 'v'],
    ['a string as element', messages, [{ role: 'x' }, 'x'], 'v[1]'],
    ['null as element', messages, [null], 'v[0]'],
    ['a number as element', messages, [1], 'v[0]'],
    ['true as element', messages, [true], 'v[0]'],
    ['an array as element', messages, [[]], 'v[0]'],
    ['a missing member', messages, [{ role: 'x' }, { content: 'x' }], 'v[1].role'],
    ['a member of another type', messages, [{ content: 'x', role: 1 }], 'v[0].role'],
    ['null as member', messages, [{ role: null }], 'v[0].role'],
    ['an array for an object', variables, [], 'v'],
    ['null for an object', variables, null, 'v'],
    ['a refused member', variables, { a: 1, tools: [] }, 'v.tools'],
  ]
  test.each(cases)('refuse %s, as a value and as JSON text', (_, shape, value, path) => {
    expect(refused(value, shape)[0]).toBe(path)
    expect(refusal(() => readJsonText(JSON.stringify(value), 'v', shape)).path).toBe(path)
  })

  test('say nothing of members further down', () => {
    const value = [{ role: 'x', a: [1, [], {}, { tools: 1 }], tools: 1 }]
    expect(toJsonText(value, 'v', messages)).toBe(JSON.stringify(value))
    expect(toJsonText({ a: { tools: [1] }, b: [[]] }, 'v', variables)).toBe('{"a":{"tools":[1]},"b":[[]]}')
    expect(toJsonText({ a: 1, b: { c: 1 } }, 'v', { ...messages, root: 'any' })).toBe('{"a":1,"b":{"c":1}}')
  })

  test('do not take an inherited member for a member', () => {
    expect(refused([Object.create({ role: 'user' })], messages)[0]).toBe('v[0].role')
  })
})

describe('readJsonText', () => {
  test('returns text as it is', () => {
    const text = ' [ {"a": 1.0, "a": 123456789012345678901234567890, "10": 1, "9": 1e400} ]\n'
    expect(readJsonText(text, 'v', { root: 'array' })).toBe(text)
    expect(readJsonText('{"__proto__":1}', 'v', { root: 'object' })).toBe('{"__proto__":1}')
  })

  test.each<[string, string, 'array' | 'object', string]>([
    ['no JSON', 'Hello', 'array', 'not JSON text'],
    ['cut off', '[{"role":', 'array', 'not JSON text'],
    ['with a byte order mark', '\ufeff[]', 'array', 'not JSON text'],
    ['empty', '', 'object', 'not JSON text'],
    ['an object for an array', '{}', 'array', 'must be JSON text of an array'],
    ['null for an object', 'null', 'object', 'must be JSON text of an object'],
    ['an array for an object', '[]', 'object', 'must be JSON text of an object'],
  ])('refuses text that is %s', (_, text, root, message) => {
    const error = refusal(() => readJsonText(text, 'v', { root }))
    expect(error.path).toBe('v')
    expect(error.message).toContain(message)
  })

  test.each([
    ['["\ud800"]', 'v[0]'],
    ['{"a":{"b c":[-0,1e999,"x\udc00"]}}', 'v.a["b c"][2]'],
    ['[{"\ud800":1}]', 'v[0]["\\ud800"]'],
    // What JSON.parse forgets, or cannot read, has no path.
    ['{"a":"\ud800","a":1}', 'v'],
    ['["\ud800"', 'v'],
  ])('refuses %j, which has a lone surrogate, by path', (text, path) => {
    const error = refusal(() => readJsonText(text, 'v'))
    expect(error.path).toBe(path)
    expect(error.message).toMatch(/ lone surrogate.* which is not valid Unicode/)
  })
})
