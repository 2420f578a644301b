import { inspect } from 'node:util'
import { describe, expect, expectTypeOf, test } from 'vitest'
import * as errors from '#lib/errors.js'
import { type ErrorCode, VerbatimError } from '#lib/errors.js'
import { fromNative, type NativeError } from '#lib/native-error.js'

const partial = {
  text: 'so far',
  tokenIds: [1, 2],
  usage: { promptTokens: 3, cachedTokens: 0, completionTokens: 2 },
  timings: {
    queueMs: 0,
    prefillMs: 1,
    firstTokenMs: 2,
    perTokenMs: 3,
    totalMs: 4,
    draftedTokens: 0,
    acceptedTokens: 0,
  },
  seed: 7,
}

const samples: [VerbatimError, string, ErrorCode, object][] = [
  [
    new errors.InvalidOptionError('m', { path: 'topP' }),
    'InvalidOptionError',
    'INVALID_OPTION',
    { path: 'topP' },
  ],
  [
    new errors.InvalidMessagesError('m', { path: 'messages[0]' }),
    'InvalidMessagesError',
    'INVALID_MESSAGES',
    { path: 'messages[0]' },
  ],
  [
    new errors.ModelLoadError('MODEL_TRUNCATED', 'm', { path: '/m', expectedBytes: 9, fileBytes: 8 }),
    'ModelLoadError',
    'MODEL_TRUNCATED',
    { path: '/m', architecture: undefined, expectedBytes: 9, fileBytes: 8 },
  ],
  [
    new errors.OutOfMemoryError('m', { neededBytes: 5 }),
    'OutOfMemoryError',
    'OUT_OF_MEMORY',
    { neededBytes: 5, devices: [] },
  ],
  [new errors.NoChatTemplateError(), 'NoChatTemplateError', 'NO_CHAT_TEMPLATE', {}],
  [
    new errors.TemplateError('TEMPLATE_SYNTAX', 'm', { line: 2, column: 3, snippet: '{%' }),
    'TemplateError',
    'TEMPLATE_SYNTAX',
    { line: 2, column: 3, snippet: '{%' },
  ],
  [
    new errors.TemplateLimitError('m', { limit: 'steps' }),
    'TemplateLimitError',
    'TEMPLATE_LIMIT',
    { limit: 'steps' },
  ],
  [
    new errors.TemplateIgnoresInputError('m', { input: 'tools' }),
    'TemplateIgnoresInputError',
    'TEMPLATE_IGNORES_INPUT',
    { input: 'tools' },
  ],
  [new errors.TokenizeError('m'), 'TokenizeError', 'TOKENIZE_FAILED', {}],
  [
    new errors.ContextOverflowError('m', { promptTokens: 20, contextSize: 16 }),
    'ContextOverflowError',
    'CONTEXT_OVERFLOW',
    { promptTokens: 20, contextSize: 16, overflowBy: 4 },
  ],
  [new errors.QueueFullError('m', { maxQueue: 3 }), 'QueueFullError', 'QUEUE_FULL', { maxQueue: 3 }],
  [new errors.CancelledError({ partial }), 'CancelledError', 'CANCELLED', { partial }],
  [new errors.DisposedError(), 'DisposedError', 'DISPOSED', {}],
  [new errors.InferenceConsumedError(), 'InferenceConsumedError', 'INFERENCE_CONSUMED', {}],
  [new errors.DecodeError('m'), 'DecodeError', 'DECODE_FAILED', {}],
  [
    new errors.AddonLoadError([{ path: '/a.node', reason: 'wrong architecture' }]),
    'AddonLoadError',
    'ADDON_LOAD',
    { tried: [{ path: '/a.node', reason: 'wrong architecture' }] },
  ],
  [new errors.InternalError('m'), 'InternalError', 'INTERNAL', {}],
]

describe.each(samples)('%s', (error, name, code, fields) => {
  test('has its name, code, message and fields', () => {
    expect(error).toBeInstanceOf(VerbatimError)
    expect(error).toBeInstanceOf(Error)
    expect(error.constructor.name).toBe(name)
    expect(error.name).toBe(name)
    expect(error.code).toBe(code)
    expect(error.message).not.toBe('')
    expect({ ...error }).toEqual({ code, ...fields })
  })

  test('is readable when printed, and survives a structured clone as an Error', () => {
    expect(error.stack?.startsWith(`${name}: ${error.message}`)).toBe(true)
    expect(inspect(error)).toContain(`code: '${code}'`)
    expect(inspect(error)).not.toContain('name:')
    const clone = structuredClone(error)
    expect(clone).toBeInstanceOf(Error)
    expect(clone.message).toBe(error.message)
  })
})

test('every class is exported and sampled', () => {
  const classes = Object.values(errors).filter(
    (value) => typeof value === 'function' && value.prototype instanceof VerbatimError,
  )
  expect(new Set(samples.map(([error]) => error.constructor))).toEqual(new Set(classes))
})

test('the cause is kept, and absent when there is none', () => {
  const cause = new Error('inner')
  expect(new errors.InternalError('m', { cause }).cause).toBe(cause)
  expect(new errors.CancelledError({}, { cause: undefined })).toHaveProperty('cause', undefined)
  expect(Object.hasOwn(new errors.InternalError('m'), 'cause')).toBe(false)
})

test('AddonLoadError lists what was tried, and keeps its own copy', () => {
  const tried = [{ path: '/a.node', reason: 'not there' }]
  const error = new errors.AddonLoadError(tried)
  tried.push({ path: '/b.node', reason: 'later' })
  expect(error.message).toContain('/a.node: not there')
  expect(error.tried).toHaveLength(1)
  expect(new errors.AddonLoadError([]).message).toContain('no file')
})

test('the codes narrow the classes', () => {
  expectTypeOf(
    new errors.ContextOverflowError('m', { promptTokens: 1, contextSize: 1 }).code,
  ).toEqualTypeOf<'CONTEXT_OVERFLOW'>()
  expectTypeOf<VerbatimError['code']>().toEqualTypeOf<ErrorCode>()
})

describe('fromNative', () => {
  const native = (code: string, fields: NativeError['fields'] = {}) =>
    fromNative({ code, message: `native ${code}`, fields })

  test.each([
    ['INVALID_OPTION', errors.InvalidOptionError, { path: 'threads' }, { path: 'threads' }],
    ['INVALID_MESSAGES', errors.InvalidMessagesError, { path: 'messages[1]' }, { path: 'messages[1]' }],
    ['MODEL_NOT_FOUND', errors.ModelLoadError, { path: '/m' }, { path: '/m' }],
    ['MODEL_INVALID', errors.ModelLoadError, { path: '/m' }, { path: '/m' }],
    [
      'MODEL_TRUNCATED',
      errors.ModelLoadError,
      { path: '/m', expected_bytes: 10, file_bytes: 5 },
      { path: '/m', expectedBytes: 10, fileBytes: 5 },
    ],
    [
      'MODEL_UNSUPPORTED',
      errors.ModelLoadError,
      { path: '/m', architecture: 'novel' },
      { path: '/m', architecture: 'novel' },
    ],
    [
      'OUT_OF_MEMORY',
      errors.OutOfMemoryError,
      { needed_bytes: 2 ** 40, devices: [{ name: 'CPU' }], would_fit: [{ gpu_layers: 3 }] },
      { neededBytes: 2 ** 40, devices: [{ name: 'CPU' }], wouldFit: { gpuLayers: 3 } },
    ],
    ['NO_CHAT_TEMPLATE', errors.NoChatTemplateError, {}, {}],
    [
      'TEMPLATE_SYNTAX',
      errors.TemplateError,
      { line: 1, column: 2, snippet: 's' },
      { line: 1, column: 2, snippet: 's' },
    ],
    ['TEMPLATE_RENDER', errors.TemplateError, { line: 1 }, { line: 1, column: undefined }],
    ['TEMPLATE_LIMIT', errors.TemplateLimitError, { limit: 1000 }, { limit: 1000 }],
    ['TEMPLATE_LIMIT', errors.TemplateLimitError, { limit: 'output' }, { limit: 'output' }],
    ['TOKENIZE_FAILED', errors.TokenizeError, {}, {}],
    [
      'CONTEXT_OVERFLOW',
      errors.ContextOverflowError,
      { prompt_tokens: 20, context_size: 16, overflow_by: 5 },
      { promptTokens: 20, contextSize: 16, overflowBy: 5 },
    ],
    ['QUEUE_FULL', errors.QueueFullError, { max_queue: 8 }, { maxQueue: 8 }],
    ['DECODE_FAILED', errors.DecodeError, { status: -3 }, { details: { status: -3 } }],
    ['CANCELLED', errors.CancelledError, {}, { partial: undefined }],
    ['DISPOSED', errors.DisposedError, {}, {}],
    ['INTERNAL', errors.InternalError, {}, {}],
  ] as const)('%s becomes its class with its fields', (code, errorClass, fields, expected) => {
    const error = native(code, fields)
    expect(error.constructor).toBe(errorClass)
    expect(error.code).toBe(code)
    expect(error.message).toBe(`native ${code}`)
    expect(error).toMatchObject(expected)
    if (!('details' in expected)) expect(error.details).toBeUndefined()
  })

  test('fields nobody knows, or of the wrong type, become details', () => {
    const error = native('TEMPLATE_RENDER', { line: 'four', some_new_field: 1, layer_2_bytes: 3 })
    expect(error).toMatchObject({ line: undefined })
    expect(error.details).toEqual({ line: 'four', someNewField: 1, layer2Bytes: 3 })
    expect(Object.isFrozen(error.details)).toBe(true)
  })

  test('missing fields do not make it fail', () => {
    expect(native('MODEL_INVALID')).toMatchObject({ path: '' })
    expect(native('INVALID_MESSAGES')).toMatchObject({ path: 'messages' })
    expect(native('CONTEXT_OVERFLOW')).toMatchObject({ overflowBy: Number.NaN })
  })

  test('an unknown code becomes an InternalError that names it', () => {
    const error = native('FROM_THE_FUTURE', { a: 1 })
    expect(error).toBeInstanceOf(errors.InternalError)
    expect(error.message).toContain('FROM_THE_FUTURE')
    expect(error.message).toContain('native FROM_THE_FUTURE')
    expect(error.details).toEqual({ a: 1 })
  })
})
