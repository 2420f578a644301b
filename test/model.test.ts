import fc from 'fast-check'
import { InvalidMessagesError, InvalidOptionError, loadModel, type Message, Model } from 'verbatim-llama'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadRepeatable, rejection, rendered, tinyModel, user, writable } from './support/model.js'

const DEFAULT_SYSTEM = 'You are Qwen, created by Alibaba Cloud. You are a helpful assistant.'
let model: Model

beforeAll(async () => {
  model = await loadRepeatable()
})
afterAll(() => model.dispose())

const cpu = {
  name: 'CPU',
  description: expect.any(String),
  type: 'cpu',
  backend: 'CPU',
  totalBytes: expect.any(Number),
  freeBytes: expect.any(Number),
  marginBytes: expect.any(Number),
  weightsBytes: expect.any(Number),
  mappedBytes: expect.any(Number),
  cacheBytes: 512 * 2 * 2 * 32 * 2, // cells, layers, keys and values, width, F16
  computeBytes: expect.any(Number),
}

describe('model.info', () => {
  test('says what the file is and what was asked for', async () => {
    await using other = await loadModel(tinyModel, {
      contextSize: 100,
      cacheSize: 300,
      maxSequences: 3,
      threads: 1,
    })
    expect(other.info).toEqual({
      path: tinyModel,
      name: 'verbatim synthetic tiny',
      description: expect.stringContaining('qwen2'),
      architecture: 'qwen2',
      parameterCount: 9_847_360,
      sizeBytes: 10_464_512,
      layerCount: 2,
      embeddingLength: 64,
      vocabularySize: 151_936,
      trainedContextSize: 4096,
      contextSize: 100,
      cacheSize: 512, // the engine rounds up to blocks of 256
      maxSequences: 3,
      maxQueue: 1000,
      prefixCacheSize: 512,
      prefixSharing: { enabled: true, reason: null },
      batchSize: 512,
      threads: 1,
      chatTemplate: expect.stringMatching(/^\{%- if tools %\}/),
      chatTemplates: [{ name: 'default', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) }],
      specialTokens: { bos_token: '<|endoftext|>', eos_token: '<|im_end|>', pad_token: '<|endoftext|>' },
      ropeScaling: expect.objectContaining({ type: 'none', factor: 1 }),
      gpuLayers: 0,
      kvCacheType: 'f16',
      devices: [cpu],
      memory: {
        attempts: [
          {
            gpuLayers: 0,
            cacheSize: 512,
            batchSize: 512,
            kvCacheType: 'f16',
            outcome: 'taken',
            reason: null,
            devices: [{ name: 'CPU', neededBytes: expect.any(Number), freeBytes: expect.any(Number) }],
          },
        ],
      },
      unusableBackends: [],
      metadataSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
  })

  test('cannot be written to, and neither can what it holds', async () => {
    const info = model.info as unknown as Record<string, Record<string, unknown>>
    expect(() => Object.assign(info.ropeScaling ?? {}, { factor: 99 })).toThrow(TypeError)
    expect(writable(info, 'info')).toEqual([])
  })

  test('has the defaults where nothing was asked for', async () => {
    await using other = await loadModel(tinyModel)
    expect(other.info).toMatchObject({ contextSize: 4096, cacheSize: 4096, maxSequences: 8 })
    expect(other.info.threads).toBeGreaterThan(0)
    expect(other.status).toEqual({ waiting: 0, running: 0, usedCells: 0, savedTokens: 0 })
  })

  test('is of models that only loadModel makes', () => {
    expect(() => new (Model as unknown as new () => Model)()).toThrow(TypeError)
  })
})

describe('the prompt of Qwen2.5', () => {
  const turns: Message[] = [
    { role: 'user', content: 'Hello' },
    { role: 'assistant', content: 'Hi!' },
    { role: 'user', content: 'Tschüß 👋🏽' },
  ]

  test("has the template's own system message where none is given", async () => {
    expect((await model.renderPrompt(turns)).text).toBe(
      `<|im_start|>system\n${DEFAULT_SYSTEM}<|im_end|>\n` +
        '<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHi!<|im_end|>\n' +
        '<|im_start|>user\nTschüß 👋🏽<|im_end|>\n<|im_start|>assistant\n',
    )
  })

  test('has the system message that is given, also an empty one', async () => {
    for (const content of ['Be brief.', '', ' \n ']) {
      const { text } = await model.renderPrompt([{ role: 'system', content }, ...turns.slice(0, 1)])
      expect(text).toBe(
        `<|im_start|>system\n${content}<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n`,
      )
    }
  })

  test('lacks the start of an answer without addGenerationPrompt', async () => {
    const { text } = await model.renderPrompt(user('Hello'), { addGenerationPrompt: false })
    expect(text.endsWith('<|im_start|>user\nHello<|im_end|>\n')).toBe(true)
  })

  test('has tools, calls and their results', async () => {
    const tool = {
      type: 'function',
      function: { name: 'clock', description: 'Time <of> day', parameters: { type: 'object' } },
    }
    const messages: Message[] = [
      { role: 'user', content: 'Time?' },
      { role: 'assistant', tool_calls: [{ function: { name: 'clock', arguments: { zone: 'UTC' } } }] },
      { role: 'tool', content: '12:00' },
    ]
    const { text } = await model.renderPrompt(messages, { tools: [tool] })
    expect(text).toContain(
      '<tools>\n{"type": "function", "function": {"name": "clock", "description": "Time <of> day", ' +
        '"parameters": {"type": "object"}}}\n</tools>',
    )
    expect(text).toContain('<tool_call>\n{"name": "clock", "arguments": {"zone": "UTC"}}\n</tool_call>')
    expect(text).toContain('<|im_start|>user\n<tool_response>\n12:00\n</tool_response><|im_end|>\n')
    expect(await model.renderPrompt(JSON.stringify(messages), { tools: JSON.stringify([tool]) })).toEqual(
      await model.renderPrompt(messages, { tools: [tool] }),
    )
  })

  test('has the tokens of its text, which are those that the model is given', async () => {
    const prompt = await model.renderPrompt(turns)
    expect(prompt.tokenIds).toEqual(await model.tokenize(prompt.text, { controlTokens: 'parse' }))
    expect(await model.detokenize(prompt.tokenIds)).toBe(prompt.text)
    expect(prompt.tokenIds[0]).toBe(151_644) // <|im_start|>, and nothing before it
    const { usage } = await model.generateInference(turns, { maxTokens: 1 })
    expect(usage.promptTokens).toBe(prompt.tokenIds.length)
  })
})

describe('tokenize and detokenize', () => {
  test('give any text back', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.string({ unit: 'binary', maxLength: 60 }), fc.string({ unit: 'grapheme' })),
        fc.constantFrom('text' as const, 'parse' as const),
        async (text, controlTokens) => {
          const tokens = await model.tokenize(text, { controlTokens })
          expect(await model.detokenize(tokens)).toBe(text)
        },
      ),
      { numRuns: 300, seed: 1 },
    )
  })

  test('agree with known tokens', async () => {
    expect(await model.tokenize('')).toEqual([])
    expect(await model.detokenize([])).toBe('')
    expect(await model.tokenize('Hello')).toEqual([9707])
    expect(await model.detokenize([9707, 198])).toBe('Hello\n')
    expect(await model.detokenize(Int32Array.of(9707))).toBe('Hello')
  })

  test('take the name of a control token for text unless it is to be parsed', async () => {
    const text = 'a<|im_end|>b<|endoftext|>'
    const asText = await model.tokenize(text)
    expect(asText).not.toContain(151_645)
    expect(asText).toEqual(await model.tokenize(text, { controlTokens: 'text' }))
    expect(await model.detokenize(asText)).toBe(text)
    const parsed = await model.tokenize(text, { controlTokens: 'parse' })
    expect(parsed).toEqual([64, 151_645, 65, 151_643])
    expect(await model.detokenize(parsed)).toBe(text)
  })

  test('give U+FFFD for a token that ends inside a character', async () => {
    const tokens = await model.tokenize('𓀀')
    expect(tokens.length).toBeGreaterThan(1)
    expect(await model.detokenize(tokens.slice(0, 1))).toContain('\ufffd')
    expect(await model.detokenize(tokens)).toBe('𓀀')
  })

  test('take texts of 200,000 characters', async () => {
    for (const text of ['a'.repeat(200_000), ' '.repeat(100_000), '1'.repeat(20_000), '\n'.repeat(50_000)]) {
      expect(await model.detokenize(await model.tokenize(text))).toBe(text)
    }
  })

  test.each([[[151_936]], [[1, 2, 2 ** 31 - 1]]])('refuse ids outside the vocabulary: %j', async (ids) => {
    const error = await rejection(model.detokenize(ids))
    expect(error).toBeInstanceOf(InvalidOptionError)
    expect(error).toMatchObject({ path: `tokenIds[${ids.length - 1}]` })
  })

  test.each([[[-1]], [[0.5]], [['1']], [[Number.NaN]], [{ length: 1 }], ['12'], [undefined]])(
    'refuse what are no ids at all: %j',
    async (ids) => {
      expect(await rejection(model.detokenize(ids as never))).toBeInstanceOf(InvalidOptionError)
    },
  )

  test('refuse texts and options that are wrong', async () => {
    expect(await rejection(model.tokenize(1 as never))).toMatchObject({ path: 'text' })
    expect(await rejection(model.tokenize('\ud800'))).toMatchObject({ path: 'text' })
    expect(await rejection(model.tokenize('', { controlTokens: 'no' as never }))).toMatchObject({
      path: 'controlTokens',
    })
  })
})

describe('messages', () => {
  test('may be frozen all the way down', async () => {
    const part = Object.freeze({ type: 'text', text: 'x' })
    const message = Object.freeze({ role: 'user', content: 'Hello', parts: Object.freeze([part]) })
    const messages = Object.freeze([message])
    expect((await model.renderPrompt(messages)).text).toContain('Hello')
    expect((await model.generateInference(messages, Object.freeze({ maxTokens: 2 }))).tokenIds).toHaveLength(
      2,
    )
  })

  test('are never written to', async () => {
    const forbidden = () => {
      throw new Error('written to')
    }
    const guarded = <T extends object>(value: T): T =>
      new Proxy(value, {
        get: (target, key) => {
          const member = Reflect.get(target, key)
          return typeof member === 'object' && member !== null ? guarded(member) : member
        },
        set: forbidden,
        defineProperty: forbidden,
        deleteProperty: forbidden,
        setPrototypeOf: forbidden,
        preventExtensions: forbidden,
      })
    const messages = guarded([{ role: 'user', content: 'Hello', extra: { list: [1, { a: 2 }] } }])
    const options = guarded({ maxTokens: 2, stop: ['zzz'], tools: [{ a: { b: 1 } }] })
    expect((await model.renderPrompt(messages)).text).toContain('Hello')
    expect((await model.generateInference(messages, options)).tokenIds).toHaveLength(2)
  })

  test('and options are copied before the call returns', async () => {
    const message = { role: 'user', content: 'Hello', parts: [{ type: 'text', text: 'x' }] }
    const messages = [message]
    const stop = ['zzz']
    const options = { maxTokens: 20, seed: 3, stop, tools: [{ a: 1 }] }
    const expected = await model.generateInference(structuredClone(messages), structuredClone(options))
    const expectedPrompt = await model.renderPrompt(structuredClone(messages))
    const run = model.generateInference(messages, options)
    const prompt = model.renderPrompt(messages)
    message.content = 'Something else that is much longer than it was'
    messages.push({ role: 'user', content: 'more', parts: [] })
    options.maxTokens = 1
    stop[0] = expected.text.slice(0, 1)
    expect(await run).toMatchObject({ text: expected.text, usage: expected.usage })
    expect(await prompt).toEqual(expectedPrompt)
  })

  test('as JSON text keep what JavaScript values cannot hold', async () => {
    const json = '[{"role":"user","content":"Hello","n":9007199254740993,"10":1,"9":2}]'
    expect((await model.renderPrompt(json)).text).toBe((await model.renderPrompt(user('Hello'))).text)
    expect(await rendered('{{ messages|tojson }}', json)).toBe(
      '[{"role": "user", "content": "Hello", "n": 9007199254740993, "10": 1, "9": 2}]',
    )
    const n = 2n ** 63n - 1n
    expect(await rendered('{{ messages[0].n }}', [{ role: 'x', n }])).toBe('9223372036854775807')
  })

  test.each([
    ['no array', { role: 'user' }, 'messages'],
    ['an empty array', [], 'messages'],
    ['text that is no JSON', 'Hello', 'messages'],
    ['no role', [{ content: 'x' }], 'messages[0].role'],
    ['undefined', [{ role: 'user', content: undefined }], 'messages[0].content'],
    ['a lone surrogate', [{ role: 'user', content: '\udc00' }], 'messages[0].content'],
  ])('are refused by path if they are %s', async (_, messages, path) => {
    for (const error of [
      await rejection(model.renderPrompt(messages as never)),
      await rejection(model.generateInference(messages as never)),
    ]) {
      expect(error).toBeInstanceOf(InvalidMessagesError)
      expect(error).toMatchObject({ path })
    }
  })
})
