import { loadModel, type Message, NoChatTemplateError, TemplateError } from 'verbatim-llama'
import { describe, expect, test } from 'vitest'
import { plainModel, rejection, rendered, spmModel, tinyModel, user } from './support/model.js'

describe('a chatTemplate', () => {
  test('sees the word auto, which stands for a choice of the engine in other options', async () => {
    const load = { specialTokens: { bos_token: 'auto', eos_token: null } }
    expect(await rendered('{{ bos_token }}', user(''), {}, load)).toBe('auto')
  })

  test('and special tokens are not taken from a prototype that somebody added to', async () => {
    const added = { value: 'x', configurable: true, enumerable: true, writable: true }
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
    expect(await other.renderPrompt(user(''))).toMatchObject({ text: '', spans: [], tokenIds: [] })
    expect(await rejection(other.generateInference(user('')))).toMatchObject({ code: 'TEMPLATE_RENDER' })
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
