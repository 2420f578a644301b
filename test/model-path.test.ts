// A model's path, which may be a file: URL.
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { runInNewContext } from 'node:vm'
import { estimateMemory, InvalidOptionError, type LoadModelOptions, loadModel } from 'verbatim-llama'
import { describe, expect, test } from 'vitest'
import { readModelPath, readModelPathOrUrl } from '#lib/options/paths.js'
import { readCommandLine } from '../bench/options.js'
import { temporaryFolder } from './support/gguf-patch.js'
import { contentOnly, spmModel } from './support/model.js'
import { refusal } from './support/options.js'
import { Served } from './support/serve.js'
import { send } from './support/worker.js'

const folder = temporaryFolder()
const awkward = join(folder, 'größer #1? 100%.gguf')
copyFileSync(spmModel, awkward)
const url = pathToFileURL(awkward)
const quick: LoadModelOptions = { contextSize: 32, threads: 1, chatTemplate: contentOnly }

describe('a file: URL', () => {
  test.each([
    ['a URL', url],
    ['a string', url.href],
    ['a string with a host of this machine', url.href.replace('file:///', 'file://localhost/')],
    ['a string with one slash', url.href.replace('file:///', 'file:/')],
    ['a string in capitals', url.href.replace('file:', 'FILE:')],
  ])('as %s loads the file, and info has the plain path', async (_, given) => {
    await using model = await loadModel(given, quick)
    expect(model.info.path).toBe(awkward)
  })

  test('is estimated like its path', async () => {
    const mapped = async (path: string | URL) =>
      (await estimateMemory(path, { contextSize: 32 })).devices.map(({ mappedBytes }) => mappedBytes)
    expect(await mapped(url)).toEqual(await mapped(awkward))
    expect(await mapped(url.href)).toEqual(await mapped(awkward))
  })

  test('of another realm is one too', () => {
    const { href } = url
    const other: unknown = runInNewContext('({ href, protocol: "file:" })', { href })
    expect(readModelPath(other)).toBe(awkward)
  })

  test('of a missing file says which path it stands for', async () => {
    const path = join(folder, 'no such.gguf')
    const error = await loadModel(pathToFileURL(path), quick).catch((reason) => reason)
    expect(error).toMatchObject({ code: 'MODEL_NOT_FOUND', path })
  })

  test('is taken by serve', async () => {
    const served = await Served.start([url.href, '--context-size', '32', '--max-sequences', '1'])
    try {
      const { body } = await send(`${served.url}/v1/models`)
      expect(body).toMatchObject({ data: [{ id: 'größer #1? 100%' }] })
    } finally {
      await served.kill()
    }
  })

  test('is taken by --model of the benchmark', () => {
    expect(readCommandLine(['--model', url.href], [])).toMatchObject({ modelPath: awkward })
  })
})

describe('what is no path of this machine is refused', () => {
  test.runIf(process.platform !== 'win32').each<[unknown, RegExp]>([
    ['file://elsewhere/model.gguf', /of another machine: .*three slashes/],
    ['file:///a%2Fb.gguf', /stands for no path/],
    ['file:///a%00b.gguf', /NUL character/],
    ['file:///a%zzb.gguf', /stands for no path/],
    ['file:///x\ny.gguf', /a tab, a line end or a backslash.*%0A.*pathToFileURL/],
    ['file:///x\ty.gguf', /a tab/],
    ['file:///x\ry.gguf', /a line end/],
    ['file:///x\\y.gguf', /a backslash/],
    ['file:///x.gguf ', /a space or control character at its end/],
    ['file:///x.gguf\u0001', /a space or control character at its end/],
    ['file:///model.gguf?download=true', /query or a fragment.*%3F/],
    ['file:///model.gguf#1', /query or a fragment/],
    [new URL('file:///model.gguf?'), /query or a fragment/],
    ['file:model.gguf', /without a slash: .*\.\/file:model\.gguf/],
    ['file:', /without a slash/],
    ['http://example.com/model.gguf', /remote file: .* Download it first/],
    ['HTTPS://example.com/model.gguf', /Download it first/],
    [new URL('https://example.com/model.gguf'), /Download it first/],
    ['s3://bucket/model.gguf', /URL that is not read here/],
    [new URL('data:text/plain,x'), /URL that is not read here/],
    ['', /must be the path of a model file, or its file: URL/],
    [5, /must be the path/],
    [null, /must be the path/],
    [undefined, /must be the path/],
    [{}, /must be the path/],
    [{ href: 5, protocol: 'file:' }, /must be the path/],
    ['a\0b', /NUL character/],
    ['\ud800', /lone surrogate/],
    ['file:///\ud800', /lone surrogate/],
  ])('%j', async (path, message) => {
    const error = refusal(() => readModelPath(path))
    expect(error).toMatchObject({ path: 'path', message: expect.stringMatching(message) })
    const failed = await loadModel(path as string, quick).catch((reason) => reason)
    expect(failed).toBeInstanceOf(InvalidOptionError)
    expect(failed.message).toBe(error.message)
  })

  test('and so is an object that cannot be read', () => {
    const cause = new Error('mine')
    const object = {
      get href() {
        throw cause
      },
    }
    expect(refusal(() => readModelPath(object))).toMatchObject({ path: 'path', cause })
  })

  test('but estimateMemory takes http: and https:, as strings and as URLs', () => {
    for (const address of ['http://example.com/x.gguf', 'https://example.com/x.gguf?a=b#c']) {
      expect(readModelPathOrUrl(address)).toBe(address)
      expect(readModelPathOrUrl(new URL(address))).toBe(address)
    }
    expect(refusal(() => readModelPathOrUrl('s3://bucket/x.gguf')).path).toBe('path')
    expect(refusal(() => readModelPathOrUrl(new URL('ftp://example.com/x.gguf'))).path).toBe('path')
  })
})

test('a file: URL keeps such characters where they are encoded', () => {
  const path = join(folder, ' a\tb\nc\rd ')
  expect(readModelPath(pathToFileURL(path))).toBe(path)
  expect(readModelPath(pathToFileURL(path).href)).toBe(path)
})

test('paths that only look like URLs are paths', () => {
  for (const path of [
    '/models/ü.gguf',
    'C:\\models\\x.gguf',
    'C:/x.gguf',
    './file:x.gguf',
    'a:b.gguf',
    'file.gguf',
  ])
    expect(readModelPath(path)).toBe(path)
})
