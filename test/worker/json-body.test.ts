import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HttpError } from '#lib/worker/http-error.js'
import { readJsonBody } from '#lib/worker/json-body.js'

const read = (text: string) => readJsonBody(Buffer.from(text))
const texts = (text: string) => Object.fromEntries(read(text).texts)

function refusal(bytes: string | Uint8Array): string {
  try {
    readJsonBody(Buffer.from(bytes))
  } catch (error) {
    expect(error).toBeInstanceOf(HttpError)
    const { status, code, message } = (error as HttpError).description
    expect({ status, code }).toEqual({ status: 400, code: 'INVALID_JSON' })
    return message
  }
  throw new Error('it was not refused')
}

describe('the texts of members', () => {
  test('are cut out as they were sent', () => {
    const body =
      '\t{ "a" : [1.0, 1e400 ,"\\u0041"] ,\n"b": {"c":-0}, "\\u0063\\"": "}],{\\\\" , "d":12345678901234567890 }\r\n'
    expect(texts(body)).toEqual({
      a: '[1.0, 1e400 ,"\\u0041"]',
      b: '{"c":-0}',
      'c"': '"}],{\\\\"',
      d: '12345678901234567890',
    })
    expect(read('{}').texts.size).toBe(0)
    expect([...read('{"__proto__":{"x":1}}').texts]).toEqual([['__proto__', '{"x":1}']])
  })

  /** Any JSON value, written with any whitespace, escapes and spellings of numbers. */
  const space = fc.stringMatching(/^[ \t\r\n]{0,3}$/)
  const stringText = fc
    .array(
      fc.oneof(
        fc.string({ unit: 'binary', maxLength: 4 }).map((s) => JSON.stringify(s).slice(1, -1)),
        fc.constantFrom('\\"', '\\\\', '\\/', '\\u0000', '\\uD83D\\uDE00', '{', ']', ',', ':'),
      ),
      { maxLength: 5 },
    )
    .map((parts) => `"${parts.join('')}"`)
  const scalarText = fc.oneof(
    stringText,
    fc.constantFrom('null', 'true', 'false', '0', '-0', '1.50', '1E+400', '123456789012345678901234567890'),
  )
  const { value: valueText } = fc.letrec<{ value: string }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      scalarText,
      fc
        .tuple(space, fc.array(fc.tuple(space, tie('value'), space), { maxLength: 4 }))
        .map(([s, items]) => `[${items.length ? '' : s}${items.map((item) => item.join('')).join(',')}]`),
      fc
        .tuple(space, fc.array(fc.tuple(space, stringText, space, tie('value'), space), { maxLength: 4 }))
        .map(
          ([s, members]) =>
            `{${members.length ? '' : s}${members.map(([a, key, b, value, c]) => `${a}${key}${b}:${a}${value}${c}`).join(',')}}`,
        ),
    ),
  }))

  test('mean what JSON.parse makes of the body, or a key is there twice', () => {
    let accepted = 0
    fc.assert(
      fc.property(fc.array(fc.tuple(stringText, valueText, space), { maxLength: 5 }), (members) => {
        const body = `{${members.map(([key, value, s]) => `${s}${key}${s}:${s}${value}${s}`).join(',')}}`
        const parsed = JSON.parse(body)
        if (hasTwins(body)) {
          expect(refusal(body)).toMatch('occurs twice')
          return
        }
        accepted++
        const { values, texts } = read(body)
        expect([...values.keys()].sort()).toEqual(Object.keys(parsed).sort())
        expect(texts.size).toBe(members.length)
        for (const [key, value] of members) {
          const name = JSON.parse(key)
          expect(texts.get(name)).toBe(value.trim())
          expect(values.get(name)).toEqual(JSON.parse(value))
        }
      }),
      { numRuns: 2000 },
    )
    expect(accepted).toBeGreaterThan(500)
  })

  /** Finds duplicate keys in another way: JSON.parse forgets the first of two members. */
  function hasTwins(text: string): boolean {
    let members = 0
    JSON.parse(text, function (this: unknown, _key, value) {
      if (!Array.isArray(this)) members++
      return value
    })
    // Count colons outside of strings, one for each member that was written; the reviver also sees the root.
    const colons = text.replace(/"(?:[^"\\]|\\.)*"/gs, '').match(/:/g)?.length ?? 0
    return colons !== members - 1
  }
})

describe('refused with 400', () => {
  test.each([
    ['{"a":1,"a":1}', 'The key "a" occurs twice in the body.'],
    ['{"a":1,"\\u0061":1}', 'The key "a" occurs twice in the body.'],
    ['{"a":[0,{"b c":{"d":1,"e":2,"d":3}}]}', 'The key "d" occurs twice in a[1]["b c"].'],
    ['{"a":[{"b":1},{"b":1,"b":2}]}', 'The key "b" occurs twice in a[1].'],
    ['[]', 'The body must be a JSON object.'],
    ['null', 'The body must be a JSON object.'],
    ['{"a":[[]],"b":{"c":[1,2,{"c":1,"c":1}]}}', 'The key "c" occurs twice in b.c[2].'],
  ])('%s: a key that is there twice, or no object', (body, message) => expect(refusal(body)).toBe(message))

  test.each([
    ['nothing', ''],
    ['a byte order mark', '\uFEFF{}'],
    ['a comment', '{/**/}'],
    ['a trailing comma', '{"a":1,}'],
    ['two values', '{}{}'],
    ['NaN', '{"a":NaN}'],
    ['a control character', '{"a":"\n"}'],
    ['no-break space', '{\u00a0}'],
  ])('%s is not JSON', (_, body) => expect(refusal(body)).toMatch('The body is not JSON'))

  test.each([
    ['an overlong form', [0xc0, 0x80]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['a cut character', [0xe2, 0x82]],
    ['beyond Unicode', [0xf4, 0x90, 0x80, 0x80]],
  ])('UTF-8 with %s', (_, bytes) => {
    const body = Buffer.concat([Buffer.from('{"a":"'), Buffer.from(bytes), Buffer.from('"}')])
    expect(refusal(body)).toBe('The body is not valid UTF-8.')
  })

  test('bodies nested deeper than 513 levels', () => {
    const nested = (depth: number) => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`
    expect(read(nested(513)).texts.get('a')).toHaveLength(1024)
    expect(refusal(nested(514))).toBe('The body is nested deeper than 513 levels.')
    expect(refusal(nested(1_000_000))).toMatch('deeper')
  })
})
