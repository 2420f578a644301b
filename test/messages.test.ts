import { describe, expect, test } from 'vitest'
import { InvalidMessagesError } from '#lib/errors.js'
import { readMessages } from '#lib/options/arguments.js'
import { readRenderOptions } from '#lib/options/read.js'
import { generate, refusal } from './support/options.js'

describe('JSON options', () => {
  test('are copied as text, or taken as text', () => {
    const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }]
    const read = readRenderOptions({
      tools,
      documents: ' ["x", {"title": "t"}]',
      templateVariables: { enable_thinking: false },
    })
    expect(read.tools).toBe(JSON.stringify(tools))
    expect(read.documents).toBe(' ["x", {"title": "t"}]')
    expect(read.templateVariables).toBe('{"enable_thinking":false}')
    expect(readRenderOptions({ tools: [], documents: [], templateVariables: {} })).toMatchObject({
      tools: '[]',
      documents: '[]',
      templateVariables: '{}',
    })
  })

  test.each<[object, string]>([
    [{ tools: {} }, 'tools'],
    [{ tools: null }, 'tools'],
    [{ tools: ['x'] }, 'tools[0]'],
    [{ tools: '["x"]' }, 'tools[0]'],
    [{ tools: '{}' }, 'tools'],
    [{ tools: 'search' }, 'tools'],
    [{ tools: [{ function: { 'weird key': undefined } }] }, 'tools[0].function["weird key"]'],
    [{ documents: {} }, 'documents'],
    [{ documents: [new Date()] }, 'documents[0]'],
    [{ templateVariables: [] }, 'templateVariables'],
    [{ templateVariables: '[]' }, 'templateVariables'],
    [{ templateVariables: null }, 'templateVariables'],
    [{ templateVariables: { f() {} } }, 'templateVariables.f'],
    [{ templateVariables: { messages: [] } }, 'templateVariables.messages'],
    [{ templateVariables: { tools: [] } }, 'templateVariables.tools'],
    [{ templateVariables: '{"documents": []}' }, 'templateVariables.documents'],
    [{ templateVariables: { add_generation_prompt: true } }, 'templateVariables.add_generation_prompt'],
  ])('%j is refused at %s', (options, path) => {
    expect(refusal(() => readRenderOptions(options))).toMatchObject({ code: 'INVALID_OPTION', path })
    expect(refusal(() => generate(options))).toMatchObject({ code: 'INVALID_OPTION', path })
  })
})

describe('messages', () => {
  test('pass unchanged, as values or as text', () => {
    const messages = [
      { role: 'system', content: '' },
      { role: 'user', content: ' spaces \n kept ', name: 'ä' },
      {
        content: null,
        role: 'assistant',
        tool_calls: [{ id: '1', function: { name: 'f', arguments: { a: 1.5 } } }],
      },
      { role: 'tool', content: [{ type: 'text', text: 'x' }], tool_call_id: '1' },
      { role: '' },
    ]
    expect(readMessages(messages)).toBe(JSON.stringify(messages))
    expect(readMessages(Object.freeze(messages))).toBe(JSON.stringify(messages))
    expect(readMessages(' [{"role":"user","n":1.0}]')).toBe(' [{"role":"user","n":1.0}]')
  })

  test.each<[unknown, string]>([
    [undefined, 'messages'],
    [null, 'messages'],
    [{}, 'messages'],
    [{ role: 'user', content: 'x' }, 'messages'],
    [5, 'messages'],
    [() => [], 'messages'],
    [[], 'messages'],
    ['[]', 'messages'],
    ['Hello', 'messages'],
    ['', 'messages'],
    ['"Hello"', 'messages'],
    [['Hello'], 'messages[0]'],
    ['[5]', 'messages[0]'],
    [[{ role: 'user' }, null], 'messages[1]'],
    [[{ content: 'x' }], 'messages[0].role'],
    ['[{"content": "x"}]', 'messages[0].role'],
    [[{ role: undefined }], 'messages[0].role'],
    [[{ role: 5 }], 'messages[0].role'],
    [[{ role: 'user', content: undefined }], 'messages[0].content'],
    [
      [{ role: 'user' }, { role: 'x', content: [{ type: 'text', text: Number.NaN }] }],
      'messages[1].content[0].text',
    ],
    [[new Map([['role', 'user']])], 'messages[0]'],
    [[{ role: 'user\ud800' }], 'messages[0].role'],
  ])('%j is refused at %s', (messages, path) => {
    const error = refusal(() => readMessages(messages))
    expect(error).toBeInstanceOf(InvalidMessagesError)
    expect(error).toMatchObject({ code: 'INVALID_MESSAGES', path, message: expect.stringContaining(path) })
  })

  test('that throw when read are refused, with the cause', () => {
    const cause = new Error('boom')
    const message = {
      role: 'user',
      get content(): string {
        throw cause
      },
    }
    expect(refusal(() => readMessages([message]))).toMatchObject({
      code: 'INVALID_MESSAGES',
      path: 'messages[0].content',
      cause,
    })
  })
})
