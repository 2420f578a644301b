import { TENSOR_TYPES, type TensorType } from './gguf-format.js'
import type { Fill } from './gguf-writer.js'
import { Random, toHalf } from './random.js'

/** Weights of a tensor: one value, or random ones of mean 0 with the standard deviation `std`. */
export type Weights =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'random'; readonly std: number }

// Sizes of the tables of per-block scales and half-precision weights, which must be powers of two.
const SCALE_COUNT = 64
const HALF_COUNT = 4096
// Standard deviations of the integers that blocks hold.
const Q8_0_STD = Math.sqrt((128 ** 2 - 1) / 3)
const Q4_STD = Math.sqrt((16 ** 2 - 1) / 12)

/**
 * Makes a function that fills in a tensor's data piece by piece, directly in its stored form: quants are
 * random bits and only scales are computed. The same seed and name always give the same data.
 */
export function fillWeights(type: TensorType, weights: Weights, seed: number, name: string): Fill {
  if (weights.kind === 'constant') {
    if (type !== 'F32') throw new Error(`tensor '${name}' of one value must be F32`)
    return (words, bytes) => {
      new Float32Array(words.buffer, words.byteOffset, bytes / 4).fill(weights.value)
    }
  }
  const random = new Random(seed, name)
  switch (type) {
    case 'F32':
      return fillF32(random, weights.std)
    case 'F16':
      return fillF16(random, weights.std)
    case 'Q8_0':
      return fillQ8_0(random, weights.std)
    case 'Q4_0':
      return fillQ4_0(random, weights.std)
    case 'Q4_K':
      return fillQ4_K(random, weights.std)
  }
}

function fillF32(random: Random, std: number): Fill {
  return (words, bytes) => {
    const normals = random.normals(bytes / 4)
    const floats = new Float32Array(words.buffer, words.byteOffset, bytes / 4)
    for (let i = 0; i < floats.length; i++) floats[i] = (normals[i] ?? 0) * std
  }
}

function fillF16(random: Random, std: number): Fill {
  const table = Uint16Array.from(random.normals(HALF_COUNT), (value) => toHalf(value * std))
  return (words, bytes) => random.fillFrom(table, words, Math.ceil(bytes / 4))
}

// A block is a half-precision scale and 32 signed bytes.
function fillQ8_0(random: Random, std: number): Fill {
  const scales = Uint16Array.from(relativeScales(random), (scale) => toHalf((scale * std) / Q8_0_STD))
  const stride = TENSOR_TYPES.Q8_0.blockBytes / 2
  return (words, bytes) => {
    // Use odd bytes only: their mean is exactly 0, and -128, which no quantizer makes, does not occur.
    random.fill(words, Math.ceil(bytes / 4), 0x01010101)
    const halves = new Uint16Array(words.buffer, words.byteOffset, bytes / 2)
    for (let at = 0; at < halves.length; at += stride) {
      halves[at] = scales[((halves[at] as number) >> 1) & (SCALE_COUNT - 1)] as number
    }
  }
}

// A block is a half-precision scale and 32 nibbles, each less 8.
function fillQ4_0(random: Random, std: number): Fill {
  // Take the variance of -8…7 about 0, and scales of both signs: their mean of -0.5 would otherwise be common to
  // all weights and grow through the layers.
  const spread = Math.sqrt(Q4_STD ** 2 + 0.25)
  const scales = Uint16Array.from(relativeScales(random), (scale, i) =>
    toHalf((i % 2 === 0 ? 1 : -1) * ((scale * std) / spread)),
  )
  const stride = TENSOR_TYPES.Q4_0.blockBytes / 2
  return (words, bytes) => {
    random.fill(words, Math.ceil(bytes / 4), 0)
    const halves = new Uint16Array(words.buffer, words.byteOffset, bytes / 2)
    for (let at = 0; at < halves.length; at += stride) {
      halves[at] = scales[(halves[at] as number) & (SCALE_COUNT - 1)] as number
    }
  }
}

// A block is d and dmin in half precision, 12 bytes with eight 6-bit scales and eight 6-bit minimums, and
// 256 nibbles. A weight is d * scale * nibble - dmin * minimum.
function fillQ4_K(random: Random, std: number): Fill {
  const headWords = 4
  const heads = new Uint32Array(SCALE_COUNT * headWords)
  const picks = new Uint32Array(SCALE_COUNT * 8)
  random.fill(picks, picks.length, 0)
  relativeScales(random).forEach((relative, i) => {
    const scales = Array.from(picks.subarray(i * 8, i * 8 + 8), (pick) => 32 + (pick & 31))
    const rms = Math.sqrt(scales.reduce((sum, scale) => sum + scale ** 2, 0) / 8)
    // Take minimum = scale and dmin = 7.5 d exactly: each weight is d * scale * (nibble - 7.5), of mean 0.
    // Seven bits of d leave room in dmin's eleven for the factor.
    const d = roundToBits((relative * std) / (Q4_STD * rms), 7)
    const bytes = new Uint8Array(heads.buffer, i * headWords * 4, headWords * 4)
    new Uint16Array(heads.buffer, i * headWords * 4, 2).set([toHalf(d), toHalf(7.5 * d)])
    packScales(scales, bytes.subarray(4))
  })
  const stride = TENSOR_TYPES.Q4_K.blockBytes / 4
  return (words, bytes) => {
    const count = bytes / 4
    random.fill(words, count, 0)
    for (let at = 0; at < count; at += stride) {
      const head = ((words[at] as number) & (SCALE_COUNT - 1)) * headWords
      words[at] = heads[head] as number
      words[at + 1] = heads[head + 1] as number
      words[at + 2] = heads[head + 2] as number
      words[at + 3] = heads[head + 3] as number
    }
  }
}

/** Packs eight 6-bit scales, and the same eight as minimums, as `get_scale_min_k4` in ggml unpacks them. */
function packScales(scales: readonly number[], out: Uint8Array): void {
  for (let i = 0; i < 4; i++) {
    const low = scales[i] as number
    const high = scales[i + 4] as number
    out[i] = low | ((high >> 4) << 6)
    out[i + 4] = low | ((high >> 4) << 6)
    out[i + 8] = (high & 15) | ((high & 15) << 4)
  }
}

/** Factors between about 0.6 and 1.4, whose mean square is 1: blocks of real models differ in scale too. */
function relativeScales(random: Random): number[] {
  const words = new Uint32Array(SCALE_COUNT)
  random.fill(words, SCALE_COUNT, 0)
  const factors = Array.from(words, (word) => 0.6 + 0.8 * (word / 2 ** 32))
  const rms = Math.sqrt(factors.reduce((sum, factor) => sum + factor ** 2, 0) / SCALE_COUNT)
  return factors.map((factor) => factor / rms)
}

function roundToBits(value: number, bits: number): number {
  // Half precision has no finer step than 2^-24, and half of one must be left for the factor 7.5.
  const step = Math.max(2 ** (Math.floor(Math.log2(value)) - bits + 1), 2 ** -23)
  return Math.max(1, Math.round(value / step)) * step
}
