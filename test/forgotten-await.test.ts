// biome-ignore-all lint/suspicious/noThenProperty: whatever can be awaited is what is tested here
import { createContext, runInContext } from 'node:vm'
import {
  ChatTemplate,
  estimateMemory,
  generateInference,
  loadModel,
  type Model,
  verifyReceipt,
} from 'verbatim-llama'
import { createWorker } from 'verbatim-llama/worker'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runScript } from './support/child.js'
import { loadRepeatable, rejection, user } from './support/model.js'

const hello = user('Hello')
let model: Model
beforeAll(async () => {
  model = await loadRepeatable()
})
afterAll(() => model.dispose())

class Query {
  then(resolve: (value: unknown) => void) {
    resolve([])
  }
}

/** Whatever can be awaited, each with nothing in it. */
const PROMISES: [string, () => unknown][] = [
  ['a promise', () => Promise.resolve()],
  ['a promise of another realm', () => runInContext('Promise.resolve()', createContext())],
  ['an object with a method then', () => ({ then: () => {} })],
  ['an instance of a class that can be awaited', () => new Query()],
  ['a function that can be awaited', () => Object.assign(() => {}, { then: () => {} })],
]
const FIRST = 'a promise: await it first.'
const unchecked = <T>(value: unknown) => value as T

describe.each(PROMISES)('%s in the place of what it promises is called a promise', (_, promise) => {
  test('as the model of generateInference, and of verifyReceipt', async () => {
    const run = generateInference(hello, { model: unchecked(promise()) })
    expect(await rejection(run)).toMatchObject({
      code: 'INVALID_OPTION',
      path: 'model',
      message: expect.stringContaining('a promise: await '),
    })
    const { receipt } = await model.generateInference(hello, { maxTokens: 1 })
    expect(
      await rejection(verifyReceipt(receipt, { model: unchecked(promise()), messages: hello })),
    ).toMatchObject({ path: 'model', message: 'model is a promise: await loadModel(…) first.' })
  })

  test('as the messages, and as a part of them', async () => {
    const refused = async (messages: unknown, path: string) =>
      expect(await rejection(model.generateInference(unchecked(messages)))).toMatchObject({
        code: 'INVALID_MESSAGES',
        path,
        message: expect.stringContaining(FIRST),
      })
    await refused(promise(), 'messages')
    await refused([promise()], 'messages[0]')
    await refused([{ role: promise() }], 'messages[0].role')
    await refused([{ role: 'user', content: promise() }], 'messages[0].content')
    await refused([{ role: 'user', content: [promise()] }], 'messages[0].content[0]')
  })

  test.each([
    'maxTokens',
    'seed',
    'stop',
    'signal',
    'now',
    'tools',
    'documents',
    'templateVariables',
    'controlTokens',
    'reproducible',
    'speculative',
  ])('as the option %s', async (path) => {
    expect(await rejection(model.generateInference(hello, { [path]: promise() }))).toMatchObject({
      code: 'INVALID_OPTION',
      path,
      message: expect.stringContaining(FIRST),
    })
  })

  test('as the options of every function that takes options', async () => {
    const options = unchecked<never>(promise())
    const refusals = [
      generateInference(hello, options),
      model.generateInference(hello, options),
      model.renderPrompt(hello, options),
      model.tokenize('text', options),
      loadModel('path', options),
      estimateMemory('path', options),
      new ChatTemplate('x').render({}, options),
    ]
    for (const refusal of refusals)
      expect(await rejection(refusal)).toMatchObject({
        path: 'options',
        message: `options must be an object, not ${FIRST}`,
      })
    expect(() => createWorker(options)).toThrow(`options must be an object, not ${FIRST}`)
  })

  test('as any other argument', async () => {
    const value = unchecked<never>(promise())
    for (const refusal of [
      loadModel(value),
      estimateMemory(value),
      model.tokenize(value),
      model.detokenize(value),
      new ChatTemplate('x').render(value),
    ])
      expect(await rejection(refusal)).toMatchObject({
        code: 'INVALID_OPTION',
        message: expect.stringContaining(FIRST),
      })
    expect(() => new ChatTemplate(value)).toThrow(FIRST)
    expect(() => new ChatTemplate('x', value)).toThrow(FIRST)
    expect(() => createWorker({ model, modelId: value })).toThrow(FIRST)
  })
})

test('the model that loadModel promises, not awaited, is called by its remedy', async () => {
  const loading = loadRepeatable()
  const run = generateInference(hello, { model: loading as never })
  expect(await rejection(run)).toMatchObject({ message: 'model is a promise: await loadModel(…) first.' })
  await (await loading).dispose()
})

test('data that only has a member then is passed on', async () => {
  const { text } = await new ChatTemplate('{{ x.then }}').render({ x: { then: 'later' } })
  expect(text).toBe('later')
})

test('a worker whose promised model turns out to be none says so, and is never ready', async () => {
  const { code, stdout, stderr } = await runScript(
    `const { createWorker } = await import(new URL('worker/index.js', indexUrl))
    const worker = createWorker({ model: Promise.resolve({ model: 1 }) })
    await new Promise(setImmediate)
    const { error } = await (await worker.request('/ready')).json()
    console.log(error.code, error.message)`,
    { warnings: true },
  )
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'NOT_READY The model could not be loaded.\n' })
  expect(stderr).toContain('InvalidOptionError: model must be a model from loadModel, not an object.')
})
