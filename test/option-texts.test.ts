// How options are refused: the texts, and values that only look right.
import { describe, expect, test } from 'vitest'
import { readModelPath } from '#lib/options/paths.js'
import { readLoadOptions } from '#lib/options/read.js'
import { generate, refusal } from './support/options.js'

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
