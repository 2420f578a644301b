// The values of random weights. Writing them into a file: make-model.test.ts.
import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { fillWeights } from '../scripts/make-model/blocks.js'
import { TENSOR_TYPES, type TensorType } from '../scripts/make-model/gguf-format.js'
import { toHalf } from '../scripts/make-model/random.js'

test.each(['F32', 'F16', 'Q8_0', 'Q4_0', 'Q4_K'] as const)('weights of %s are spread as asked', (type) => {
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

// Raise `RECIPE_VERSION` where these change: files of one recipe would differ.
test.each([
  ['F32', '4eb4157f425429ae309a0fbb30eda192d8e120f8c8a16c54e5a2c814c4ef08e2'],
  ['F16', 'bd22761ff294f85da8c6422ac6c783ff3827d003aa6839ff5614838567aa35e3'],
  ['Q8_0', 'c14a7f3887b5486a1b613bb5176c04bfed581d5f7ccc617b7a12be7a91f1c233'],
  ['Q4_0', 'd6dbb3967b9ae42494cdfad57aef4f6c146da3a4c3ebe8524d2e0e6ccc93f51e'],
  ['Q4_K', '4aa9f00c176e3b816bd0bf340c7c790285c581bdd28221d0b966726d54f61ba8'],
] as const)('weights of %s are the same from version to version, in pieces of any size', (type, digest) => {
  const words = new Uint32Array((144 * 17 * 100) / 4)
  const fill = fillWeights(type, { kind: 'random', std: 0.02 }, 1, 'a')
  for (const piece of [words.subarray(0, 612 * 30), words.subarray(612 * 30)]) fill(piece, piece.byteLength)
  expect(createHash('sha256').update(words).digest('hex')).toBe(digest)
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
