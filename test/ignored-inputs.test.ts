import {
  generateInference,
  type LoadModelOptions,
  loadModel,
  type Message,
  type Model,
  type RenderOptions,
  TemplateIgnoresInputError,
  verifyReceipt,
} from 'verbatim-llama'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rejection, rendered, spmModel, tinyModel, user } from './support/model.js'

const tools = [{ type: 'function', function: { name: 'f', description: 'd', parameters: {} } }]

const withTemplate = (chatTemplate: string, load?: LoadModelOptions) =>
  loadModel(spmModel, { contextSize: 64, threads: 1, chatTemplate, ...load })

/** What a template refuses when it renders these messages. */
async function refused(chatTemplate: string, messages: readonly Message[], options?: RenderOptions) {
  const error = await rejection(rendered(chatTemplate, messages, options))
  expect(error).toBeInstanceOf(TemplateIgnoresInputError)
  expect(error).toMatchObject({ code: 'TEMPLATE_IGNORES_INPUT' })
  return (error as TemplateIgnoresInputError).input
}

describe('messages of which no character reaches the prompt', () => {
  test.each([
    'You are a poet.\n',
    '{{ bos_token }}hello',
    '{% for m in messages %}{{ m.role }}{% endfor %}',
    '{% if messages[0].content == "x" %}yes{% else %}no{% endif %}',
    '{% for m in messages %}{{ m.contents }}{% endfor %}.',
  ])('are refused, in every call: %s', async (chatTemplate) => {
    await using model = await withTemplate(chatTemplate)
    for (const error of [
      await rejection(model.renderPrompt(user('Hi'))),
      await rejection(model.renderPrompt(user('Hi'), { ignoredInputs: 'allow' })),
      await rejection(model.generateInference(user('Hi'))),
      await rejection(generateInference(user('Hi'), { model })),
    ]) {
      expect(error).toBeInstanceOf(TemplateIgnoresInputError)
      expect(error).toMatchObject({ code: 'TEMPLATE_IGNORES_INPUT', input: 'messages' })
    }
  })

  test('are refused where only a name or a call holds text', async () => {
    const template = '{% for m in messages %}{{ m.content }}{% endfor %}.'
    expect(await refused(template, [{ role: 'user', content: '', name: 'Ada' }])).toBe('messages')
    expect(await refused(template, [{ role: 'assistant', content: '', calls: [{ id: 7 }] }])).toBe('messages')
  })

  test('pass where they hold only white space', async () => {
    for (const content of ['', ' \n\t\u3000', null, [{ type: 'text', text: ' ' }]])
      expect(await rendered('A prompt.', [{ role: 'user', content }])).toBe('A prompt.')
  })

  test('need one character in the prompt, of one of them', async () => {
    expect(await rendered('{{ messages[-1].content[0] }}', [...user('a'), ...user('bc')])).toBe('b')
    expect(await rendered('{{ messages[0].content | trim }}', user('  x '))).toBe('x')
    expect(await rendered('{{ messages[0].role }}', [{ role: 'Ada', content: '' }])).toBe('Ada')
    expect(await rendered('{{ messages | tojson }}', user('x'))).toContain('x')
  })

  test.each([
    ['a role of their own', '{{ messages[0].role }}', { role: 'Ada', content: 'Hi' }],
    ['null', '{{ messages[0].name }}', { role: 'user', content: 'Hi', name: null }],
    ['an empty list', '{{ messages[0].tool_calls }}', { role: 'user', content: 'Hi', tool_calls: [] }],
    [
      'the type of a part',
      '{{ messages[0].content[0].type }}',
      { role: 'user', content: [{ type: 'text', text: 'Hi' }] },
    ],
    ['their number', '{{ messages | length }}', { role: 'user', content: 'Hi' }],
  ])('are refused where all that is printed is %s', async (_, template, message) => {
    expect(await refused(template, [message])).toBe('messages')
  })
})

describe('tools and documents that the template ignores', () => {
  const plain = '{{ messages[0].content }}'

  test('are refused where they were given', async () => {
    expect(await refused(plain, user('x'), { tools })).toBe('tools')
    expect(await refused(plain, user('x'), { documents: ['d'] })).toBe('documents')
    // It would print them for other messages, and asks nothing.
    const later = `${plain}{% if messages[1] %}{{ tools | tojson }}{% endif %}`
    expect(await refused(later, user('x'), { tools })).toBe('tools')
  })

  test('pass where the template prints or tests them, or there are none', async () => {
    expect(await rendered(`${plain}{{ tools[0].function.name }}`, user('x'), { tools })).toBe('xf')
    expect(await rendered(`${plain}{% if tools %}!{% endif %}`, user('x'), { tools })).toBe('x!')
    expect(
      await rendered(`${plain}{% if documents is defined %}!{% endif %}`, user('x'), { documents: ['d'] }),
    ).toBe('x!')
    for (const documents of [[], ' [ ] ', [''], [' \n']])
      expect(await rendered(plain, user('x'), { tools: [], documents })).toBe('x')
  })

  test("pass with ignoredInputs: 'allow'", async () => {
    expect(await rendered(plain, user('x'), { tools, documents: ['d'], ignoredInputs: 'allow' })).toBe('x')
  })
})

describe('a template variable that the template ignores', () => {
  const template =
    '{{ messages[0].content }}{% if enable_thinking is defined and not enable_thinking %}-{% endif %}{{ style }}'

  test('is refused by its name, and the message lists those of the template', async () => {
    for (const [templateVariables, input] of [
      [{ enable_thinkin: false }, 'templateVariables.enable_thinkin'],
      [{ enable_thinking: false, 'weird "key"': 1 }, 'templateVariables["weird \\"key\\""]'],
      [{ empty: '' }, 'templateVariables.empty'],
      [{ nothing: null }, 'templateVariables.nothing'],
      ['{"a": 1}', 'templateVariables.a'],
    ] as const)
      expect(await refused(template, user('x'), { templateVariables })).toBe(input)
    const error = await rejection(rendered(template, user('x'), { templateVariables: { temper: 1 } }))
    expect((error as Error).message).toMatch(/reads only enable_thinking, messages, style/)
  })

  test('is refused where it is printed for other messages only, and the message says so', async () => {
    const rare = '{{ messages[0].content }}{% if messages[9] %}{{ note }}{% endif %}'
    const error = await rejection(rendered(rare, user('x'), { templateVariables: { note: 'n' } }))
    expect(error).toMatchObject({ input: 'templateVariables.note' })
    expect((error as Error).message).toMatch(/prints it, but not for these messages/)
    // Of these nothing could be printed.
    for (const note of ['', ' ', [], {}, ['']])
      expect(await rendered(rare, user('x'), { templateVariables: { note } })).toBe('x')
  })

  test('passes where the output depends on its value, if not on its characters', async () => {
    const depends = "{{ messages[0].content }}{{ '=' * n }}{{ s or '-' }}{{ t | default('d') }}"
    expect(await rendered(depends, user('x'), { templateVariables: { n: 3, s: '', t: '' } })).toBe('x===-')
  })

  test('passes where it is printed or tested', async () => {
    const some = { enable_thinking: false, style: '!' }
    expect(await rendered(template, user('x'), { templateVariables: some })).toBe('x-!')
    expect(await rendered(template, user('x'), { templateVariables: { enable_thinking: true } })).toBe('x')
  })

  test("passes with ignoredInputs: 'allow'", async () => {
    const options = { templateVariables: { enable_thinkin: false }, ignoredInputs: 'allow' } as const
    expect(await rendered(template, user('x'), options)).toBe('x')
  })

  test('is refused where the template has set it itself before it reads it', async () => {
    const own =
      "{% if messages[0].role == 'system' %}{% set system_message = messages[0].content %}" +
      '{% else %}{% set system_message = "" %}{% endif %}' +
      '{% if system_message %}{{ system_message }}|{% endif %}{{ messages[-1].content }}'
    const templateVariables = { system_message: 'You are a poet.' }
    const error = await rejection(rendered(own, user('x'), { templateVariables }))
    expect(error).toMatchObject({ input: 'templateVariables.system_message' })
    expect((error as Error).message).toMatch(/reads only messages;/)
  })

  test('passes in ChatTemplate.render, which is that of Transformers', async () => {
    await using model = await withTemplate('constant\n')
    const variables = { messages: user('x'), tools, anything: 1 }
    expect((await model.chatTemplate?.render(variables))?.text).toBe('constant')
  })
})

describe('ignoredInputs', () => {
  const options = { templateVariables: { x: 1.5 }, maxTokens: 4, seed: 7, ignoredInputs: 'allow' } as const
  let model: Model
  beforeAll(async () => {
    model = await loadModel(tinyModel, { contextSize: 512, threads: 1 })
  })
  afterAll(() => model.dispose())

  test('refuses before anything is generated, speculative, reproducible or not', async () => {
    for (const more of [{}, { reproducible: true }, { speculative: 'prompt-lookup' }] as const) {
      const run = model.generateInference(user('Hi'), { ...options, ...more, ignoredInputs: 'refuse' })
      expect(await rejection(run)).toMatchObject({ input: 'templateVariables.x' })
      const { tokenIds } = await model.generateInference(user('Hi'), { ...options, ...more })
      expect(tokenIds).toHaveLength(4)
    }
  })

  test('does not get in the way of an aborted signal', async () => {
    const reason = new Error('enough')
    const run = model.generateInference(user('Hi'), { ...options, signal: AbortSignal.abort(reason) })
    expect(await rejection(run)).toBe(reason)
  })

  test('stands in the receipt, which verifies; one from before it had the field, too', async () => {
    const { receipt } = await model.generateInference(user('Hi'), options)
    expect(receipt.ignoredInputs).toBe('allow')
    const evidence = { model, messages: user('Hi'), templateVariables: { x: 1.5 } }
    expect(await verifyReceipt(receipt, evidence)).toMatchObject({ ok: true })
    const { ignoredInputs: _, chatTemplateName: __, ...old } = receipt
    expect(await verifyReceipt(old as typeof receipt, evidence)).toMatchObject({ ok: true })
    expect((await model.generateInference(user('Hi'), { maxTokens: 1 })).receipt.ignoredInputs).toBe('refuse')
  })

  test('takes two words', async () => {
    for (const ignoredInputs of ['Allow', true, null, ''])
      expect(await rejection(model.renderPrompt(user('Hi'), { ignoredInputs } as never))).toMatchObject({
        code: 'INVALID_OPTION',
        path: 'ignoredInputs',
      })
  })
})
