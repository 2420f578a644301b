import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type GgufFile, ggufValue, readGguf } from '../scripts/make-model/gguf-reader.js'
import { SHAPES, tensorsOf } from '../scripts/make-model/shapes.js'
import { llamaCppDir, loadVocab } from '../scripts/make-model/vocab.js'
import { type MadeModel, type MakeModelOptions, makeModel } from '../scripts/make-model.js'

const SCRIPT = fileURLToPath(new URL('../scripts/make-model.ts', import.meta.url))
const run = promisify(execFile)

const folder = mkdtempSync(join(tmpdir(), 'make-model-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const source = (name: string) => readGguf(join(llamaCppDir(), 'models', `ggml-vocab-${name}.gguf`))
const template = (name: string) => readFileSync(join(llamaCppDir(), 'models', 'templates', name), 'utf8')
const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')

function value(file: GgufFile, key: string) {
  const entry = file.entries.get(key)
  if (entry === undefined) throw new Error(`no key ${key}`)
  return ggufValue(entry)
}

describe('the tiny model', () => {
  let model: MadeModel
  let file: GgufFile

  beforeAll(async () => {
    model = await makeModel({ shape: 'tiny', out: join(folder, 'tiny.gguf') })
    file = readGguf(model.path)
  })

  test('is a file of the announced size, with nothing left beside it', () => {
    expect(model).toMatchObject({ created: true, shape: 'tiny', type: 'Q8_0' })
    expect(statSync(model.path).size).toBe(model.bytes)
    expect(model.bytes).toBeLessThan(20e6)
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  test('has the metadata of a Qwen2 model', () => {
    const metadata = Object.fromEntries(
      [...file.entries.values()]
        .filter((entry) => entry.elementType === undefined && entry.key !== 'tokenizer.chat_template')
        .map((entry) => [entry.key, ggufValue(entry)]),
    )
    expect(metadata).toEqual({
      'general.architecture': 'qwen2',
      'general.type': 'model',
      'general.name': 'verbatim synthetic tiny',
      'general.size_label': '10M',
      'general.file_type': 7,
      'general.quantization_version': 2,
      'verbatim.recipe': model.recipe,
      'qwen2.block_count': 2,
      'qwen2.context_length': 4096,
      'qwen2.embedding_length': 64,
      'qwen2.feed_forward_length': 256,
      'qwen2.attention.head_count': 2,
      'qwen2.attention.head_count_kv': 1,
      'qwen2.rope.freq_base': 1e6,
      'qwen2.attention.layer_norm_rms_epsilon': Math.fround(1e-6),
      'tokenizer.ggml.model': 'gpt2',
      'tokenizer.ggml.pre': 'qwen2',
      'tokenizer.ggml.eos_token_id': 151645,
      'tokenizer.ggml.padding_token_id': 151643,
      'tokenizer.ggml.bos_token_id': 151643,
      'tokenizer.ggml.add_bos_token': false,
    })
  })

  test('has the whole vocabulary, with unused padding, and the official template', () => {
    const tokens = value(file, 'tokenizer.ggml.tokens') as string[]
    const types = value(file, 'tokenizer.ggml.token_type') as number[]
    const original = source('qwen2')
    expect(tokens).toHaveLength(151_936)
    expect(tokens.slice(0, 151_646)).toEqual(
      (value(original, 'tokenizer.ggml.tokens') as string[]).slice(0, 151_646),
    )
    expect(tokens.slice(151_643, 151_647)).toEqual([
      '<|endoftext|>',
      '<|im_start|>',
      '<|im_end|>',
      '[PAD151646]',
    ])
    expect(tokens.at(-1)).toBe('[PAD151935]')
    expect(types.slice(151_642, 151_647)).toEqual([1, 3, 3, 3, 5])
    expect(types.slice(151_646).every((type) => type === 5)).toBe(true)
    const merges = file.entries.get('tokenizer.ggml.merges')?.raw
    expect(merges?.equals(original.entries.get('tokenizer.ggml.merges')?.raw as Buffer)).toBe(true)
    expect(value(file, 'tokenizer.chat_template')).toBe(template('Qwen-Qwen2.5-7B-Instruct.jinja'))
  })

  test('has the tensors of a Qwen2 model, aligned, one after the other, to the end of the file', () => {
    expect(file.tensors).toHaveLength(2 + 2 * 12)
    const dims = Object.fromEntries(file.tensors.map((tensor) => [tensor.name, tensor.dims]))
    expect(dims).toMatchObject({
      'token_embd.weight': [64, 151_936],
      'output_norm.weight': [64],
      'blk.0.attn_norm.weight': [64],
      'blk.0.attn_q.weight': [64, 64],
      'blk.0.attn_k.weight': [64, 32],
      'blk.0.attn_v.weight': [64, 32],
      'blk.0.attn_q.bias': [64],
      'blk.0.attn_k.bias': [32],
      'blk.0.attn_v.bias': [32],
      'blk.0.attn_output.weight': [64, 64],
      'blk.0.ffn_norm.weight': [64],
      'blk.0.ffn_gate.weight': [64, 256],
      'blk.0.ffn_up.weight': [64, 256],
      'blk.1.ffn_down.weight': [256, 64],
    })
    let end = 0
    for (const tensor of file.tensors) {
      expect(tensor.offset).toBe(end)
      expect(tensor.type).toBe(tensor.name.endsWith('.weight') && tensor.dims.length === 2 ? 'Q8_0' : 'F32')
      end = Math.ceil((tensor.offset + (tensor.bytes as number)) / 32) * 32
    }
    expect(file.dataOffset % 32).toBe(0)
    expect(file.dataOffset + end).toBe(model.bytes)
  })

  test('is made once, and again where the file is damaged or of another recipe', async () => {
    const out = join(folder, 'again.gguf')
    copyFileSync(model.path, out)
    const before = sha256(out)
    expect(await makeModel({ shape: 'tiny', out })).toMatchObject({ created: false, recipe: model.recipe })
    truncateSync(out, model.bytes - 1)
    expect(await makeModel({ shape: 'tiny', out })).toMatchObject({ created: true })
    expect(sha256(out)).toBe(before)
    expect(await makeModel({ shape: 'tiny', out, seed: 1 })).toMatchObject({ created: true })
    expect(sha256(out)).not.toBe(before)
  })

  test('differs with the seed in all random tensors', async () => {
    const out = join(folder, 'seed.gguf')
    const other = readFileSync((await makeModel({ shape: 'tiny', seed: 7, out })).path)
    const first = readFileSync(model.path)
    const table = readGguf(out)
    for (const { name, bytes, offset } of file.tensors) {
      const a = first.subarray(file.dataOffset + offset).subarray(0, bytes)
      const b = other.subarray(table.dataOffset + offset).subarray(0, bytes)
      expect(a.equals(b), name).toBe(name.includes('norm'))
    }
  })

  test('can be made by several calls and processes at once', async () => {
    const out = join(folder, 'shared', 'tiny.gguf')
    const shell = (threads: number) =>
      run(process.execPath, [
        ...['--import', 'tsx', SCRIPT, 'tiny'],
        ...['--threads', String(threads), '--out', out],
      ])
    const call = (threads: number) => makeModel({ shape: 'tiny', threads, out })
    const [a, b] = await Promise.all([shell(1), shell(2), call(1), call(1), call(2)])
    expect([a.stdout.trim(), b.stdout.trim()]).toEqual([out, out])
    expect([a.stderr, b.stderr]).toEqual(['', ''])
    expect(sha256(out)).toBe(sha256(model.path))
    expect(readdirSync(join(folder, 'shared'))).toEqual(['tiny.gguf'])
  })

  test('leaves nothing behind where it is stopped', async () => {
    const out = join(folder, 'stopped', 'tiny.gguf')
    const stop = new AbortController()
    const making = makeModel({
      shape: 'tiny',
      out,
      signal: stop.signal,
      progress: () => stop.abort(new Error('enough')),
    })
    await expect(making).rejects.toThrow('enough')
    expect(readdirSync(join(folder, 'stopped'))).toEqual([])
  })
})

describe('several threads', () => {
  test.each([
    ['tiny', 'F16'],
    ['tiny', 'Q4_K'],
    ['tiny-mamba', 'Q4_0'],
  ] as const)('make %s in %s byte for byte as one does', async (shape, type) => {
    const make = (threads: number) =>
      makeModel({ shape, type, threads, out: join(folder, `${threads}-threads.gguf`) })
    const [one, three] = [await make(1), await make(3)]
    expect([one.created, three.created]).toEqual([true, true])
    expect(three.recipe).toBe(one.recipe)
    expect(sha256(three.path)).toBe(sha256(one.path))
  })

  test('report progress that grows to the total', async () => {
    const reports: number[] = []
    const progress = (written: number) => reports.push(written)
    const { bytes } = await makeModel({
      shape: 'tiny',
      threads: 2,
      out: join(folder, 'grown.gguf'),
      progress,
    })
    expect(reports.length).toBeGreaterThan(2)
    expect(reports).toEqual(reports.toSorted((a, b) => a - b))
    expect(reports.at(-1)).toBe(bytes)
  })

  test.each([
    ['before they have begun', 0],
    ['in the middle', 0.1],
  ])('end at once and leave nothing behind where they are stopped %s', async (_, share) => {
    const out = join(folder, `stopped-at-${share}`, 'model.gguf')
    const stop = new AbortController()
    let last = 0
    const making = makeModel({
      shape: 'qwen2.5-0.5b',
      threads: 3,
      out,
      signal: stop.signal,
      progress(written, total) {
        last = written / total
        if (last > share) stop.abort(new Error('enough'))
      },
    })
    await expect(making).rejects.toThrow('enough')
    expect(last).toBeLessThan(0.5)
    expect(readdirSync(dirname(out))).toEqual([])
  })

  test('end where progress throws', async () => {
    const out = join(folder, 'unreported', 'tiny.gguf')
    const progress = (written: number, total: number) => {
      if (written > total / 2) throw new Error('no terminal')
    }
    await expect(makeModel({ shape: 'tiny', threads: 2, out, progress })).rejects.toThrow('no terminal')
    expect(readdirSync(dirname(out))).toEqual([])
  })

  test.skipIf(process.platform === 'win32')(
    'say why one of them failed, and leave nothing behind',
    async () => {
      const out = join(folder, 'limited', 'tiny.gguf')
      // The metadata fits; in blocks of 512 bytes or of 1024.
      const script = 'ulimit -f 16000 && exec "$0" "$@"'
      const failed = run('sh', [
        ...['-c', script, process.execPath, '--import', 'tsx', SCRIPT],
        ...['tiny', '--type', 'F16', '--threads', '2', '--out', out],
      ])
      await expect(failed).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('EFBIG') })
      expect(readdirSync(dirname(out))).toEqual([])
    },
  )
})

test.each(['F16', 'Q4_0', 'Q4_K'] as const)('tiny in %s says its type and is whole', async (type) => {
  const model = await makeModel({ shape: 'tiny', type, context: 512, out: join(folder, `${type}.gguf`) })
  const file = readGguf(model.path)
  expect(value(file, 'general.file_type')).toBe({ F16: 1, Q4_0: 2, Q4_K: 14 }[type])
  expect(value(file, 'qwen2.context_length')).toBe(512)
  const types = Object.fromEntries(file.tensors.map((tensor) => [tensor.name, tensor.type]))
  expect(types['blk.0.ffn_down.weight']).toBe(type)
  // Rows of 64 weights hold no block of 256.
  expect(types['blk.0.ffn_up.weight']).toBe(type === 'Q4_K' ? 'Q8_0' : type)
})

test('the vocabulary and the template of a made model can be chosen', async () => {
  const spm = await makeModel({ shape: 'tiny-llama', out: join(folder, 'spm.gguf') })
  const file = readGguf(spm.path)
  const original = source('llama-spm')
  const keys = [...original.entries.keys()].filter((key) => key.startsWith('tokenizer.'))
  expect(keys.length).toBeGreaterThan(8)
  for (const key of keys) expect(file.entries.get(key)).toEqual(original.entries.get(key))
  expect(file.entries.has('tokenizer.chat_template')).toBe(false)
  expect(value(file, 'general.architecture')).toBe('llama')
  expect(value(file, 'llama.vocab_size')).toBe(32_000)
  expect(file.tensors.some((tensor) => tensor.name.endsWith('.bias'))).toBe(false)

  const out = join(folder, 'phi.gguf')
  const chatTemplate = async (options: Partial<MakeModelOptions>) => {
    const model = await makeModel({ shape: 'tiny-llama', vocab: 'phi-3', out, ...options })
    return readGguf(model.path).entries.has('tokenizer.chat_template')
      ? value(readGguf(model.path), 'tokenizer.chat_template')
      : undefined
  }
  expect(await chatTemplate({})).toBe(value(source('phi-3'), 'tokenizer.chat_template'))
  expect(await chatTemplate({ template: 'none' })).toBeUndefined()
  const path = join(folder, 'own.jinja')
  writeFileSync(path, '{{ messages }}\n — verbatim\r\n')
  expect(await chatTemplate({ template: path })).toBe('{{ messages }}\n — verbatim\r\n')
})

test('the large shapes have the published dimensions', () => {
  const weights = (name: string) => {
    const shape = SHAPES[name]
    if (shape === undefined) throw new Error(name)
    const tensors = tensorsOf(shape, 'Q4_K', loadVocab(shape.vocab, 'none').tokens)
    const count = tensors.reduce((sum, { dims }) => sum + dims.reduce((product, dim) => product * dim, 1), 0)
    return { count, tensors: tensors.length, types: new Set(tensors.map((tensor) => tensor.type)) }
  }
  expect(weights('qwen2.5-0.5b')).toMatchObject({ count: 494_032_768, tensors: 290 })
  // 7,615,616,512 are published; 128 rows fewer in two matrices are 917,504 weights fewer.
  const large = weights('qwen2.5-7b')
  expect(large).toMatchObject({ count: 7_615_616_512 - 917_504, tensors: 339 })
  expect([...large.types].sort()).toEqual(['F32', 'Q4_K'])
})

describe('makeModel names the bad option', () => {
  test.each<[Record<string, unknown>, string]>([
    [{ shape: 'tiny', sead: 1 }, "unknown option 'sead'"],
    [{ shape: 'huge' }, "unknown shape 'huge'"],
    [{ shape: 'toString' }, "unknown shape 'toString'"],
    [{ shape: 'tiny', type: 'Q5_0' }, "unknown type 'Q5_0'"],
    [{ shape: 'tiny', type: 'F32' }, "unknown type 'F32'"],
    [{ shape: 'tiny', seed: -1 }, 'seed'],
    [{ shape: 'tiny', context: 1.5 }, 'context'],
    [{ shape: 'tiny', threads: 0 }, 'threads must be an integer from 1 to 256'],
    [{ shape: 'tiny', threads: 257 }, 'threads'],
    [{ shape: 'tiny', threads: 1.5 }, 'threads'],
    [{ shape: 'tiny', vocab: '../x' }, "unknown vocabulary '../x'"],
    [{ shape: 'tiny', template: 'no/such/file' }, 'no/such/file'],
  ])('in %j', async (options, message) => {
    await expect(makeModel(options as unknown as MakeModelOptions)).rejects.toThrow(message)
  })

  test.each([
    [['tiny', '--sead', '1'], '--sead'],
    [['tiny', '--seed', '1e3'], '--seed'],
    [['tiny', '--threads', '0'], 'threads'],
    [['tiny', 'more'], "'more'"],
  ])('on the command line: %j', async (args, message) => {
    const failed = run(process.execPath, ['--import', 'tsx', SCRIPT, ...args])
    await expect(failed).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining(message) })
  })
})

describe('the reader of GGUF files', () => {
  const good = () => readFileSync(join(folder, 'tiny.gguf'))
  const damaged = (change: (bytes: Buffer) => Buffer) => {
    const path = join(folder, 'damaged.gguf')
    writeFileSync(path, change(good()))
    return () => readGguf(path)
  }
  const poke = (at: number, count: bigint) => (bytes: Buffer) => {
    bytes.writeBigUInt64LE(count, at)
    return bytes
  }

  test('refuses files that were cut short', () => {
    for (const length of [0, 3, 12, 23, 100, 3_000_000, 7_000_000]) {
      expect(damaged((bytes) => bytes.subarray(0, length))).toThrow('no readable GGUF file')
    }
  })

  test('refuses impossible counts and lengths', () => {
    for (const at of [8, 16, 24]) {
      for (const count of [2n ** 64n - 1n, 2n ** 40n]) {
        expect(damaged(poke(at, count))).toThrow('no readable GGUF file')
      }
    }
  })

  test('refuses files of another kind or version', () => {
    expect(damaged((bytes) => bytes.fill('x', 0, 1))).toThrow('wrong magic')
    expect(damaged((bytes) => bytes.fill(9, 4, 5))).toThrow('version 9')
  })
})
