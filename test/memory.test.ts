import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import {
  type EstimateMemoryOptions,
  estimateMemory,
  InvalidOptionError,
  loadModel,
  ModelLoadError,
} from 'verbatim-llama'
import { describe, expect, onTestFinished, test } from 'vitest'
import { MetadataWriter } from '../scripts/make-model/gguf-writer.js'
import { expectScript } from './support/child.js'
import { spmModel, tinyModel } from './support/model.js'

describe('estimateMemory', () => {
  test('says what loading then takes', async () => {
    const options = { contextSize: 512, cacheSize: 1024, maxSequences: 3 }
    const estimate = await estimateMemory(tinyModel, options)
    await using model = await loadModel(tinyModel, { ...options, threads: 1 })
    const { gpuLayers, cacheSize, batchSize, kvCacheType, contextSize } = model.info
    expect(estimate).toMatchObject({ fits: true, gpuLayers, cacheSize, batchSize, kvCacheType, contextSize })
    expect(estimate.devices).toHaveLength(model.info.devices.length)
    const [estimated, used] = [estimate.devices.at(-1), model.info.devices.at(-1)]
    expect(estimated).toMatchObject({
      name: 'CPU',
      cacheBytes: used?.cacheBytes,
      computeBytes: used?.computeBytes,
    })
    expect(estimated?.weightsBytes).toBe(used?.weightsBytes)
    // Allow for whole pages of the file in the mapping.
    expect(Math.abs((estimated?.mappedBytes ?? 0) - (used?.mappedBytes ?? 0))).toBeLessThan(1_000_000)
  })

  test('grows with the cells and their type', async () => {
    const cacheBytes = async (options: EstimateMemoryOptions) =>
      (await estimateMemory(spmModel, { contextSize: 256, ...options })).devices.at(-1)?.cacheBytes ?? 0
    const one = await cacheBytes({ cacheSize: 1024 })
    expect(await cacheBytes({ cacheSize: 4096 })).toBe(4 * one)
    expect(await cacheBytes({ cacheSize: 1024, kvCacheType: 'f32' })).toBe(2 * one)
  })

  test('says that nothing fits as a result, not as an error', async () => {
    // Estimate some hundreds of gigabytes, which are only computed.
    const estimate = await estimateMemory(tinyModel, { contextSize: 256, cacheSize: 200_000_000 })
    expect(estimate.attempts[0]).toMatchObject({ cacheSize: 200_000_000, outcome: 'too-large' })
    expect(estimate.attempts[0]?.devices[0]).toMatchObject({ name: 'CPU', neededBytes: expect.any(Number) })
    const strict = await estimateMemory(tinyModel, {
      contextSize: 256,
      cacheSize: 200_000_000,
      onOutOfMemory: 'throw',
    })
    expect(strict).toMatchObject({ fits: false, gpuLayers: 0 })
  })

  test.each([
    [{ contextSize: 5 }, 'contextSize'],
    [{ threads: 1 }, 'threads'],
    [{ contextSize: 1_000_000 }, 'contextSize'],
    [{ contextSize: 1_000_000, ropeScaling: { type: 'yarn', factor: 2 } }, 'contextSize'],
    [{ ropeScaling: { type: 'linear', factor: 0 } }, 'ropeScaling.factor'],
    [{ ropeScaling: { type: 'linear' } }, 'ropeScaling.factor'],
    [{ contextSize: 512, cacheSize: 256 }, 'cacheSize'],
    [{ devices: ['CUDA99'] }, 'devices[0]'],
    [{ gpuLayers: 0, devices: ['CUDA0'] }, 'devices'],
  ])('refuses %j', async (options, path) => {
    const error = await estimateMemory(tinyModel, options as EstimateMemoryOptions).catch((reason) => reason)
    expect(error).toBeInstanceOf(InvalidOptionError)
    expect(error).toMatchObject({ path })
  })

  test('refuses what is no model', async () => {
    const error = await estimateMemory('package.json').catch((reason) => reason)
    expect(error).toBeInstanceOf(ModelLoadError)
    expect(await estimateMemory('nowhere.gguf').catch(({ code }) => code)).toBe('MODEL_NOT_FOUND')
  })
})

describe('estimateMemory of a remote file', () => {
  async function serve(listener: RequestListener): Promise<string> {
    const server = createServer(listener).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.gguf`
  }

  const inRanges =
    (file: Buffer, sent: { bytes: number }): RequestListener =>
    (request, response) => {
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
      const part = file.subarray(Number(from), Number(to) + 1)
      sent.bytes += part.length
      response.writeHead(206, {
        'content-range': `bytes ${from}-${Number(from) + part.length - 1}/${file.length}`,
      })
      response.end(part)
    }

  test('reads only the header', async () => {
    const sent = { bytes: 0 }
    const file = readFileSync(tinyModel)
    const url = await serve(inRanges(file, sent))
    const remote = await estimateMemory(url, { contextSize: 512 })
    const local = await estimateMemory(tinyModel, { contextSize: 512 })
    expect(remote.devices.map(({ freeBytes: _, ...rest }) => rest)).toEqual(
      local.devices.map(({ freeBytes: _, ...rest }) => rest),
    )
    expect(sent.bytes).toBeLessThan(file.length)
  })

  test('refuses a file that is no GGUF, or ends in its header', async () => {
    const code = async (file: Buffer) =>
      estimateMemory(await serve(inRanges(file, { bytes: 0 }))).catch((error) => error.code)
    expect(await code(Buffer.alloc(3_000_000, 'x'))).toBe('MODEL_INVALID')
    expect(await code(readFileSync(tinyModel).subarray(0, 2_000_000))).toBe('MODEL_TRUNCATED')
  })

  test('speaks of the address, not of its copy of the header', async () => {
    const refusal = async (file: Buffer, name = 'model.gguf') => {
      const url = (await serve(inRanges(file, { bytes: 0 }))).replace('model.gguf', name)
      const error = await estimateMemory(url).catch((reason) => reason)
      expect(error).toMatchObject({ path: url })
      expect(error.message).not.toContain(tmpdir())
      return error.message.replace(url, 'URL')
    }
    expect(await refusal(Buffer.from('Entry not found'))).toBe(
      "URL is not a GGUF file: it begins with 'Entry not found'",
    )
    expect(await refusal(readFileSync(tinyModel).subarray(0, 100))).toMatch(
      /^URL is incomplete: it has 100 bytes/,
    )
    const metadata = new MetadataWriter().uint32('split.count', 2)
    const header = Buffer.alloc(24, 'GGUF')
    header.writeUInt32LE(3, 4)
    header.writeBigUInt64LE(0n, 8)
    header.writeBigUInt64LE(BigInt(metadata.count), 16)
    const split = Buffer.concat([header, metadata.toBuffer()])
    expect(await refusal(split, 'm-00001-of-00002.gguf')).toMatch(/^URL is one of several files of a model/)
  })

  test.each([
    ['that sends all of it', 200],
    ['that does not have it', 404],
  ])('refuses a server %s', async (_, status) => {
    const url = await serve((_request, response) => response.writeHead(status).end('x'.repeat(10_000)))
    const error = await estimateMemory(url).catch((reason) => reason)
    expect(error).toMatchObject({ code: 'MODEL_NOT_FOUND', path: url })
  })

  test('refuses a server that sends without end, or goes away', async () => {
    const endless = await serve((_request, response) => {
      response.writeHead(206, { 'content-range': 'bytes 0-9/1000000000000' })
      const more = () => {
        while (response.write(Buffer.alloc(1_000_000)));
      }
      response.on('drain', more)
      more()
    })
    expect(await estimateMemory(endless).catch((error) => error)).toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining('more than it was asked for'),
    })
    const leaving = await serve((_request, response) => {
      response.writeHead(206, { 'content-range': 'bytes 0-9/1000000', 'content-length': 1000 })
      response.write('GGUF', () => response.destroy())
    })
    expect(await estimateMemory(leaving).catch(({ code }) => code)).toBe('MODEL_NOT_FOUND')
  })

  test('fails without a server, and by its signal', async () => {
    expect(await estimateMemory('http://127.0.0.1:9/x.gguf').catch(({ code }) => code)).toBe(
      'MODEL_NOT_FOUND',
    )
    const url = await serve(() => {}) // never answers
    const controller = new AbortController()
    const reason = new Error('enough')
    const estimate = estimateMemory(url, { signal: controller.signal })
    setTimeout(() => controller.abort(reason), 20)
    expect(await estimate.catch((error) => error)).toBe(reason)
  })
})

describe('where memory is too little', () => {
  /** Limits a process to its address space and some MB more. */
  const limit = `
    import { execFileSync } from 'node:child_process'
    import { readFileSync } from 'node:fs'
    function leave(megabytes) {
      const used = Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[0]) * 4096
      execFileSync('prlimit', ['--pid', String(process.pid), '--as=' + (used + megabytes * 1e6)])
    }
    const options = { ...quick, cacheSize: 1_900_000 } // 490 MB, and 100 MB to note what is in which cell`

  test.runIf(process.platform === 'linux')('a smaller plan is taken, and info says so', async () => {
    await expectScript(
      `${limit}
      await (await loadModel(tinyModel, quick)).dispose() // the addon's libraries, and its threads' stacks
      leave(1200)
      const model = await loadModel(tinyModel, options)
      const { attempts } = model.info.memory
      console.log(attempts[0].outcome, attempts.at(-1).outcome)
      console.log(model.info.cacheSize < 1_900_000 || model.info.kvCacheType === 'q8_0')
      const { tokenIds } = await generateInference(user('a'), { model, maxTokens: 3, ignoreEndOfSequence: true })
      console.log(tokenIds.length)`,
      { stdout: 'too-large taken\ntrue\n3\n' },
    )
  })

  test.runIf(process.platform === 'linux')('the error says what is missing, and what would fit', async () => {
    await expectScript(
      `${limit}
      await (await loadModel(tinyModel, quick)).dispose()
      leave(1200)
      const error = await loadModel(tinyModel, { ...options, onOutOfMemory: 'throw' }).catch((reason) => reason)
      const [{ name, neededBytes, freeBytes }] = error.devices
      console.log(error.code, name, neededBytes > freeBytes, error.wouldFit.contextSize)
      await (await loadModel(tinyModel, { ...quick, ...error.wouldFit })).dispose()
      leave(20)
      console.log(await loadModel(tinyModel, options).catch(({ code, wouldFit }) => code + wouldFit))`,
      { stdout: 'OUT_OF_MEMORY CPU true 256\nOUT_OF_MEMORYundefined\n' },
    )
  })

  test.runIf(process.platform === 'linux')(
    'no room for threads is an error, and the process ends',
    async () => {
      await expectScript(
        `${limit}
      const { ChatTemplate, estimateMemory } = await import(indexUrl)
      const model = await loadModel(tinyModel, quick)
      leave(1100)
      const computing = await loadModel(tinyModel, { ...quick, threads: 512 }).catch((reason) => reason)
      console.log(computing.code, computing.message.includes('threads to compute'))
      leave(20) // less than the stack of a thread
      const four = (call) => Promise.all([1, 2, 3, 4].map(() => call().catch((reason) => reason)))
      const errors = [
        ...(await four(() => loadModel(tinyModel, quick))),
        ...(await four(() => estimateMemory(tinyModel, { contextSize: 256 }))),
        ...(await four(() => new ChatTemplate('').render({}))),
      ]
      console.log([...new Set(errors.map(({ code }) => code))].join(), errors.at(-1).message.includes('no more threads'))
      await model.dispose()`,
        { stdout: 'OUT_OF_MEMORY true\nOUT_OF_MEMORY true\n' },
      )
    },
  )
})
