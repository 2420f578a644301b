// The texts of errors that come from the engine.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ChatTemplate, estimateMemory, loadModel, type Model, type VerbatimError } from 'verbatim-llama'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { temporaryFolder } from './support/gguf-patch.js'
import { contentOnly, lfm2Model, loadRepeatable, rejection, spmModel, until, user } from './support/model.js'

const folder = temporaryFolder()

let model: Model
beforeAll(async () => {
  model = await loadRepeatable({ chatTemplate: contentOnly, maxQueue: 1 }, spmModel)
})
afterAll(() => model.dispose())

describe('the place in a template is in its error once', () => {
  const thrown = (make: () => unknown) => {
    try {
      make()
    } catch (error) {
      return (error as Error).message
    }
    throw new Error('was not refused')
  }
  const rendering = async (source: string) =>
    ((await rejection(new ChatTemplate(source).render({}))) as Error).message

  test.each([
    ['{{ ', () => thrown(() => new ChatTemplate('x\n{{ ')), 2],
    ['an operation', () => rendering('\n{{ 1 + [] }}'), 2],
    ['raise_exception', () => rendering('\n\n{{ raise_exception("no") }}'), 3],
    ['a text with a NUL character', () => rendering('{{ raise_exception("a\\0b") }}'), 1],
    [
      'a limit',
      () => rendering('{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}'),
      1,
    ],
  ])('%s', async (_, message, line) => {
    const text = await message()
    expect(text.match(/line \d+/g), text).toEqual([`line ${line}`])
  })
})

describe('a lone surrogate, or a key that is there twice, is refused by its path', () => {
  test.each<[string, string, object, string, string]>([
    [
      'INVALID_MESSAGES',
      '[{"role":"user","content":"a\\ud800"}]',
      {},
      'messages[0].content',
      'contains a lone',
    ],
    [
      'INVALID_MESSAGES',
      '[{"role":"user","content":"\\udc00\\ud800"}]',
      {},
      'messages[0].content',
      'contains',
    ],
    [
      'INVALID_MESSAGES',
      '[{"role":"user","content":"\\ud800\\u0041"}]',
      {},
      'messages[0].content',
      'contains',
    ],
    [
      'INVALID_MESSAGES',
      '[{"role":"user","a b":[1,{"c":"\\ud800"}]}]',
      {},
      'messages[0]["a b"][1].c',
      'contains',
    ],
    [
      'INVALID_MESSAGES',
      '[{"role":"user","\\ud800":1}]',
      {},
      'messages[0]',
      'has a name with a lone surrogate',
    ],
    ['INVALID_MESSAGES', '[{"role":"user","role":"user"}]', {}, 'messages[0]', 'has the key "role" twice'],
    [
      'INVALID_MESSAGES',
      `[{"role":"user","n":1${'0'.repeat(4300)}}]`,
      {},
      'messages[0].n',
      'has more than 4300 digits',
    ],
    ['INVALID_OPTION', '[{"role":"user"}]', { tools: '[{"a":"\\ud800"}]' }, 'tools[0].a', 'contains a lone'],
    ['INVALID_OPTION', '[{"role":"user"}]', { documents: '["\\ud800"]' }, 'documents[0]', 'contains a lone'],
    [
      'INVALID_OPTION',
      '[{"role":"user"}]',
      { documents: '[{"a":1,"a":1}]' },
      'documents[0]',
      'has the key "a" twice',
    ],
    [
      'INVALID_OPTION',
      '[{"role":"user"}]',
      { templateVariables: '{"x":["\\ud800"]}' },
      'templateVariables.x[0]',
      'contains a lone',
    ],
    [
      'INVALID_OPTION',
      '[{"role":"user"}]',
      { templateVariables: '{"tools_x":"\\ud800"}' },
      'templateVariables.tools_x',
      'contains a lone',
    ],
    [
      'INVALID_OPTION',
      '[{"role":"user"}]',
      { templateVariables: '{"x":1,"x":2}' },
      'templateVariables',
      'has the key "x" twice',
    ],
  ])('%s: %s %j', async (code, messages, options, path, reason) => {
    for (const run of [
      () => model.renderPrompt(messages, options),
      () => model.generateInference(messages, options),
    ]) {
      const error = (await rejection(run())) as VerbatimError
      expect(error).toMatchObject({ code, path })
      expect(error.message.startsWith(`${path} ${reason}`), error.message).toBe(true)
      expect(error.message).not.toMatch(/byte/)
    }
  })

  test.each([
    ['{"x":"\\ud800"}', 'variables.x'],
    ['{"messages":[{"content":"\\ud800"}]}', 'variables.messages[0].content'],
    ['{"a b":"\\ud800"}', 'variables["a b"]'],
    ['{"x":"\ud800"}', 'variables.x'],
    [{ x: ['\ud800'] }, 'variables.x[0]'],
  ])('of the variables of ChatTemplate.render: %j', async (variables, path) => {
    expect(await rejection(new ChatTemplate('x').render(variables))).toMatchObject({
      code: 'INVALID_OPTION',
      path,
    })
  })

  test('of text to tokenize, of a stop text and of a template', async () => {
    expect(await rejection(model.tokenize('\ud800'))).toMatchObject({ path: 'text' })
    expect(await rejection(model.generateInference(user('a'), { stop: ['a', '\ud800'] }))).toMatchObject({
      path: 'stop[1]',
    })
    expect(() => new ChatTemplate('\ud800')).toThrow(/^source contains a lone surrogate/)
  })
})

describe('the special tokens of new ChatTemplate', () => {
  test.each<[object, RegExp]>([
    [{ bos_token: 5 }, /^specialTokens\.bos_token must be a string or null, not 5\.$/],
    [{ bos_token: '\ud800' }, /^specialTokens\.bos_token contains a lone surrogate/],
    [{ bos_tokn: '<s>' }, /^specialTokens\.bos_tokn is not known here\. Did you mean bos_token\?$/],
  ])('%j are refused when it is made', (tokens, message) => {
    expect(() => new ChatTemplate('{{ bos_token }}', tokens as never)).toThrow(message)
  })

  test('are those of the moment when it was made', async () => {
    const tokens = { bos_token: '<s>' }
    const template = new ChatTemplate('{{ bos_token }}', tokens)
    tokens.bos_token = '<x>'
    expect((await template.render({})).text).toBe('<s>')
  })
})

describe('a description of a model', () => {
  test.each([
    [spmModel, /^llama \d+\.\dM Q8_0$/],
    [lfm2Model, /^lfm2 \d+\.\dM Q8_0$/],
  ])('of a size that llama.cpp does not know, %s, has no question mark', async (path, description) => {
    await using other = await loadModel(path, { contextSize: 16, threads: 1 })
    expect(other.info.description).toMatch(description)
  })
})

test('one request that waits is one request', async () => {
  const runs = [1, 2].map(() =>
    model.generateInference(user('a'), { maxTokens: 400, ignoreEndOfSequence: true, seed: 1 }),
  )
  await until('one runs and one waits', () => model.status.running + model.status.waiting === 2)
  const error = (await rejection(model.generateInference(user('a')))) as Error
  expect(error.message).toBe(
    '1 request may wait, and so many do; try again later, or load the model with a larger maxQueue or maxSequences',
  )
  for (const run of runs) run.cancel()
  await Promise.all(runs.map(rejection))
})

describe('a file that is no model says so in a sentence', () => {
  test.each<[string, string | Uint8Array, string]>([
    ['package.json', '{ "name": "x" }', `is not a GGUF file: it begins with '{ "name": "x" }'`],
    ['empty.gguf', '', 'is empty: download or copy it anew'],
    ['page.gguf', '\n<!DOCTYPE html><html>', 'is a web page, not a model: the download went wrong'],
    [
      'pointer.gguf',
      'version https://git-lfs.github.com/spec/v1\noid',
      'is a Git LFS pointer, not the model itself',
    ],
    [
      'model.safetensors',
      Buffer.from('\x10\0\0\0\0\0\0\0{"a":{}}'),
      'is a safetensors file: download the model as GGUF',
    ],
    ['model.bin', Buffer.from('PK\x03\x04'), 'is a ZIP archive, as the files of PyTorch are'],
    ['model.gguf.gz', Buffer.from([0x1f, 0x8b, 8]), 'is compressed with gzip: unpack it'],
    ['ggml.bin', 'tjgg\x03\0\0\0', 'is a GGML file of the time before GGUF'],
  ])('%s', async (name, content, reason) => {
    const path = join(folder, name)
    writeFileSync(path, content)
    for (const run of [loadModel, estimateMemory]) {
      const error = (await rejection(run(path))) as VerbatimError
      expect(error).toMatchObject({ code: 'MODEL_INVALID', path })
      expect(error.message.startsWith(`${path} ${reason}`), error.message).toBe(true)
    }
  })

  test.each([
    ['a directory', folder, 'is a directory: pass the path of a GGUF file in it'],
    ['nothing', join(folder, 'nothing.gguf'), 'does not exist'],
  ])('%s', async (_, path, reason) => {
    expect(await rejection(loadModel(path))).toMatchObject({
      code: 'MODEL_NOT_FOUND',
      path,
      message: `${path} ${reason}`,
    })
  })
})
