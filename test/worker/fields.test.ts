import { Ajv, type AnySchema } from 'ajv'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { BodyReader } from '#lib/worker/fields.js'
import { generateBody } from '#lib/worker/generate.js'
import { describeError } from '#lib/worker/http-error.js'
import { readJsonBody } from '#lib/worker/json-body.js'
import { completionBody } from '#lib/worker/openai.js'
import { renderBody, tokenizeBody } from '#lib/worker/prompts.js'

const ENDPOINTS: readonly [string, BodyReader, object][] = [
  ['/chat', generateBody, { messages: [{ role: 'user' }] }],
  ['/render', renderBody, { messages: [{ role: 'user' }] }],
  ['/tokenize', tokenizeBody, { text: 'a' }],
  ['/v1/chat/completions', completionBody, { messages: [{ role: 'user' }], model: 'm' }],
]

/** The description of the refusal of a body; undefined when it is taken. */
function refused(reader: BodyReader, body: object | string) {
  try {
    reader.read(readJsonBody(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))))
  } catch (error) {
    const { status, code, path = '', message } = describeError(error)
    expect(status, String(error)).toBe(400)
    return { code, path, message }
  }
  return undefined
}

const chat = (field: object) => refused(generateBody, { messages: [{ role: 'user' }], ...field })
const openAi = (field: object) =>
  refused(completionBody, { messages: [{ role: 'user' }], model: 'm', ...field })

/** Values of every kind, and those that come close to a right one. */
const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e300,
  -1e-300,
  2 ** 53,
  '',
  'auto',
  '2024-01-01',
  '2024-02-30T00:00:00Z',
  'x'.repeat(1000),
  '\ud800',
  [],
  [null],
  [1],
  [''],
  ['a', 5],
  Array(17).fill('a'),
  [[]],
  [{ role: 5 }],
  [{}],
  {},
  { trust_roles: 'user' },
  { trust_roles: [5] },
  { trust_roles: ['\ud800'] },
  { trustRoles: [] },
  { trust_roles: [], more: 1 },
  { include_usage: 1 },
  { include_usage: null },
  { include_usage: true, more: 1 },
  { type: 'json_object' },
  { type: null },
  { type: 'text', strict: true },
  { messages: [] },
]

/** Words of libraries that validate; `toHaveProperty` of none of our sentences. */
const FOREIGN =
  /invalid (input|option|iso|value|type)|expected|unrecognized|too (small|big)|received|required|undefined|\[object/i

describe.each(ENDPOINTS)('a wrong value for a field of %s', (_, reader, body) => {
  const check = (name: string, value: unknown) => {
    const refusal = refused(reader, { ...body, [name]: value })
    if (refusal === undefined) return false
    const { path, message } = refusal
    expect(path, message).toMatch(new RegExp(`^${name}\\b`))
    expect(message.startsWith(`${path} `), message).toBe(true)
    expect(message).toMatch(/[.?]$/)
    expect(message).not.toMatch(FOREIGN)
    expect(message).toMatch(/ (must be|must not be|must hold|is missing|is not|contains|names|has) /)
    return true
  }

  test.each(Object.keys(reader.fields))('%s is refused with a sentence that begins with its name', (name) => {
    const results = VALUES.map((value) => check(name, value))
    expect(results.filter((isRefused) => isRefused).length).toBeGreaterThan(VALUES.length / 3)
  })

  test('is refused so whatever it is', () => {
    const anything = fc.jsonValue({ maxDepth: 3 })
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(reader.fields)), anything, (n, v) => void check(n, v)),
    )
  })

  test('and so is a field that is missing, and one that is not known', () => {
    for (const name of Object.keys(body)) {
      const { [name as keyof typeof body]: _, ...rest } = body
      expect(refused(reader, rest)).toMatchObject({
        path: name,
        message: expect.stringMatching(`^${name} is missing: it must be .+\\.$`),
      })
    }
    expect(refused(reader, { ...body, logit_bias: {} })).toMatchObject({
      path: 'logit_bias',
      message: expect.stringMatching(/^logit_bias is not a field that is known here\. Known (is|are) .+\.$/),
    })
  })
})

test.each([
  [{ max_tokens: 0 }, 'max_tokens must be an integer from 1 to 2147483647, not 0.'],
  [{ temperature: '1' }, 'temperature must be a number from 0 to 100, not the string "1".'],
  [{ stream: 1 }, 'stream must be true or false, not 1.'],
  [{ speculative: true }, "speculative must be one of 'prompt-lookup', false, not true."],
  [{ tools: 'x' }, 'tools must be an array, not a string.'],
  [{ tools: [1] }, 'tools[0] must be an object, not a number.'],
  [{ template_variables: [] }, 'template_variables must be an object, not an array.'],
  [{ messages: 'Hello' }, 'messages must be an array, not a string.'],
  [{ messages: [{ role: 1 }] }, 'messages[0].role must be a string, not a number.'],
  [{ stop: ['a', 5] }, 'stop[1] must be a string that is not empty, not 5.'],
  [
    { control_tokens: 'nowhere' },
    `control_tokens must be 'template', 'anywhere' or { trust_roles }, not the string "nowhere".`,
  ],
  [
    { control_tokens: { trustRoles: [] } },
    'control_tokens.trustRoles is not a field that is known here. Did you mean trust_roles?',
  ],
  [
    { control_tokens: { trust_roles: [5] } },
    'control_tokens.trust_roles[0] must be the name of a role, not 5.',
  ],
  [{ control_tokens: {} }, 'control_tokens.trust_roles is missing: it must be an array of roles.'],
  // What the caller wrote is quoted as it is, even where it has the name of an option.
  [{ stop: ['', 'maxTokens'] }, 'stop[0] must be a string that is not empty, not the string "".'],
  [{ stream: 'maxTokens' }, 'stream must be true or false, not the string "maxTokens".'],
])('%j is refused by /chat: %s', (field, message) => expect(chat(field)?.message).toBe(message))

test.each([
  [{ n: 2 }, 'n must be 1 or absent, not 2: a request has one answer here.'],
  [{ store: true }, 'store must be false or absent, not true: nothing is stored here.'],
  [
    { parallel_tool_calls: false },
    'parallel_tool_calls must be true or absent, not false: nothing here can keep the model from calling several tools.',
  ],
  [
    { tool_choice: { type: 'function' } },
    "tool_choice must be 'auto', 'none' or absent, not an object: nothing here can make the model call a tool.",
  ],
  [
    { response_format: { type: 'json_object' } },
    `response_format.type must be 'text' or absent, not the string "json_object": nothing here constrains what the model writes.`,
  ],
  [{ response_format: {} }, "response_format.type is missing: it must be 'text'."],
  [{ response_format: 'text' }, 'response_format must be an object with type, not the string "text".'],
  [
    { service_tier: 'flex' },
    `service_tier must be 'auto', 'default' or absent, not the string "flex": all requests are served alike here.`,
  ],
  [{ stream_options: { include_usage: 1 } }, 'stream_options.include_usage must be true or false, not 1.'],
  [
    { stream_options: { include_obfuscation: true } },
    'stream_options.include_obfuscation is not a field that is known here. Known is include_usage.',
  ],
  [
    { response_format: { type: 'text', strict: true } },
    'response_format.strict is not a field that is known here. Known is type.',
  ],
  [{ response_format: { type: null } }, "response_format.type is missing: it must be 'text'."],
  [{ top_logprobs: 21 }, 'top_logprobs must be an integer from 0 to 20, not 21.'],
])('%j is refused by /v1/chat/completions: %s', (field, message) =>
  expect(openAi(field)?.message).toBe(message),
)

test('null for a member inside a field of OpenAI’s is as good as absent, also of one that is not known', () => {
  for (const field of [
    { stream_options: { include_usage: null, include_obfuscation: null }, stream: true },
    { response_format: { type: 'text', json_schema: null } },
  ])
    expect([field, openAi(field)]).toEqual([field, undefined])
})

/** A schema of OpenAPI 3.0, whose `exclusiveMinimum` is a boolean, as ajv takes it. */
function forAjv(schema: unknown): unknown {
  if (typeof schema !== 'object' || schema === null) return schema
  if (Array.isArray(schema)) return schema.map(forAjv)
  const { exclusiveMinimum, minimum, ...others } = schema as Record<string, unknown>
  const least =
    exclusiveMinimum === true ? { exclusiveMinimum: minimum } : minimum === undefined ? {} : { minimum }
  return Object.fromEntries(
    Object.entries({ ...others, ...least }).map(([name, part]) => [name, forAjv(part)]),
  )
}

describe.each(ENDPOINTS)('the schema of %s', (path, reader, body) => {
  // As strict as OpenAPI 3.0.3: `nullable` without a type is an error, and an enum holds null or it is refused.
  const validator = new Ajv({ strict: true, strictTypes: false, formats: { 'date-time': true } })
  const isValid = validator.compile(forAjv(reader.schema) as AnySchema)

  test('takes what the worker takes for null, in every field, and so do the objects inside', () => {
    for (const [name, { required }] of Object.entries(reader.fields))
      expect([name, isValid({ ...body, [name]: null })]).toEqual([name, required === undefined])
    if (path === '/v1/chat/completions')
      for (const field of [
        { stream_options: { include_usage: null } },
        { response_format: { type: 'text' } },
      ])
        expect([field, isValid({ ...body, ...field })]).toEqual([field, true])
  })

  test('still refuses what is of no kind that a field takes', () => {
    const { text: _, ...others } = reader.fields
    for (const name of Object.keys(others)) {
      const wrong = name === 'model' ? 5 : 'null'
      const isText = name === 'stop' || name === 'now'
      expect([name, isValid({ ...body, [name]: isText ? {} : wrong })]).toEqual([name, false])
    }
  })
})

describe('a number', () => {
  const sent = (name: string, text: string) =>
    refused(generateBody, `{"messages":[{"role":"user"}],"${name}":${text}}`)?.message

  test.each([
    ['seed', '9007199254740993', 'seed must be an integer from 0 to 9007199254740991, not 9007199254740993.'],
    ['temperature', '1e999', 'temperature must be a number from 0 to 100, not 1e999.'],
    ['max_tokens', `1${'0'.repeat(50)}`, 'max_tokens must be an integer from 1 to 2147483647, not 1e+50.'],
  ])('%s: %s is shown as it was sent', (name, text, message) => expect(sent(name, text)).toBe(message))
})

describe('now', () => {
  const read = (now: unknown) =>
    generateBody.read(readJsonBody(Buffer.from(JSON.stringify({ messages: [{ role: 'user' }], now }))))
      .options.now

  test.each([
    ['2024-01-01T00:00:00Z', 1704067200000],
    ['2024-02-29T23:59:59.5+05:30', 1709231399500],
    ['0000-01-01T00:00:00-00:00', -62167219200000],
    ['2024-01-01T00:00:00.123456Z', 1704067200123],
    ['2024-01-01T00:00:00.123999999+00:00', 1704067200123],
    ['1969-12-31T23:59:59.9999Z', -1],
    ['2024-01-01t00:00:00.5z', 1704067200500],
    [1704067200000, 1704067200000],
    [-8640000000000000, -8640000000000000],
  ])('takes %j', (now, time) => expect(read(now)).toEqual(new Date(time)))

  test.each([
    '2024-01-01',
    '2024-01-01T00:00:00',
    '2024-01-01T00:00Z',
    '2024-01-01T24:00:00Z',
    '2024-02-30T00:00:00Z',
    '2023-02-29T00:00:00Z',
    '2024-13-01T00:00:00Z',
    '2024-01-01T00:00:60Z',
    '2024-01-01T00:00:00+24:00',
    '2024-01-01 00:00:00Z',
    '2024-01-01T00:00:00Z\n',
    'now',
    1.5,
    8640000000000001,
    {},
  ])('says what it takes to %j', (now) =>
    expect(chat({ now })?.message).toMatch(
      /^now must be a date and time with a time zone, such as 2024-01-01T00:00:00Z, or an integer from -8640000000000000 to 8640000000000000, the milliseconds since 1970, not .+\.$/,
    ),
  )

  test('takes up to nine digits behind its seconds, and the schema says that milliseconds count', () => {
    expect(chat({ now: '2024-01-01T00:00:00.1234567890Z' })?.message).toBe(
      'now must have at most 9 digits behind its seconds.',
    )
    const { now } = generateBody.schema.properties as Record<string, { description: string }>
    expect(now?.description).toMatch(/^The time that .* The clock of templates has milliseconds: /)
  })
})
