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
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fillWeights } from '../scripts/make-model/blocks.js'
import { TENSOR_TYPES, type TensorType } from '../scripts/make-model/gguf-format.js'
import { type GgufFile, ggufValue, readGguf } from '../scripts/make-model/gguf-reader.js'
import { toHalf } from '../scripts/make-model/random.js'
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

describe('tiny', () => {
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
    const shell = () => run(process.execPath, ['--import', 'tsx', SCRIPT, 'tiny', '--out', out])
    const call = () => makeModel({ shape: 'tiny', out })
    const [a, b] = await Promise.all([shell(), shell(), call(), call(), call()])
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

test('the vocabulary and the template can be chosen', async () => {
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

describe('bad options are named', () => {
  test.each<[Record<string, unknown>, string]>([
    [{ shape: 'tiny', sead: 1 }, "unknown option 'sead'"],
    [{ shape: 'huge' }, "unknown shape 'huge'"],
    [{ shape: 'toString' }, "unknown shape 'toString'"],
    [{ shape: 'tiny', type: 'Q5_0' }, "unknown type 'Q5_0'"],
    [{ shape: 'tiny', type: 'F32' }, "unknown type 'F32'"],
    [{ shape: 'tiny', seed: -1 }, 'seed'],
    [{ shape: 'tiny', context: 1.5 }, 'context'],
    [{ shape: 'tiny', vocab: '../x' }, "unknown vocabulary '../x'"],
    [{ shape: 'tiny', template: 'no/such/file' }, 'no/such/file'],
  ])('%j', async (options, message) => {
    await expect(makeModel(options as unknown as MakeModelOptions)).rejects.toThrow(message)
  })

  test.each([
    [['tiny', '--sead', '1'], '--sead'],
    [['tiny', '--seed', '1e3'], '--seed'],
    [['tiny', 'more'], "'more'"],
  ])('on the command line: %j', async (args, message) => {
    const failed = run(process.execPath, ['--import', 'tsx', SCRIPT, ...args])
    await expect(failed).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining(message) })
  })
})

describe('the reader refuses damaged files', () => {
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

  test('cut short', () => {
    for (const length of [0, 3, 12, 23, 100, 3_000_000, 7_000_000]) {
      expect(damaged((bytes) => bytes.subarray(0, length))).toThrow('no readable GGUF file')
    }
  })

  test('with impossible counts and lengths', () => {
    for (const at of [8, 16, 24]) {
      for (const count of [2n ** 64n - 1n, 2n ** 40n]) {
        expect(damaged(poke(at, count))).toThrow('no readable GGUF file')
      }
    }
  })

  test('of another kind or version', () => {
    expect(damaged((bytes) => bytes.fill('x', 0, 1))).toThrow('wrong magic')
    expect(damaged((bytes) => bytes.fill(9, 4, 5))).toThrow('version 9')
  })
})

describe('weights', () => {
  test.each(['F32', 'F16', 'Q8_0', 'Q4_0', 'Q4_K'] as const)('of %s are spread as asked', (type) => {
    for (const std of [1 / Math.sqrt(18944), 0.02, 0.3]) {
      const weights = decode(type, std, 'a')
      const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length
      const variance = weights.reduce((sum, weight) => sum + weight ** 2, 0) / weights.length
      expect(Math.abs(mean)).toBeLessThan(std * 0.02)
      expect(Math.sqrt(variance) / std).toBeGreaterThan(0.96)
      expect(Math.sqrt(variance) / std).toBeLessThan(1.04)
      expect(new Set(weights).size).toBeGreaterThan(500)
      expect(decode(type, std, 'a')).toEqual(weights)
      expect(decode(type, std, 'b')).not.toEqual(weights)
    }
  })

  test('half precision is rounded to the nearest', () => {
    const halves = [
      0,
      1,
      -2,
      65504,
      2 ** -14,
      2 ** -24,
      0.1,
      1 + 2 ** -11,
      1 + 3 * 2 ** -11,
      2047.9,
      1023.75 * 2 ** -24,
    ]
    expect(halves.map(toHalf)).toEqual([
      0, 0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x2e66, 0x3c00, 0x3c02, 0x6800, 0x0400,
    ])
    expect(() => toHalf(65520)).toThrow()
    expect(() => toHalf(Number.NaN)).toThrow()
    // Each finite half-precision number is its own nearest one.
    for (let bits = 0; bits < 0x7c00; bits++) expect(toHalf(fromHalf(bits))).toBe(bits)
  })
})

function fromHalf(bits: number): number {
  const exponent = (bits >> 10) & 31
  const size = exponent === 0 ? (bits & 1023) * 2 ** -24 : (1024 + (bits & 1023)) * 2 ** (exponent - 25)
  return bits & 0x8000 ? -size : size
}

/** 2^16 weights, read as ggml reads their blocks. */
function decode(type: TensorType, std: number, name: string): number[] {
  const { blockWeights, blockBytes } = TENSOR_TYPES[type]
  const blocks = 2 ** 16 / blockWeights
  const words = new Uint32Array(Math.ceil((blocks * blockBytes) / 4))
  fillWeights(type, { kind: 'random', std }, 1, name)(words, blocks * blockBytes)
  const view = new DataView(words.buffer)
  const half = (at: number) => fromHalf(view.getUint16(at, true))
  const weights: number[] = []
  for (let at = 0; at < blocks * blockBytes; at += blockBytes) {
    if (type === 'F32') weights.push(view.getFloat32(at, true))
    if (type === 'F16') weights.push(half(at))
    if (type === 'Q8_0') for (let i = 0; i < 32; i++) weights.push(half(at) * view.getInt8(at + 2 + i))
    if (type === 'Q4_0') {
      for (let i = 0; i < 32; i++) {
        const nibble = (view.getUint8(at + 2 + (i % 16)) >> (i < 16 ? 0 : 4)) & 15
        weights.push(half(at) * (nibble - 8))
      }
    }
    if (type === 'Q4_K') {
      const packed = (i: number) => view.getUint8(at + 4 + i)
      for (let i = 0; i < 256; i++) {
        const sub = i >> 5
        const scale = sub < 4 ? packed(sub) & 63 : (packed(sub + 4) & 15) | ((packed(sub - 4) >> 6) << 4)
        const minimum = sub < 4 ? packed(sub + 4) & 63 : (packed(sub + 4) >> 4) | ((packed(sub) >> 6) << 4)
        const nibble = (view.getUint8(at + 16 + (i >> 6) * 32 + (i % 32)) >> (sub % 2 === 0 ? 0 : 4)) & 15
        weights.push(half(at) * scale * nibble - half(at + 2) * minimum)
      }
    }
  }
  return weights
}
