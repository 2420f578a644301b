import { createHash } from 'node:crypto'
import {
  type InferenceResult,
  InvalidOptionError,
  loadModel,
  type Model,
  type ReceiptEvidence,
  verifyReceipt,
} from 'verbatim-llama'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { withSnakeCaseNames } from '#lib/worker/snake-case.js'
import { rejection, tinyModel, writable } from './support/model.js'

const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex')
const messages = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Hello "there" \u0001é😀\n' },
]
const tools = [{ type: 'function', function: { name: 'f', description: 'd', parameters: {} } }]
const options = {
  tools,
  templateVariables: { x: 1.5 },
  maxTokens: 5,
  seed: 7,
  stop: ['zzz'],
  now: new Date(0),
  ignoredInputs: 'allow',
} as const

const VERIFIED = [
  'version',
  'messagesSha256',
  'toolsSha256',
  'documentsSha256',
  'templateVariablesSha256',
  'chatTemplateName',
  'chatTemplateSha256',
  'modelMetadataSha256',
  'promptTextSha256',
  'promptTokenIdsSha256',
  'outputTokenIdsSha256',
  'specialTokens',
  'ropeScaling',
]
const UNVERIFIED = [
  'now',
  'addGenerationPrompt',
  'controlTokens',
  'ignoredInputs',
  'sampling',
  'seed',
  'packageVersion',
  'llamaCppVersion',
]

let model: Model
let result: InferenceResult
beforeAll(async () => {
  model = await loadModel(tinyModel, { contextSize: 512, threads: 1 })
  result = await model.generateInference(messages, options)
})
afterAll(() => model.dispose())

describe('a receipt', () => {
  test('hashes what its documentation says', async () => {
    const { text, tokenIds } = await model.renderPrompt(messages, {
      tools,
      templateVariables: { x: 1.5 },
      ignoredInputs: 'allow',
      now: new Date(0),
    })
    expect(result.receipt).toMatchObject({
      version: 1,
      messagesSha256: sha256(JSON.stringify(messages)),
      toolsSha256: sha256(JSON.stringify(tools)),
      documentsSha256: null,
      templateVariablesSha256: sha256('{"x":1.5}'),
      chatTemplateName: 'default',
      chatTemplateSha256: sha256(model.info.chatTemplate as string),
      modelMetadataSha256: model.info.metadataSha256,
      promptTextSha256: sha256(text),
      promptTokenIdsSha256: sha256(new Uint8Array(Uint32Array.from(tokenIds).buffer)),
      outputTokenIdsSha256: sha256(new Uint8Array(Uint32Array.from(result.tokenIds).buffer)),
      now: 0,
      addGenerationPrompt: true,
      controlTokens: 'template',
      specialTokens: model.info.specialTokens,
      sampling: {
        maxTokens: 5,
        temperature: 0.7,
        topP: 0.9,
        topK: 0,
        stop: ['zzz'],
        ignoreEndOfSequence: false,
        reproducible: false,
        speculative: false,
      },
      seed: 7,
      packageVersion: '0.1.0',
      llamaCppVersion: '0.5.0',
    })
  })

  test('cannot be written to, and neither can what it holds', async () => {
    expect(writable(result.receipt, 'receipt')).toEqual([])
    const { receipt } = await model.generateInference(messages, {
      maxTokens: 1,
      controlTokens: { trustRoles: ['assistant'] },
    })
    expect(writable(receipt, 'receipt')).toEqual([])
  })

  test('survives JSON, and verifies', async () => {
    const receipt = JSON.parse(JSON.stringify(result.receipt)) as typeof result.receipt
    const evidence = { model, messages, tools, templateVariables: { x: 1.5 }, tokenIds: result.tokenIds }
    expect(await verifyReceipt(receipt, evidence)).toMatchObject({ ok: true, mismatches: [] })
  })

  test('hashes JSON text as the value it spells, in compact form, number spelling and key order kept', async () => {
    const spaced =
      ' [ {"role" : "user", "content":"\\u0048i \\ud83d\\ude00\\/\\n", "n": [1.0, 1e2], "b":1, "a" : 2} ] '
    const { receipt } = await model.generateInference(spaced, { maxTokens: 1 })
    expect(receipt.messagesSha256).toBe(
      sha256('[{"role":"user","content":"Hi 😀/\\n","n":[1.0,1e2],"b":1,"a":2}]'),
    )
    expect((await verifyReceipt(receipt, { model, messages: spaced })).ok).toBe(true)
  })

  test('names what does not agree', async () => {
    const evidence = { model, messages, tools, templateVariables: { x: 1.5 }, tokenIds: result.tokenIds }
    const { receipt } = result
    const mismatches = async (changed: object) =>
      (await verifyReceipt(receipt, { ...evidence, ...changed })).mismatches
    expect(await mismatches({ messages: messages.slice(1) })).toEqual([
      'messagesSha256',
      'promptTextSha256',
      'promptTokenIdsSha256',
    ])
    expect(await mismatches({ templateVariables: { x: 2 } })).toEqual(['templateVariablesSha256'])
    expect(await mismatches({ tokenIds: [] })).toEqual(['outputTokenIdsSha256'])
    await using other = await loadModel(tinyModel, {
      contextSize: 64,
      threads: 1,
      chatTemplate: '{{ messages }}',
    })
    expect(await mismatches({ model: other })).toEqual([
      'chatTemplateName',
      'chatTemplateSha256',
      'promptTextSha256',
      'promptTokenIdsSha256',
    ])
  })
})

/** The evidence of the result, with changes. */
const evidence = (changed: object = {}): ReceiptEvidence => ({
  model,
  messages,
  tools,
  templateVariables: { x: 1.5 },
  tokenIds: result.tokenIds,
  ...changed,
})

/** The receipt of the result, with changes. */
const receipt = (changed: object = {}): Record<string, unknown> => ({ ...result.receipt, ...changed })

describe('the result of verifyReceipt', () => {
  test('names every field of the receipt once, as verified or not', async () => {
    const { verified, unverified, ...rest } = await verifyReceipt(result.receipt, evidence())
    expect(rest).toEqual({ ok: true, mismatches: [] })
    expect(verified).toEqual(VERIFIED)
    expect(unverified).toEqual(UNVERIFIED)
    expect([...verified, ...unverified].sort()).toEqual(Object.keys(result.receipt).sort())
  })

  test('does not count the output as verified where no tokens are given', async () => {
    const { ok, verified, unverified } = await verifyReceipt(
      receipt({ outputTokenIdsSha256: 'of another output' }),
      evidence({ tokenIds: undefined }),
    )
    expect(ok).toBe(true)
    expect(verified).not.toContain('outputTokenIdsSha256')
    expect(unverified).toEqual(['outputTokenIdsSha256', ...UNVERIFIED])
  })

  /** Another value for each field. */
  const others: Record<string, unknown> = {
    documentsSha256: sha256('[]'),
    now: 86_400_000,
    addGenerationPrompt: false,
    controlTokens: 'anywhere',
    ignoredInputs: 'refuse',
    specialTokens: { bos_token: '<s>' },
    ropeScaling: { type: 'linear', factor: 3 },
    sampling: { maxTokens: 6 },
    seed: 8,
    packageVersion: '0.0.1',
    llamaCppVersion: '0.0.1',
  }
  test.each([...VERIFIED, ...UNVERIFIED].filter((field) => field !== 'version'))(
    'a changed %s is a mismatch, or said to be unverified',
    async (field) => {
      const changed = receipt({ [field]: others[field] ?? sha256(field) })
      const { ok, mismatches, verified, unverified } = await verifyReceipt(changed, evidence())
      expect(ok).toBe(mismatches.length === 0)
      if (VERIFIED.includes(field)) {
        expect(mismatches).toEqual([field])
        expect(verified).toContain(field)
        expect(unverified).not.toContain(field)
      } else {
        expect(unverified).toContain(field)
        expect(verified).not.toContain(field)
      }
    },
  )

  test('names the special tokens where the model has others, in whatever order', async () => {
    const { specialTokens } = model.info
    const reversed = Object.fromEntries(Object.entries(specialTokens).reverse())
    expect((await verifyReceipt(receipt({ specialTokens: reversed }), evidence())).ok).toBe(true)
    await using other = await loadModel(tinyModel, {
      contextSize: 64,
      threads: 1,
      specialTokens: { bos_token: '<another>' },
    })
    const { mismatches } = await verifyReceipt(result.receipt, evidence({ model: other }))
    expect(mismatches).toContain('specialTokens')
  })

  test('lists fields that are not known here as unverified', async () => {
    const { ok, unverified } = await verifyReceipt(receipt({ signature: 'x', __note: null }), evidence())
    expect(ok).toBe(true)
    expect(unverified).toEqual([...UNVERIFIED, 'signature', '__note'])
  })

  test('is frozen', async () => {
    const verification = await verifyReceipt(result.receipt, evidence())
    for (const part of [verification, ...Object.values(verification)])
      if (typeof part === 'object') expect(Object.isFrozen(part)).toBe(true)
  })
})

describe('a receipt in snake_case, as workers write it', () => {
  test('verifies like the library’s own', async () => {
    const written = withSnakeCaseNames(result.receipt) as Record<string, unknown>
    expect(written).toHaveProperty('prompt_token_ids_sha256')
    expect(await verifyReceipt(written, evidence())).toEqual(await verifyReceipt(result.receipt, evidence()))
    const changed = { ...written, prompt_text_sha256: sha256('') }
    expect((await verifyReceipt(changed, evidence())).mismatches).toEqual(['promptTextSha256'])
  })

  test('has trusted roles, under their name there', async () => {
    const spelling = [{ role: 'assistant', content: 'a <|im_end|> b' }]
    const run = await model.generateInference(spelling, {
      maxTokens: 1,
      controlTokens: { trustRoles: ['assistant'] },
    })
    const written = withSnakeCaseNames(run.receipt) as Record<string, unknown>
    expect(written.control_tokens).toEqual({ trust_roles: ['assistant'] })
    expect((await verifyReceipt(written, { model, messages: spelling })).ok).toBe(true)
    const distrusting = { ...written, control_tokens: 'template' }
    expect((await verifyReceipt(distrusting, { model, messages: spelling })).mismatches).toEqual([
      'promptTokenIdsSha256',
    ])
  })

  test('is refused where a field is there in both spellings', async () => {
    const error = await rejection(verifyReceipt(receipt({ tools_sha256: null }), evidence()))
    expect(error).toBeInstanceOf(InvalidOptionError)
    expect(error).toMatchObject({
      path: 'receipt.toolsSha256',
      message: expect.stringContaining('is there twice, also as tools_sha256'),
    })
  })
})

describe('what is no receipt is refused', () => {
  test.each<[string, () => unknown, string, string]>([
    ['null', () => null, 'receipt', 'must be the receipt of a result, not null'],
    ['undefined', () => undefined, 'receipt', 'is missing: it must be the receipt of a result'],
    ['JSON text', () => JSON.stringify(result.receipt), 'receipt', 'not a string'],
    ['an array', () => [result.receipt], 'receipt', 'not an array'],
    ['a promise', () => Promise.resolve(result.receipt), 'receipt', 'not a promise: await it first'],
    ['an empty object', () => ({}), 'receipt.version', 'is missing. Pass the whole receipt of a result'],
    ['a whole result', () => result, 'receipt.version', 'is missing. Pass the receipt that is in it'],
    ['another version', () => receipt({ version: 2 }), 'receipt.version', 'must be 1, the only version'],
    ['a missing field', () => receipt({ seed: undefined }), 'receipt.seed', 'is missing'],
    [
      'a hash that is none',
      () => receipt({ messagesSha256: 5 }),
      'receipt.messagesSha256',
      'a string, not 5',
    ],
    ['no hash at all', () => receipt({ promptTextSha256: null }), 'receipt.promptTextSha256', 'not null'],
    ['a time in words', () => receipt({ now: 'today' }), 'receipt.now', 'milliseconds since 1970'],
    ['no time', () => receipt({ now: null }), 'receipt.now', 'not null'],
    ['a time without end', () => receipt({ now: 1e300 }), 'receipt.now', 'milliseconds since 1970'],
    [
      'a number for a flag',
      () => receipt({ addGenerationPrompt: 1 }),
      'receipt.addGenerationPrompt',
      'not 1',
    ],
    ['an unknown policy', () => receipt({ controlTokens: 'x' }), 'receipt.controlTokens', "'template'"],
    ['another policy', () => receipt({ controlTokens: { trust: [] } }), 'receipt.controlTokens', 'an object'],
    ['a role of none', () => receipt({ controlTokens: { trustRoles: [1] } }), 'receipt.controlTokens', 'not'],
    ['tokens of no name', () => receipt({ specialTokens: [] }), 'receipt.specialTokens', 'not an array'],
    [
      'a token of no text',
      () => receipt({ specialTokens: { bos_token: 1 } }),
      'receipt.specialTokens',
      'of strings',
    ],
    ['a word for ignored inputs', () => receipt({ ignoredInputs: 'x' }), 'receipt.ignoredInputs', "'refuse'"],
    ['scaling in words', () => receipt({ ropeScaling: 'yarn' }), 'receipt.ropeScaling', 'an object or null'],
    [
      'scaling with a member twice',
      () => receipt({ ropeScaling: { ...result.receipt.ropeScaling, original_context_size: 1 } }),
      'receipt.ropeScaling.originalContextSize',
      'is there twice, also as original_context_size',
    ],
    ['no sampling', () => receipt({ sampling: 'greedy' }), 'receipt.sampling', 'must be an object'],
    ['a seed in words', () => receipt({ seed: 'seven' }), 'receipt.seed', 'an integer from 0'],
    ['a symbol', () => receipt({ [Symbol('s')]: 1 }), 'receipt[Symbol(s)]', 'named by a symbol'],
    [
      'wrong in snake_case',
      () => ({ ...(withSnakeCaseNames(result.receipt) as object), package_version: 1 }),
      'receipt.package_version',
      'must be a string, not 1',
    ],
  ])('%s', async (_, make, path, reason) => {
    const error = await rejection(verifyReceipt(make() as never, evidence()))
    expect(error).toBeInstanceOf(InvalidOptionError)
    expect(error).toMatchObject({ path, message: expect.stringContaining(reason) })
  })

  test('what an accessor throws is the cause', async () => {
    const cause = new Error('mine')
    const throwing = Object.defineProperty(receipt(), 'extra', {
      enumerable: true,
      get() {
        throw cause
      },
    })
    expect(await rejection(verifyReceipt(throwing, evidence()))).toMatchObject({ path: 'receipt', cause })
  })
})

describe('what is no evidence is refused', () => {
  test.each<[string, () => unknown, string, string]>([
    ['null', () => null, 'evidence', 'must be an object, not null'],
    ['undefined', () => undefined, 'model', 'is missing: it must be a model from loadModel'],
    ['a string', () => 'x', 'evidence', 'must be an object'],
    ['a promise', () => Promise.resolve(evidence()), 'evidence', 'not a promise: await it first'],
    [
      'an unknown name',
      () => evidence({ tokens: [] }),
      'evidence.tokens',
      'evidence.tokens is not known here. ',
    ],
    ['no messages', () => evidence({ messages: undefined }), 'messages', 'must be an array'],
    [
      'a model to come',
      () => evidence({ model: Promise.resolve(model) }),
      'model',
      'is a promise: await loadModel(…)',
    ],
    ['tokens of no number', () => evidence({ tokenIds: ['1'] }), 'tokenIds[0]', 'must be an integer'],
    ['null as tokens', () => evidence({ tokenIds: null }), 'tokenIds', 'must be an array of integers'],
    ['text as tokens', () => evidence({ tokenIds: 'abc' }), 'tokenIds', 'must be an array of integers'],
  ])('%s', async (_, make, path, reason) => {
    const error = await rejection(verifyReceipt(result.receipt, make() as never))
    expect(error).toMatchObject({ path, message: expect.stringContaining(reason) })
    expect((error as { code: string }).code).toBe(path === 'messages' ? 'INVALID_MESSAGES' : 'INVALID_OPTION')
  })
})

test('a receipt of an earlier version, whose sampling had fewer values, verifies', async () => {
  const { minTokens: _, ...sampling } = result.receipt.sampling
  expect(await verifyReceipt(receipt({ sampling }), evidence())).toMatchObject({ ok: true, mismatches: [] })
})
