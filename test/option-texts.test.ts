// How options are refused: the texts, and values that only look right.
import { generateInference, type Model, verifyReceipt } from 'verbatim-llama'
import { createWorker } from 'verbatim-llama/worker'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readModelPath } from '#lib/options/paths.js'
import { readLoadOptions } from '#lib/options/read.js'
import { contentOnly, loadRepeatable, rejection, spmModel, user } from './support/model.js'
import { generate, refusal } from './support/options.js'

let model: Model
beforeAll(async () => {
  model = await loadRepeatable({ chatTemplate: contentOnly }, spmModel)
})
afterAll(() => model.dispose())

test.each<[string, (model: Model) => Model]>([
  ['a proxy of a model', (model) => new Proxy(model, {})],
  ['an object made from a model', (model) => Object.create(model)],
])('%s is refused as a model', async (_, make) => {
  const message = 'model is a proxy of a model, or inherits from one: pass the model itself.'
  const refused = { code: 'INVALID_OPTION', path: 'model', message }
  const other = make(model)
  const { receipt } = await model.generateInference(user('Hi'), { maxTokens: 1 })
  expect(await rejection(generateInference(user('Hi'), { model: other }))).toMatchObject(refused)
  expect(await rejection(verifyReceipt(receipt, { model: other, messages: user('Hi') }))).toMatchObject(
    refused,
  )
  expect(() => createWorker({ model: other })).toThrow(expect.objectContaining(refused))
  expect(() => createWorker({ model: 5 as never })).toThrow(
    'model must be a model from loadModel, or a promise of one, not 5.',
  )
})

test('a signal that cannot be listened to, or not be left, is refused', () => {
  const [addEventListener, removeEventListener] = [() => {}, () => {}]
  const signal = { aborted: false, addEventListener, removeEventListener }
  expect(generate({ signal }).signal).toBe(signal)
  for (const lacking of [
    { aborted: false, addEventListener },
    { aborted: false, removeEventListener },
    { aborted: false, addEventListener, removeEventListener: 1 },
  ])
    expect(refusal(() => generate({ signal: lacking })).message).toMatch(/^signal must be an AbortSignal/)
})

describe('a text names all that is taken', () => {
  test.each([[[]], [Promise.resolve('anywhere')], [5], [null], ['nowhere'], [() => 1]])(
    'controlTokens: %j',
    (controlTokens) => {
      const { message } = refusal(() => generate({ controlTokens }))
      expect(message).toMatch(/^controlTokens must be 'template', 'anywhere' or \{ trustRoles \}, not /)
    },
  )

  test.each([[[]], [Promise.resolve('{{ x }}')], [5], [null], [() => 1]])(
    'chatTemplate: %j',
    (chatTemplate) => {
      const { message } = refusal(() => readLoadOptions({ chatTemplate }))
      expect(message).toMatch(/^chatTemplate must be a template's source, \{ name \} or \{ path \}, not /)
    },
  )
})

describe('a text is short, whatever was given', () => {
  const long = 'a'.repeat(3e5)
  test.each<[string, () => unknown]>([
    ['a name for a template', () => readLoadOptions({ chatTemplate: long })],
    ['a path for a template', () => readLoadOptions({ chatTemplate: `/${long}` })],
    ['a device twice', () => readLoadOptions({ devices: [long, long] })],
    ['the name of an option', () => generate({ [long]: 1 })],
    ['the path of a role', () => generate({ controlTokens: { [long]: 1 } })],
    ['a remote file', () => readModelPath(`http://${long}`)],
    ['a URL of another kind', () => readModelPath(`s3://${long}`)],
    ['a file: URL without a slash', () => readModelPath(`file:${long}`)],
    ['a file: URL with a query', () => readModelPath(`file:///${long}?`)],
    ['a file: URL of another machine', () => readModelPath(`file://${long}/x`)],
    ['a file: URL that ends in a space', () => readModelPath(`file:///${long} `)],
  ])('%s', (_, read) => {
    expect(refusal(read).message.length).toBeLessThan(700)
  })

  test('and quotes what is short', () => {
    const text = (chatTemplate: string) => refusal(() => readLoadOptions({ chatTemplate })).message
    expect(text('chatml')).toContain('{ name: "chatml" }')
    expect(text('a/b.jinja')).toContain('{ path: "a/b.jinja" }')
  })
})
