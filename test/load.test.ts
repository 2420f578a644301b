import { getEventListeners } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  InvalidOptionError,
  type LoadModelOptions,
  type LogEntry,
  loadModel,
  ModelLoadError,
  OutOfMemoryError,
  VerbatimError,
} from 'verbatim-llama'
import { describe, expect, test } from 'vitest'
import { readGguf } from '../scripts/make-model/gguf-reader.js'
import { expectScript, runScript } from './support/child.js'
import { patchModel, temporaryFolder } from './support/gguf-patch.js'
import { rejection, spmModel, user } from './support/model.js'

const folder = temporaryFolder()
const quick: LoadModelOptions = { contextSize: 32, threads: 1, chatTemplate: 'x{{ messages[0].content }}' }

async function loadError(path: string, options: LoadModelOptions = quick): Promise<VerbatimError> {
  const error = await rejection(loadModel(path, options))
  expect(error).toBeInstanceOf(VerbatimError)
  return error as VerbatimError
}

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

describe('loading a file that is no model', () => {
  test('of a path without a file fails with MODEL_NOT_FOUND', async () => {
    for (const path of [join(folder, 'no.gguf'), join(folder, 'no', 'such', 'folder.gguf')]) {
      const error = await loadError(path)
      expect(error).toBeInstanceOf(ModelLoadError)
      expect(error).toMatchObject({ code: 'MODEL_NOT_FOUND', path })
      expect(error.message).toContain(path)
    }
  })

  test('of a folder fails with MODEL_NOT_FOUND', async () => {
    const path = join(folder, 'folder.gguf')
    mkdirSync(path)
    expect(await loadError(path)).toMatchObject({ code: 'MODEL_NOT_FOUND', path })
  })

  test.each([
    ['empty', ''],
    ['text', 'This is no model.\n'.repeat(100)],
    ['the magic only', 'GGUF'],
    ['zeros', Buffer.alloc(4096)],
    ['another version', Buffer.from('GGUF\xff\0\0\0'.padEnd(64, '\0'), 'latin1')],
  ])('that holds no model but %s fails with a typed error', async (name, content) => {
    const path = file(`${name}.gguf`, content)
    const error = await loadError(path)
    expect(error).toBeInstanceOf(ModelLoadError)
    expect(error).toMatchObject({ path })
    expect(['MODEL_INVALID', 'MODEL_TRUNCATED', 'MODEL_UNSUPPORTED']).toContain(error.code)
  })

  test('works where the name is not ASCII', async () => {
    const path = join(folder, 'Modell „größer“ 模型.gguf')
    writeFileSync(path, readFileSync(spmModel))
    await using model = await loadModel(path, quick)
    expect(model.info.path).toBe(path)
    expect(await loadError(`${path}.none`)).toMatchObject({ code: 'MODEL_NOT_FOUND', path: `${path}.none` })
  })

  test('fails for a model that was cut short, with the bytes that are missing', async () => {
    const whole = readFileSync(spmModel)
    const { dataOffset } = readGguf(spmModel)
    for (const length of [5, 20, 24, 100, 1000, dataOffset >> 1, dataOffset - 100]) {
      const error = await loadError(file(`cut-${length}.gguf`, whole.subarray(0, length)))
      expect(error).toBeInstanceOf(ModelLoadError)
      expect(['MODEL_INVALID', 'MODEL_TRUNCATED']).toContain(error.code)
    }
    for (const length of [dataOffset, dataOffset + 1, (whole.length + dataOffset) >> 1, whole.length - 33]) {
      const error = await loadError(file(`cut-${length}.gguf`, whole.subarray(0, length)))
      expect(error).toMatchObject({ code: 'MODEL_TRUNCATED', fileBytes: length })
      expect((error as ModelLoadError).expectedBytes).toBeGreaterThan(length)
      expect((error as ModelLoadError).expectedBytes).toBeLessThanOrEqual(whole.length)
    }
  })

  test('fails for an unknown architecture, which the error names', async () => {
    const whole = readFileSync(spmModel)
    const at = whole.indexOf('llama', whole.indexOf('general.architecture'))
    whole.write('lXama', at)
    const error = await loadError(file('architecture.gguf', whole))
    expect(error).toMatchObject({ code: 'MODEL_UNSUPPORTED', architecture: 'lXama' })
  })

  test('fails for hyper-parameters that make no sense', async () => {
    for (const [key, value] of [
      ['llama.block_count', 3],
      ['llama.attention.head_count', 0],
      ['llama.embedding_length', 65],
      ['llama.context_length', 0],
    ] as const) {
      const path = join(folder, 'patched.gguf')
      patchModel(spmModel, path, { [key]: value })
      expect(await loadError(path), key).toMatchObject({ code: 'MODEL_INVALID' })
    }
  })
})

describe('options of loadModel', () => {
  test.each<[object, string]>([
    [{ contextSize: 15 }, 'contextSize'],
    [{ contextSize: 2 ** 31 }, 'contextSize'],
    [{ contextSize: '512' }, 'contextSize'],
    [{ contextSize: 4097 }, 'contextSize'],
    [{ contextSize: 512, cacheSize: 511 }, 'cacheSize'],
    [{ cacheSize: 4095 }, 'cacheSize'],
    [{ maxSequences: 0 }, 'maxSequences'],
    [{ maxSequences: 241 }, 'maxSequences'],
    [{ gpuLayers: -1 }, 'gpuLayers'],
    [{ threads: 0 }, 'threads'],
    [{ threads: 1.5 }, 'threads'],
    [{ flashAttention: 'yes' }, 'flashAttention'],
    [{ kvCacheType: 'f64' }, 'kvCacheType'],
    [{ chatTemplate: '' }, 'chatTemplate'],
    [{ specialTokens: { bos: 'x' } }, 'specialTokens.bos'],
    [{ signal: {} }, 'signal'],
    [{ onProgress: true }, 'onProgress'],
    [{ onLog: 'stderr' }, 'onLog'],
    [{ temperature: 1 }, 'temperature'],
  ])('%j are refused by path', async (options, path) => {
    const error = await loadError(spmModel, options)
    expect(error).toBeInstanceOf(InvalidOptionError)
    expect(error).toMatchObject({ path })
  })

  test('that put layers on a GPU that is not there are refused', async ({ skip }) => {
    await using model = await loadModel(spmModel, quick)
    skip(model.info.devices.length > 1, 'there is one')
    const error = await loadError(spmModel, { gpuLayers: 1 })
    expect(error).toBeInstanceOf(InvalidOptionError)
    expect(error).toMatchObject({ path: 'gpuLayers' })
  })

  test.each([[undefined], [null], [''], [1], ['a\0b'], ['\ud800']])('path %j is refused', async (path) => {
    expect(await loadError(path as string)).toMatchObject({ code: 'INVALID_OPTION', path: 'path' })
  })

  test('may ask for the longest context and for the most sequences', async () => {
    await using model = await loadModel(spmModel, { ...quick, contextSize: 4096, maxSequences: 240 })
    expect(model.info).toMatchObject({ contextSize: 4096, maxSequences: 240 })
    const runs = Array.from({ length: 40 }, () => model.generateInference(user('a'), { maxTokens: 2 }))
    for (const run of runs) expect((await run).usage.completionTokens).toBeGreaterThan(0)
  })

  test.each<LoadModelOptions>([
    { kvCacheType: 'f32' },
    { kvCacheType: 'bf16' },
    { kvCacheType: 'q8_0' },
    { kvCacheType: 'q4_0', flashAttention: true },
    { flashAttention: false },
    { flashAttention: true },
    { gpuLayers: 0 },
    { threads: 3 },
  ])('%j work', async (options) => {
    await using model = await loadModel(spmModel, { ...quick, ...options })
    const { usage } = await model.generateInference(user('a'), { maxTokens: 3, ignoreEndOfSequence: true })
    expect(usage.completionTokens).toBe(3)
  })

  test('that quantize the cache without flash attention are refused', async () => {
    const error = await loadError(spmModel, { ...quick, kvCacheType: 'q8_0', flashAttention: false })
    expect(error).toMatchObject({ code: 'INVALID_OPTION', path: 'kvCacheType' })
    expect(error.message).toMatch(/needs flash attention, but flashAttention is false/)
  })

  test('that ask for more cells than there is memory for are refused, and the next load works', async () => {
    const error = await loadError(spmModel, { ...quick, cacheSize: 2 ** 31 - 1 })
    expect(error).toBeInstanceOf(OutOfMemoryError)
    expect((error as OutOfMemoryError).neededBytes).toBeGreaterThan(2 ** 31)
    await using model = await loadModel(spmModel, quick)
    expect(model.info.contextSize).toBe(32)
  })
})

describe('onProgress', () => {
  test('rises from 0 to 1', async () => {
    const seen: number[] = []
    await using model = await loadModel(spmModel, { ...quick, onProgress: (part) => seen.push(part) })
    expect(seen.at(-1)).toBe(1)
    expect(seen.filter((part) => part === 1)).toHaveLength(1)
    expect(seen[0]).toBeGreaterThanOrEqual(0)
    expect(seen[0]).toBeLessThan(1)
    expect(seen).toEqual(seen.toSorted((a, b) => a - b))
    expect(model.info.layerCount).toBe(2)
  })

  test.each([0, 1])('makes loading reject with what it throws (at %i)', async (when) => {
    const mine = new Error('mine')
    let calls = 0
    const onProgress = (part: number) => {
      calls++
      if (part >= when) throw mine
    }
    expect(await rejection(loadModel(spmModel, { ...quick, onProgress }))).toBe(mine)
    expect(calls).toBeGreaterThan(0)
  })

  test('is called for a damaged file as far as it goes, and not after', async () => {
    const seen: number[] = []
    await loadError(file('no.gguf', 'no'), { ...quick, onProgress: (part) => seen.push(part) })
    expect(seen).not.toContain(1)
  })
})

describe('aborting the signal of loadModel', () => {
  test('before the call rejects with its reason', async () => {
    const reason = { mine: true }
    const signal = AbortSignal.abort(reason)
    expect(await rejection(loadModel(spmModel, { ...quick, signal }))).toBe(reason)
  })

  test('while it loads rejects with its reason, and stops listening', async () => {
    const controller = new AbortController()
    const reason = Symbol('mine')
    const loading = loadModel(spmModel, { ...quick, signal: controller.signal })
    await Promise.resolve()
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1)
    controller.abort(reason)
    expect(await rejection(loading)).toBe(reason)
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
  })

  test('at any step of the progress rejects with its reason', async () => {
    for (const when of [0, 0.5, 1]) {
      const controller = new AbortController()
      const onProgress = (part: number) => {
        if (part >= when) controller.abort(when)
      }
      const { signal } = controller
      expect(await rejection(loadModel(spmModel, { ...quick, signal, onProgress }))).toBe(when)
    }
  })

  test('after it has loaded changes nothing', async () => {
    const controller = new AbortController()
    await using model = await loadModel(spmModel, { ...quick, signal: controller.signal })
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
    controller.abort()
    expect((await model.generateInference(user('a'), { maxTokens: 1 })).tokenIds).toHaveLength(1)
  })
})

describe('the log', () => {
  test('goes to onLog, line by line', async () => {
    const entries: LogEntry[] = []
    await using model = await loadModel(spmModel, { ...quick, onLog: (entry) => entries.push(entry) })
    expect(model.info.architecture).toBe('llama')
    expect(entries.length).toBeGreaterThan(20)
    for (const entry of entries) {
      expect(['debug', 'info', 'warn', 'error']).toContain(entry.level)
      expect(entry.message).toMatch(/^[^\n]+$/)
      expect(Object.isFrozen(entry)).toBe(true)
    }
    expect(entries.some(({ message }) => message.includes('general.architecture'))).toBe(true)
    // Expect no errors in the log of wanted interrupts: those of the warm-up, and of a cancelled run.
    const run = model.generateInference(user(' a'.repeat(200)))
    run.cancel()
    await run.catch(() => {})
    expect(entries.filter(({ level }) => level === 'error')).toEqual([])
  })

  test('never goes to stdout or stderr', async () => {
    await expectScript(
      `for (const options of [quick, { ...quick, onLog: () => {} }]) {
        const model = await loadModel(spmModel, options)
        await model.generateInference(user('Hello'), { maxTokens: 3 })
        await model.dispose()
        await loadModel('/nowhere.gguf', options).catch(() => {})
        await loadModel(spmModel, { ...options, cacheSize: 2 ** 31 - 1 }).catch(() => {})
        await loadModel(spmModel, { ...options, flashAttention: false, kvCacheType: 'q8_0' }).catch(() => {})
      }`,
      { stdout: '' },
    )
  })

  test('goes on when onLog throws, which is an uncaught exception', async () => {
    const { code, signal, stdout, stderr } = await runScript(
      `let caught = 0
      process.on('uncaughtException', (error) => { if (error.message === 'mine') caught++ })
      const onLog = () => { throw new Error('mine') }
      const model = await loadModel(spmModel, { ...quick, onLog })
      await model.dispose()
      console.log(caught > 20)`,
    )
    expect({ code, signal, stdout, stderr }).toEqual({ code: 0, signal: null, stdout: 'true\n', stderr: '' })
  })
})

test('one file can be loaded many times at once', async () => {
  const models = await Promise.all(Array.from({ length: 4 }, () => loadModel(spmModel, quick)))
  const texts = await Promise.all(
    models.map((model) => model.generateInference(user('Hello'), { maxTokens: 5, seed: 1 })),
  )
  expect(new Set(texts.map(({ text }) => text)).size).toBe(1)
  await Promise.all(models.map((model) => model.dispose()))
})
