import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  InvalidOptionError,
  type LoadModelOptions,
  loadModel,
  NoChatTemplateError,
  type RenderOptions,
  TemplateError,
  verifyReceipt,
} from 'verbatim-llama'
import { beforeAll, describe, expect, test } from 'vitest'
import { extendModel, temporaryFolder, valueOffset } from './support/gguf-patch.js'
import { rejection, spmModel, tinyModel, user } from './support/model.js'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const folder = temporaryFolder()
const sources = {
  default: '{{ messages[0].content }}',
  rag: 'rag: {{ messages[0].content }}{{ documents }}',
  tool_use: 'tools: {{ messages[0].content }}{{ tools | tojson }}',
}
const tools = [{ name: 'f' }]
const named = join(folder, 'named.gguf')
const nameless = join(folder, 'nameless.gguf')
const noDefault = join(folder, 'no-default.gguf')

beforeAll(() => {
  const keys = (names: readonly (keyof typeof sources)[]) =>
    Object.fromEntries(
      names.map((name) => [`tokenizer.chat_template${name === 'default' ? '' : `.${name}`}`, sources[name]]),
    )
  extendModel(spmModel, named, { entries: keys(['default', 'tool_use', 'rag']) })
  extendModel(spmModel, nameless, { entries: keys(['tool_use', 'rag']) })
  extendModel(spmModel, noDefault, { entries: keys(['rag']) })
})

const load = (path: string, options?: LoadModelOptions) =>
  loadModel(path, { contextSize: 64, threads: 1, ...options })

describe('a model file with named templates', () => {
  test('lists them by name, with their hashes', async () => {
    await using model = await load(named)
    expect(model.info.chatTemplate).toBe(sources.default)
    expect(model.info.chatTemplates).toEqual(
      Object.entries(sources).map(([name, source]) => ({ name, sha256: sha256(source) })),
    )
    await using other = await load(tinyModel)
    expect(other.info.chatTemplates).toEqual([
      { name: 'default', sha256: sha256(other.info.chatTemplate as string) },
    ])
    await using none = await load(spmModel)
    expect(none.info.chatTemplates).toEqual([])
  })

  test('uses tool_use when tools are given, as Transformers does, and says so', async () => {
    await using model = await load(named)
    for (const [options, name, text] of [
      [{}, 'default', 'x'],
      [{ tools }, 'tool_use', 'tools: x[{"name": "f"}]'],
      [{ tools: [] }, 'tool_use', 'tools: x[]'],
    ] as const) {
      const prompt = await model.renderPrompt(user('x'), options)
      expect(prompt).toMatchObject({ text, chatTemplate: { name, sha256: sha256(sources[name]) } })
      const { receipt } = await model.generateInference(user('x'), { ...options, maxTokens: 1 })
      expect(receipt).toMatchObject({ chatTemplateName: name, chatTemplateSha256: sha256(sources[name]) })
      const evidence = { model, messages: user('x'), ...options }
      expect(await verifyReceipt(receipt, evidence)).toMatchObject({ ok: true })
    }
  })

  test('without a default uses tool_use for tools, and else lists the names', async () => {
    await using model = await load(nameless)
    expect(model.info.chatTemplate).toBeNull()
    expect(model.chatTemplate).toBeNull()
    expect((await model.renderPrompt(user('x'), { tools })).text).toBe('tools: x[{"name": "f"}]')
    for (const error of [
      await rejection(model.renderPrompt(user('x'))),
      await rejection(model.generateInference(user('x'))),
    ]) {
      expect(error).toBeInstanceOf(NoChatTemplateError)
      expect((error as Error).message).toMatch(/rag, tool_use/)
    }
    await using other = await load(noDefault)
    expect(await rejection(other.renderPrompt(user('x'), { tools }))).toBeInstanceOf(NoChatTemplateError)
  })

  test('uses the one that is named for all requests', async () => {
    await using model = await load(named, { chatTemplate: { name: 'rag' } })
    expect(model.info.chatTemplate).toBe(sources.rag)
    expect(
      await model.renderPrompt(user('x'), { documents: ['d'], tools, ignoredInputs: 'allow' }),
    ).toMatchObject({
      text: "rag: x['d']",
      chatTemplate: { name: 'rag' },
    })
    await using usual = await load(named, { chatTemplate: { name: 'default' } })
    expect((await usual.renderPrompt(user('x'), { tools, ignoredInputs: 'allow' })).text).toBe('x')
  })

  test.each(['nope', 'Default', 'tool_use.', ''])('lists the names for a wrong one: %j', async (name) => {
    const error = await rejection(load(named, { chatTemplate: { name } }))
    expect(error).toBeInstanceOf(InvalidOptionError)
    expect(error).toMatchObject({ path: 'chatTemplate.name' })
    if (name !== '') expect((error as Error).message).toMatch(/default, rag, tool_use/)
  })

  test('says that there is none where the file has none', async () => {
    const error = await rejection(load(spmModel, { chatTemplate: { name: 'tool_use' } }))
    expect(error).toMatchObject({ path: 'chatTemplate.name' })
    expect((error as Error).message).toMatch(/none at all/)
  })

  test('a template that is given takes the place of all of them', async () => {
    await using model = await load(named, { chatTemplate: 'mine: {{ messages[0].content }}{{ tools }}' })
    const prompt = await model.renderPrompt(user('x'), { tools })
    expect(prompt.text).toBe("mine: x[{'name': 'f'}]")
    expect(prompt.chatTemplate).toEqual({ name: null, sha256: sha256(model.info.chatTemplate as string) })
    const { receipt } = await model.generateInference(user('x'), { maxTokens: 1 })
    expect(receipt.chatTemplateName).toBeNull()
  })

  test('one that does not parse fails where it is used, and no other', async () => {
    const broken = join(folder, 'broken.gguf')
    extendModel(spmModel, broken, {
      entries: { 'tokenizer.chat_template': sources.default, 'tokenizer.chat_template.tool_use': '{% if %}' },
    })
    await using model = await load(broken)
    expect((await model.renderPrompt(user('x'))).text).toBe('x')
    const error = await rejection(model.renderPrompt(user('x'), { tools }))
    expect(error).toBeInstanceOf(TemplateError)
    expect((error as Error).message).toMatch(/^chat template tool_use: /)
  })

  test('of which one is no text, or has no name, is no model', async () => {
    for (const entries of [{ 'tokenizer.chat_template.tool_use': 5 }, { 'tokenizer.chat_template.': 'x' }]) {
      const odd = join(folder, 'odd.gguf')
      extendModel(spmModel, odd, { entries })
      const error = await rejection(load(odd))
      expect(error).toMatchObject({ code: 'MODEL_INVALID' })
      expect((error as Error).message).toContain(Object.keys(entries)[0])
    }
  })

  test('each knows its own control tokens', async () => {
    await using before = await load(spmModel)
    const ing = (await before.tokenize('qqing')).at(-1) as number
    expect(await before.detokenize([ing])).toBe('ing')
    // A user-defined token is a control token where the template spells it.
    const marked = join(folder, 'marked.gguf')
    extendModel(spmModel, marked, {
      entries: {
        'tokenizer.chat_template': sources.default,
        'tokenizer.chat_template.tool_use': 'ing {{ messages[0].content }}{{ tools }}',
      },
    })
    const file = readFileSync(marked)
    file.writeInt32LE(4, valueOffset(file, 'tokenizer.ggml.token_type') + 4 + 8 + 4 * ing)
    writeFileSync(marked, file)
    await using model = await load(marked)
    const count = async (options: RenderOptions) =>
      (await model.renderPrompt(user('qqing'), options)).tokenIds.filter((id) => id === ing).length
    expect(await count({})).toBe(1)
    expect(await count({ tools })).toBe(1) // the template's own, not the caller's
    expect(await count({ tools, controlTokens: 'anywhere' })).toBe(2)
  })
})

describe('a chatTemplate in a file', () => {
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  const long = join(folder, 'long.jinja')
  writeFileSync(long, ' '.repeat(2 ** 22 + 1))
  const empty = join(folder, 'empty.jinja')
  writeFileSync(empty, '')

  test('is read as it is', async () => {
    const path = join(folder, 'template.jinja')
    writeFileSync(path, '<é>{{ messages[0].content }}\n')
    await using model = await load(named, { chatTemplate: { path } })
    expect(model.info.chatTemplate).toBe('<é>{{ messages[0].content }}\n')
    expect((await model.renderPrompt(user('x'))).text).toBe('<é>x')
  })

  test('may be a file: URL', async () => {
    const file = join(folder, 'a template.jinja')
    writeFileSync(file, 'URL {{ messages[0].content }}')
    for (const path of [pathToFileURL(file), pathToFileURL(file).href]) {
      await using model = await load(named, { chatTemplate: { path } })
      expect((await model.renderPrompt(user('x'))).text).toBe('URL x')
    }
  })

  test.each([
    ['is missing', join(folder, 'nothing.jinja'), /cannot be read: ENOENT/],
    ['is a folder', folder, /is no file/],
    ['never ends', '/dev/zero', /is no file/],
    ['is a pipe that nobody writes to', pipe, /is no file/],
    ['is remote', 'https://example.com/t.jinja', /Download it first/],
    ['is on another machine', 'file://other/t.jinja', /another machine/],
    ['is too long', long, /more than 4194304 bytes/],
    ['is empty', empty, /is an empty file/],
  ])('that %s is refused', async (_, path, message) => {
    const error = await rejection(load(named, { chatTemplate: { path } }))
    expect(error).toBeInstanceOf(InvalidOptionError)
    expect(error).toMatchObject({ path: 'chatTemplate.path', message: expect.stringMatching(message) })
  })

  test('that is not UTF-8 is refused, not repaired', async () => {
    const path = join(folder, 'latin1.jinja')
    writeFileSync(path, Buffer.from('é{{ messages }}', 'latin1'))
    expect(await rejection(load(named, { chatTemplate: { path } }))).toMatchObject({
      path: 'chatTemplate.path',
      message: expect.stringMatching(/UTF-8/),
    })
  })

  test('with a name, or with nothing, is refused', async () => {
    for (const chatTemplate of [{ name: 'rag', path: 'x' }, {}, { path: '' }, { file: 'x' }, []])
      expect(await rejection(load(named, { chatTemplate: chatTemplate as never }))).toBeInstanceOf(
        InvalidOptionError,
      )
  })
})

describe('a chatTemplate that is no template', () => {
  test.each(['chatml', 'auto', 'llama-3.1', 'tool_use', 'Qwen2.5'])(
    'but a name says so: %s',
    async (chatTemplate) => {
      const error = await rejection(load(named, { chatTemplate }))
      expect(error).toMatchObject({ code: 'INVALID_OPTION', path: 'chatTemplate' })
      expect((error as Error).message).toMatch(/looks like a name/)
      expect((error as Error).message).toContain(`{ name: "${chatTemplate}" }`)
    },
  )

  test.each(['./t.jinja', 't.jinja', '/etc/t', 'C:\\t.jinja', 'file:///t', 'template.txt'])(
    'but a path says so: %s',
    async (chatTemplate) => {
      const error = await rejection(load(named, { chatTemplate }))
      expect(error).toMatchObject({ code: 'INVALID_OPTION', path: 'chatTemplate' })
      expect((error as Error).message).toMatch(/looks like a path/)
      expect((error as Error).message).toContain(`{ path: ${JSON.stringify(chatTemplate)} }`)
    },
  )
})
