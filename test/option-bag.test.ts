import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InvalidOptionError } from '#lib/errors.js'
import { readMessages, readTokenIds } from '#lib/options/arguments.js'
import {
  readGenerateInferenceOptions,
  readLoadOptions,
  readRenderOptions,
  readTokenizeOptions,
} from '#lib/options/read.js'
import { generate, model, refusal } from './support/options.js'

describe('the options object', () => {
  test('may have unknown properties that are not enumerable', () => {
    const hidden = { value: 1, enumerable: false }
    const options = Object.defineProperties({ model }, { maxToken: hidden, [Symbol('s')]: hidden })
    expect(readGenerateInferenceOptions(options).maxTokens).toBe(512)
    Object.defineProperty(options, 'maxTokens', { value: 7, enumerable: false })
    expect(readGenerateInferenceOptions(options).maxTokens).toBe(7)
  })

  test('must be an object', () => {
    for (const read of [
      readGenerateInferenceOptions,
      readRenderOptions,
      readLoadOptions,
      readTokenizeOptions,
    ]) {
      for (const options of [null, 5, 'x', [], () => 1]) {
        expect(refusal(() => read(options))).toMatchObject({ code: 'INVALID_OPTION', path: 'options' })
      }
    }
  })

  test('is read once per property, never written to, and may be a proxy of another realm', () => {
    const reads: string[] = []
    const forbidden = () => {
      throw new Error('written to')
    }
    const target = runInNewContext('({ maxTokens: 5, stop: ["a"], templateVariables: { x: 1 } })') as object
    const options = new Proxy(Object.assign(target, { model }), {
      get(from, key) {
        reads.push(String(key))
        return Reflect.get(from, key)
      },
      set: forbidden,
      defineProperty: forbidden,
      deleteProperty: forbidden,
    })
    expect(readGenerateInferenceOptions(options)).toMatchObject({
      maxTokens: 5,
      stop: ['a'],
      templateVariables: '{"x":1}',
    })
    expect(reads.sort()).toEqual(['maxTokens', 'model', 'stop', 'templateVariables'])
  })

  test('is copied: later changes do not matter, and the copy cannot be changed', () => {
    const options = { model, stop: ['a'], tools: [{ name: 'x' }], now: new Date(5) }
    const read = readGenerateInferenceOptions(options)
    options.stop.push('b')
    options.tools[0] = { name: 'y' }
    options.now.setTime(6)
    expect(read).toMatchObject({ stop: ['a'], tools: '[{"name":"x"}]', now: 5 })
    expect(Object.isFrozen(read)).toBe(true)
    expect(Object.isFrozen(read.stop)).toBe(true)
    expect(Object.isFrozen(readLoadOptions({}))).toBe(true)
    expect(Object.isFrozen(readLoadOptions({}).specialTokens)).toBe(true)
    expect(Object.isFrozen(readRenderOptions({}))).toBe(true)
  })

  test('may inherit options, but not from Object.prototype', () => {
    expect(readGenerateInferenceOptions(Object.create({ model, maxTokens: 7 })).maxTokens).toBe(7)
    class Settings {
      model = model
      get temperature() {
        return 0.25
      }
    }
    expect(readGenerateInferenceOptions(new Settings()).temperature).toBe(0.25)
    Object.defineProperty(Object.prototype, 'maxTokens', { value: 1, configurable: true })
    try {
      expect(generate({}).maxTokens).toBe(512)
    } finally {
      delete (Object.prototype as { maxTokens?: number }).maxTokens
    }
  })

  test('means the same whatever was added to Object.prototype', () => {
    const names = [
      ...['or', 'above', 'min', 'max', 'integer', 'aliases', 'remote', 'receipt', 'refuse', 'more'],
      ...['defaultText', 'type', 'root', 'elements', 'elementMember', 'refusedMembers', 'allowEmpty', 'fail'],
      ...[
        'prefix',
        'hint',
        'cause',
        'path',
        'signal',
        'temperature',
        'contextSize',
        'trustRoles',
        'bos_token',
      ],
    ]
    const read = () => {
      const now = new Date(5)
      const options = { now, seed: 1, topP: 0.5, stop: 'x', tools: [{ a: 1 }], templateVariables: { b: [2] } }
      return JSON.stringify([
        generate(options),
        readLoadOptions({ gpuLayers: 'auto', threads: 2, specialTokens: { eos_token: null } }),
        readRenderOptions({ now, documents: '[1]' }),
        readTokenizeOptions({}),
        readMessages([{ role: 'user', content: 'x' }]),
        readMessages('[{"role":"user"}]'),
        ...[{ topP: 2 }, { max_tokens: 1 }, { tools: 1 }, { n: 1 }].map(
          (wrong) => refusal(() => generate(wrong)).message,
        ),
      ])
    }
    const expected = read()
    for (const name of names) {
      for (const value of ['auto', 1, true, () => 'x']) {
        Object.defineProperty(Object.prototype, name, {
          value,
          configurable: true,
          enumerable: true,
          writable: true,
        })
        let actual: string | undefined
        try {
          actual = read()
        } catch (error) {
          actual = String(error)
        } finally {
          delete (Object.prototype as Record<string, unknown>)[name]
        }
        expect(actual, `Object.prototype.${name} = ${value}`).toBe(expected)
      }
    }
  })

  test('whose accessors throw is refused, with the cause', () => {
    const cause = new Error('boom')
    const throwing = (name: string) =>
      Object.defineProperty({ model }, name, {
        enumerable: true,
        get() {
          throw cause
        },
      })
    expect(refusal(() => readGenerateInferenceOptions(throwing('topP')))).toMatchObject({
      path: 'topP',
      cause,
    })
    expect(
      refusal(() =>
        readGenerateInferenceOptions({
          model,
          stop: new Proxy(['a'], {
            get: () => {
              throw cause
            },
          }),
        }),
      ),
    ).toMatchObject({ path: 'stop', cause })
    expect(refusal(() => readGenerateInferenceOptions({ model, signal: throwing('aborted') }))).toMatchObject(
      {
        path: 'signal',
        cause,
      },
    )
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    expect(refusal(() => readGenerateInferenceOptions(proxy)).path).toBe('options')
    expect(
      refusal(() =>
        readTokenIds(
          new Proxy([1], {
            get: () => {
              throw cause
            },
          }),
        ),
      ),
    ).toMatchObject({ path: 'tokenIds', cause })
  })

  test('is read or refused by a typed error, whatever it holds', () => {
    const names = [
      'maxTokens',
      'topP',
      'stop',
      'tools',
      'documents',
      'templateVariables',
      'now',
      'signal',
      'seed',
    ]
    const options = fc.dictionary(
      fc.constantFrom(...names),
      fc.anything({ withDate: true, withMap: true, withBigInt: true, withNullPrototype: true }),
    )
    fc.assert(
      fc.property(options, (given) => {
        try {
          expect(Object.isFrozen(generate(given))).toBe(true)
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidOptionError)
          expect(names.some((name) => (error as InvalidOptionError).path.startsWith(name))).toBe(true)
        }
      }),
      { numRuns: 500 },
    )
  })
})
