import { runInNewContext } from 'node:vm'
import { describe, expect, expectTypeOf, test } from 'vitest'
import type { GenerateInferenceOptions } from '#lib/generate-inference.js'
import type { Model } from '#lib/model.js'
import { readText, readTokenIds } from '#lib/options/arguments.js'
import {
  readGenerateInferenceOptions,
  readLoadOptions,
  readRenderOptions,
  readTokenizeOptions,
} from '#lib/options/read.js'
import type { InferenceResult, LoadModelOptions, Messages, Tool } from '#lib/types.js'
import { generate, model, refusal } from './support/options.js'

describe('without options', () => {
  test('generateInference has its documented defaults', () => {
    const before = Date.now()
    const { seed, now, ...rest } = generate({})
    expect(rest).toEqual({
      model,
      maxTokens: 512,
      minTokens: 0,
      temperature: 0.7,
      topP: 0.9,
      topK: 0,
      minP: 0,
      repetitionPenalty: 1,
      presencePenalty: 0,
      frequencyPenalty: 0,
      stop: [],
      signal: null,
      logprobs: null,
      ignoreEndOfSequence: false,
      reproducible: false,
      speculative: false,
      tools: null,
      documents: null,
      templateVariables: null,
      addGenerationPrompt: true,
      controlTokens: [],
      ignoredInputs: 'refuse',
    })
    expect(rest.model).toBe(model)
    expect(now).toBeGreaterThanOrEqual(before)
    expect(now).toBeLessThanOrEqual(Date.now())
    expect(Number.isSafeInteger(seed)).toBe(true)
  })

  test('renderPrompt has its documented defaults', () => {
    for (const options of [undefined, {}]) {
      expect(readRenderOptions(options)).toEqual({
        tools: null,
        documents: null,
        templateVariables: null,
        addGenerationPrompt: true,
        now: expect.any(Number),
        controlTokens: [],
        ignoredInputs: 'refuse',
      })
    }
  })

  test('loadModel has its documented defaults', () => {
    for (const options of [undefined, {}]) {
      expect(readLoadOptions(options)).toEqual({
        contextSize: null,
        ropeScaling: null,
        cacheSize: null,
        maxSequences: 8,
        maxQueue: 1000,
        prefixCacheSize: null,
        gpuLayers: 'auto',
        devices: [],
        splitMode: 'layer',
        mainGpu: 0,
        tensorSplit: [],
        threads: null,
        flashAttention: 'auto',
        kvCacheType: null,
        onOutOfMemory: 'fit',
        chatTemplate: null,
        specialTokens: {},
        signal: null,
        onProgress: null,
        onLog: null,
      })
    }
  })

  test('undefined is as good as absent, for every option', () => {
    const read = (options: GenerateInferenceOptions) => ({
      ...readGenerateInferenceOptions(options),
      seed: 0,
      now: 0,
    })
    const names = Object.keys(read({ model })).filter((name) => name !== 'model')
    const absent = Object.fromEntries(names.map((name) => [name, undefined]))
    expect(read({ ...absent, model })).toEqual(read({ model }))
    const loadNames = Object.keys(readLoadOptions({}))
    expect(readLoadOptions(Object.fromEntries(loadNames.map((name) => [name, undefined])))).toEqual(
      readLoadOptions({}),
    )
    expect(readLoadOptions({ specialTokens: { bos_token: undefined } }).specialTokens).toEqual({})
  })

  test('seeds are drawn from all 53 bits', () => {
    const seeds = Array.from({ length: 200 }, () => generate({}).seed)
    expect(new Set(seeds).size).toBe(200)
    expect(Math.max(...seeds)).toBeGreaterThan(2 ** 52)
    expect(seeds.every((seed) => Number.isSafeInteger(seed) && seed >= 0)).toBe(true)
  })
})

describe('controlTokens', () => {
  test.each([
    ['template', []],
    ['anywhere', 'anywhere'],
    [{ trustRoles: ['assistant', 'tool'] }, ['assistant', 'tool']],
    [{ trustRoles: [] }, []],
  ] as const)('%j is taken', (controlTokens, checked) => {
    expect(generate({ controlTokens }).controlTokens).toEqual(checked)
  })

  test.each([
    ['nowhere', 'controlTokens'],
    [true, 'controlTokens'],
    [null, 'controlTokens'],
    [{ roles: ['assistant'] }, 'controlTokens.roles'],
    [{ trustRoles: 'assistant' }, 'controlTokens.trustRoles'],
    [{ trustRoles: [1] }, 'controlTokens.trustRoles[0]'],
    [{ trustRoles: new Array(2) }, 'controlTokens.trustRoles[0]'],
    [{ trustRoles: ['user', '\ud800'] }, 'controlTokens.trustRoles[1]'],
    [{}, 'controlTokens.trustRoles'],
  ])('%j is refused', (controlTokens, path) => {
    expect(refusal(() => generate({ controlTokens })).path).toBe(path)
  })
})

describe('other options', () => {
  test('model must be an object', () => {
    for (const options of [undefined, {}, { model: undefined }, { model: null }, { model: 'path' }]) {
      expect(refusal(() => readGenerateInferenceOptions(options))).toMatchObject({ path: 'model' })
    }
  })

  test.each(['addGenerationPrompt', 'ignoreEndOfSequence'] as const)('%s takes only booleans', (name) => {
    expect(generate({ [name]: true })[name]).toBe(true)
    expect(generate({ [name]: false })[name]).toBe(false)
    for (const value of [0, 'true', null]) expect(refusal(() => generate({ [name]: value })).path).toBe(name)
  })

  test('stop takes a string or up to 16, none of them empty, and copies them', () => {
    expect(generate({ stop: 'x' }).stop).toEqual(['x'])
    expect(generate({ stop: [] }).stop).toEqual([])
    const many = Array.from({ length: 16 }, (_, i) => `stop ${i}`)
    expect(generate({ stop: many }).stop).toEqual(many)
    expect(generate({ stop: runInNewContext('["a", "b"]') }).stop).toEqual(['a', 'b'])
    const refusals: [unknown, string][] = [
      ['', 'stop'],
      [5, 'stop'],
      [null, 'stop'],
      [new Set(['x']), 'stop'],
      [[...many, 'x'], 'stop'],
      [['x', ''], 'stop[1]'],
      [['x', 5], 'stop[1]'],
      [[undefined], 'stop[0]'],
      [new Array(2), 'stop[0]'],
      ['\ud800', 'stop'],
      [['a', '\ud800'], 'stop[1]'],
    ]
    for (const [stop, path] of refusals) expect(refusal(() => generate({ stop })).path).toBe(path)
  })

  test('signal takes whatever works as an AbortSignal, and nothing else', () => {
    const { signal } = new AbortController()
    expect(generate({ signal }).signal).toBe(signal)
    expect(readLoadOptions({ signal: AbortSignal.abort() }).signal?.aborted).toBe(true)
    const lookalike = { aborted: false, addEventListener() {}, removeEventListener() {} }
    expect(generate({ signal: lookalike }).signal).toBe(lookalike)
    for (const value of [
      null,
      {},
      new AbortController(),
      { aborted: 1, addEventListener() {} },
      { aborted: true },
      () => 1,
    ]) {
      expect(refusal(() => generate({ signal: value })).path).toBe('signal')
    }
  })

  test('now takes a valid Date, and nothing else', () => {
    expect(generate({ now: new Date(5) }).now).toBe(5)
    expect(generate({ now: new Date(-5) }).now).toBe(-5)
    expect(generate({ now: runInNewContext('new Date(7)') }).now).toBe(7)
    const lying = Object.assign(new Date(9), { getTime: () => 0, valueOf: () => 0 })
    expect(generate({ now: lying }).now).toBe(9)
    for (const now of [new Date(Number.NaN), 5, '2024-01-01', null, {}, Object.create(Date.prototype)]) {
      expect(refusal(() => generate({ now })).path).toBe('now')
    }
  })

  test('flashAttention, kvCacheType and gpuLayers take only their words', () => {
    expect(readLoadOptions({ flashAttention: true }).flashAttention).toBe(true)
    expect(readLoadOptions({ flashAttention: false }).flashAttention).toBe(false)
    expect(readLoadOptions({ kvCacheType: 'q8_0' }).kvCacheType).toBe('q8_0')
    expect(readLoadOptions({ gpuLayers: 'auto' }).gpuLayers).toBe('auto')
    expect(refusal(() => readLoadOptions({ flashAttention: 'on' })).path).toBe('flashAttention')
    expect(refusal(() => readLoadOptions({ kvCacheType: 'Q8_0' })).message).toContain(`'q8_0'`)
    expect(refusal(() => readLoadOptions({ kvCacheType: 'toString' })).path).toBe('kvCacheType')
  })

  test('the options for GPUs take what fits together, and name what does not', () => {
    expect(readLoadOptions({ devices: ['CUDA1', 'CUDA0'], tensorSplit: [3, 0.5] })).toMatchObject({
      devices: ['CUDA1', 'CUDA0'],
      tensorSplit: [3, 0.5],
    })
    expect(readLoadOptions({ splitMode: 'none', mainGpu: 1 })).toMatchObject({
      splitMode: 'none',
      mainGpu: 1,
    })
    for (const [options, message] of [
      [
        { devices: [] },
        "devices must be an array of 1 to 16 names of GPUs, such as 'CUDA0', not an empty array.",
      ],
      [{ devices: [5] }, 'devices[0] must be a string that is not empty, not 5.'],
      [{ devices: ['a', 'a'] }, 'devices names "a" twice.'],
      [{ tensorSplit: [1, 'x'] }, 'tensorSplit[1] must be a number from 0 to 1000000, not the string "x".'],
      [
        { tensorSplit: [0] },
        'tensorSplit must be an array of numbers from 0, one for each GPU, and one of them above 0, not zeros alone.',
      ],
    ] as const)
      expect(refusal(() => readLoadOptions(options)).message).toBe(message)
    for (const [options, path] of [
      [{ devices: [] }, 'devices'],
      [{ devices: 'CUDA0' }, 'devices'],
      [{ devices: ['CUDA0', ''] }, 'devices[1]'],
      [{ devices: ['CUDA0', 'CUDA0'] }, 'devices'],
      [{ devices: Array.from({ length: 17 }, (_, i) => `CUDA${i}`) }, 'devices'],
      [{ splitMode: 'row' }, 'splitMode'],
      [{ splitMode: 'none', mainGpu: -1 }, 'mainGpu'],
      [{ mainGpu: 1 }, 'mainGpu'],
      [{ tensorSplit: [] }, 'tensorSplit'],
      [{ tensorSplit: [0, 0] }, 'tensorSplit'],
      [{ tensorSplit: [1, -1] }, 'tensorSplit[1]'],
      [{ tensorSplit: [1, Number.NaN] }, 'tensorSplit[1]'],
      [{ tensorSplit: [1], splitMode: 'none' }, 'tensorSplit'],
      [{ devices: ['CUDA0'], gpuLayers: 0 }, 'devices'],
      [{ onOutOfMemory: 'retry' }, 'onOutOfMemory'],
    ] as const)
      expect(refusal(() => readLoadOptions(options)).path, JSON.stringify(options)).toBe(path)
  })

  test('chatTemplate takes well-formed text that is not empty', () => {
    expect(readLoadOptions({ chatTemplate: '{{ x }}' }).chatTemplate).toBe('{{ x }}')
    for (const value of ['', null, 5, '\udc00']) {
      expect(refusal(() => readLoadOptions({ chatTemplate: value })).path).toBe('chatTemplate')
    }
  })

  test('specialTokens takes known names, with text or null', () => {
    const given = { bos_token: '<s>', eos_token: null, pad_token: '' }
    const read = readLoadOptions({ specialTokens: given }).specialTokens
    expect(read).toEqual(given)
    expect(read).not.toBe(given)
    expect(refusal(() => readLoadOptions({ specialTokens: { bos_tokn: 'x' } }))).toMatchObject({
      path: 'specialTokens.bos_tokn',
      message: expect.stringContaining('specialTokens.bos_tokn is not known here. Did you mean bos_token?'),
    })
    expect(refusal(() => readLoadOptions({ specialTokens: { bos_token: 1 } })).path).toBe(
      'specialTokens.bos_token',
    )
    expect(refusal(() => readLoadOptions({ specialTokens: { bos_token: '\ud800' } })).path).toBe(
      'specialTokens.bos_token',
    )
    for (const value of [null, 'x', []]) {
      expect(refusal(() => readLoadOptions({ specialTokens: value })).path).toBe('specialTokens')
    }
  })

  test('onProgress and onLog take only functions', () => {
    const callback = () => {}
    expect(readLoadOptions({ onProgress: callback, onLog: callback })).toMatchObject({
      onProgress: callback,
      onLog: callback,
    })
    expect(refusal(() => readLoadOptions({ onProgress: {} })).path).toBe('onProgress')
    expect(refusal(() => readLoadOptions({ onLog: null })).path).toBe('onLog')
  })

  test('texts, token ids and controlTokens are checked by every method', () => {
    expect(readText('')).toBe('')
    for (const text of [5, undefined, '\ud800']) expect(refusal(() => readText(text)).path).toBe('text')
    expect(readTokenizeOptions(undefined)).toEqual({ controlTokens: 'text' })
    expect(readTokenizeOptions({ controlTokens: 'parse' })).toEqual({ controlTokens: 'parse' })
    expect(refusal(() => readTokenizeOptions({ controlTokens: true })).path).toBe('controlTokens')
    expect(readTokenIds([0, 5, 2 ** 31 - 1])).toEqual(Int32Array.of(0, 5, 2 ** 31 - 1))
    expect(readTokenIds(Int32Array.of(1, 2))).toEqual(Int32Array.of(1, 2))
    expect(readTokenIds([])).toEqual(new Int32Array())
    expect(refusal(() => readTokenIds('12')).path).toBe('tokenIds')
    for (const id of [-1, 1.5, 2 ** 31, '1', 1n, undefined]) {
      expect(refusal(() => readTokenIds([1, id])).path).toBe('tokenIds[1]')
    }
  })
})

test('the types take what callers have', () => {
  interface ChatMessage {
    role: 'user' | 'assistant'
    content: string
    created?: number
  }
  interface ToolDefinition {
    type: 'function'
    function: { name: string }
  }
  expectTypeOf<ChatMessage[]>().toExtend<Messages>()
  expectTypeOf<readonly ToolDefinition[]>().toExtend<readonly Tool[]>()
  expectTypeOf<{ content: string }[]>().not.toExtend<Messages>()
  expectTypeOf<{ role: string; content: number }[]>().not.toExtend<Messages>()
  expectTypeOf<{ model: Model; maxTokens: number | undefined }>().toExtend<GenerateInferenceOptions>()
  expectTypeOf<{ temperature: number }>().not.toExtend<GenerateInferenceOptions>()
  expectTypeOf<LoadModelOptions['gpuLayers']>().toEqualTypeOf<number | 'auto' | undefined>()
  expectTypeOf<InferenceResult['tokenIds']>().toEqualTypeOf<readonly number[]>()
})
