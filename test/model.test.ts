import fc from 'fast-check'
import {
  InvalidMessagesError,
  InvalidOptionError,
  type LoadModelOptions,
  loadModel,
  type Message,
  Model,
  NoChatTemplateError,
  type RenderOptions,
  TemplateError,
} from 'verbatim-llama'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadRepeatable, plainModel, rejection, spmModel, tinyModel, user } from './support/model.js'

const DEFAULT_SYSTEM = 'You are Qwen, created by Alibaba Cloud. You are a helpful assistant.'
let model: Model

beforeAll(async () => {
  model = await loadRepeatable()
})
afterAll(() => model.dispose())

/** The text that a template renders, through the model's vocabulary. */
async function rendered(
  chatTemplate: string,
  messages: readonly Message[] | string,
  options?: RenderOptions,
  load?: LoadModelOptions,
): Promise<string> {
  // Use the smallest vocabulary that takes any text, for a model loaded for one prompt.
  await using other = await loadModel(spmModel, { contextSize: 16, threads: 1, chatTemplate, ...load })
  return (await other.renderPrompt(messages, options)).text
}

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
      specialTokens: { bos_token: '<|endoftext|>', eos_token: '<|im_end|>', pad_token: '<|endoftext|>' },
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
    expect(Object.isFrozen(other.info)).toBe(true)
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

describe('a chatTemplate', () => {
  test('may be the word auto, which stands for a choice of the engine in other options', async () => {
    const load = { specialTokens: { bos_token: 'auto', eos_token: null } }
    expect(await rendered('auto', user('x'), {}, load)).toBe('auto')
    expect(await rendered('{{ bos_token }}', user('x'), {}, load)).toBe('auto')
  })

  test('and special tokens are not taken from a prototype that somebody added to', async () => {
    const added = { value: 'x', configurable: true, enumerable: true }
    Object.defineProperties(Object.prototype, { bos_token: added, maxQueue: added, chatTemplate: added })
    try {
      await using other = await loadModel(spmModel, { contextSize: 16, threads: 1 })
      expect(other.info).toMatchObject({ chatTemplate: null, maxQueue: 1000 })
      expect(Object.values(other.info.specialTokens)).not.toContain('x')
    } finally {
      for (const name of ['bos_token', 'maxQueue', 'chatTemplate'])
        delete (Object.prototype as Record<string, unknown>)[name]
    }
  })

  test('takes the place of the one in the file', async () => {
    const chatTemplate = '{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}'
    await using other = await loadModel(tinyModel, { contextSize: 16, threads: 1, chatTemplate })
    expect(other.info.chatTemplate).toBe(chatTemplate)
    expect((await other.renderPrompt(user('Hi'))).text).toBe('[user] Hi\n')
  })

  test.each(['{% if %}', '{{ messages', '{% for m in messages %}', '{% endfor %}', '{{ 1 + }}'])(
    'that does not parse is a typed error: %s',
    async (chatTemplate) => {
      const error = await rejection(loadModel(spmModel, { contextSize: 16, chatTemplate }))
      expect(error).toBeInstanceOf(TemplateError)
      expect(error).toMatchObject({ code: 'TEMPLATE_SYNTAX' })
    },
  )

  test('that calls raise_exception is quoted', async () => {
    const template = "{{ raise_exception('roles must alternate — ' ~ messages|length) }}"
    await using other = await loadModel(spmModel, { contextSize: 16, threads: 1, chatTemplate: template })
    for (const error of [
      await rejection(other.renderPrompt(user('a'))),
      await rejection(other.generateInference(user('a'))),
    ]) {
      expect(error).toBeInstanceOf(TemplateError)
      expect(error).toMatchObject({ code: 'TEMPLATE_RENDER' })
      expect((error as Error).message).toContain('roles must alternate — 1')
    }
  })

  test('that renders an empty prompt is refused for generating', async () => {
    await using other = await loadModel(spmModel, { contextSize: 16, threads: 1, chatTemplate: '{# #}' })
    expect(await other.renderPrompt(user('a'))).toEqual({ text: '', spans: [], tokenIds: [] })
    expect(await rejection(other.generateInference(user('a')))).toMatchObject({ code: 'TEMPLATE_RENDER' })
  })

  test('that is missing lets the model tokenize, and refuses messages', async () => {
    await using plain = await loadModel(plainModel, { contextSize: 64, threads: 1 })
    expect(plain.info.chatTemplate).toBeNull()
    expect(await plain.detokenize(await plain.tokenize('Hello, world'))).toBe('Hello, world')
    expect(await rejection(plain.renderPrompt(user('a')))).toBeInstanceOf(NoChatTemplateError)
    expect(await rejection(plain.generateInference(user('a')))).toBeInstanceOf(NoChatTemplateError)
    const [step] = await Promise.allSettled(
      [plain.generateInference(user('a')).stream].map(async (stream) => {
        for await (const _ of stream) return 'a piece'
        return 'an end'
      }),
    )
    expect(step).toMatchObject({ status: 'rejected', reason: expect.any(NoChatTemplateError) })
  })
})

describe('a template sees', () => {
  test('the special tokens of the file, in part replaced or removed', async () => {
    const names = ['bos_token', 'eos_token', 'pad_token', 'unk_token', 'sep_token', 'cls_token', 'mask_token']
    const template = names.map((name) => `{{ ${name} is defined and ${name} }}`).join('|')
    expect(await rendered(template, user(''))).toBe('<s>|</s>|False|<unk>|False|False|False')
    expect(
      await rendered(
        template,
        user(''),
        {},
        {
          specialTokens: { bos_token: null, eos_token: '«end»', mask_token: '<mask>', unk_token: '' },
        },
      ),
    ).toBe('False|«end»|False||False|False|<mask>')
    await using other = await loadModel(tinyModel, {
      contextSize: 16,
      threads: 1,
      specialTokens: { bos_token: null, pad_token: 'P' },
    })
    expect(other.info.specialTokens).toEqual({ eos_token: '<|im_end|>', pad_token: 'P' })
  })

  test('templateVariables, tools, documents and addGenerationPrompt', async () => {
    const template =
      '{{ enable_thinking|tojson }};{{ n|tojson }};{{ tools|tojson }};{{ documents|tojson }};' +
      '{{ add_generation_prompt }};{{ nothing is defined }}'
    expect(
      await rendered(template, user(''), {
        templateVariables: { enable_thinking: false, n: { a: [1, 'ü'] } },
        tools: [{ name: 't' }],
        documents: [{ title: 'd' }, 'plain'],
        addGenerationPrompt: false,
      }),
    ).toBe('false;{"a": [1, "ü"]};[{"name": "t"}];[{"title": "d"}, "plain"];False;False')
    expect(
      await rendered('{{ tools is none }};{{ documents is none }};{{ add_generation_prompt }}', user('')),
    ).toBe('True;True;True')
  })

  test('the time that is given as now', async () => {
    const now = new Date('2031-02-03T04:05:06.789Z')
    const template = "{{ strftime_now('%Y-%m-%d %H:%M:%S') }}"
    expect(await rendered(template, user(''), { now })).toBe('2031-02-03 04:05:06')
    expect(await rendered("{{ strftime_now('%Y') }}", user(''))).toMatch(/^20\d\d$/)
  })

  test('every member of a message, in the order it was written', async () => {
    const messages: Message[] = [{ role: 'x', zeta: 1, content: null, alpha: [{ type: 'text', text: 'ß' }] }]
    const json = '[{"role": "x", "zeta": 1, "content": null, "alpha": [{"type": "text", "text": "ß"}]}]'
    expect(await rendered('{{ messages|tojson }}', messages)).toBe(json)
    expect(await rendered('{{ messages|tojson }}', JSON.stringify(messages))).toBe(json)
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
    const options = guarded({ maxTokens: 2, stop: ['zzz'], templateVariables: { a: { b: 1 } } })
    expect((await model.renderPrompt(messages)).text).toContain('Hello')
    expect((await model.generateInference(messages, options)).tokenIds).toHaveLength(2)
  })

  test('and options are copied before the call returns', async () => {
    const message = { role: 'user', content: 'Hello', parts: [{ type: 'text', text: 'x' }] }
    const messages = [message]
    const stop = ['zzz']
    const options = { maxTokens: 20, seed: 3, stop, templateVariables: { a: 1 } }
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
