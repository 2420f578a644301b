import { createHash } from 'node:crypto'

/**
 * Seeded generator of 32-bit words (Chris Doty-Humphrey's sfc32, public domain): only 32-bit integer
 * operations, so it gives the same words everywhere, and fast enough to fill gigabytes.
 */
export class Random {
  private a: number
  private b: number
  private c: number
  private counter = 1

  /** Streams of different names are independent of each other. */
  constructor(seed: number, name: string) {
    const digest = createHash('sha256').update(`${seed}/${name}`).digest()
    this.a = digest.readInt32LE(0)
    this.b = digest.readInt32LE(4)
    this.c = digest.readInt32LE(8)
    this.fill(new Uint32Array(16), 16, 0)
  }

  /** Fills the first `count` words, each with the bits of `set` set. */
  fill(words: Uint32Array, count: number, set: number): void {
    // Tell the compiler by "| 0" that these are 32-bit integers: the loop is three times as fast.
    let a = this.a | 0
    let b = this.b | 0
    let c = this.c | 0
    let counter = this.counter | 0
    for (let i = 0; i < count; i++) {
      const word = (((a + b) | 0) + counter) | 0
      counter = (counter + 1) | 0
      a = b ^ (b >>> 9)
      b = (c + (c << 3)) | 0
      c = (((c << 21) | (c >>> 11)) + word) | 0
      words[i] = word | set
    }
    this.a = a
    this.b = b
    this.c = c
    this.counter = counter
  }

  /**
   * Fills the first `count` words with two entries of `table` each, chosen by the low bits of either half of a word
   * that `fill` would give; the length of the table must be a power of two.
   */
  fillFrom(table: Uint16Array, words: Uint32Array, count: number): void {
    const mask = table.length - 1
    let a = this.a | 0
    let b = this.b | 0
    let c = this.c | 0
    let counter = this.counter | 0
    for (let i = 0; i < count; i++) {
      const word = (((a + b) | 0) + counter) | 0
      counter = (counter + 1) | 0
      a = b ^ (b >>> 9)
      b = (c + (c << 3)) | 0
      c = (((c << 21) | (c >>> 11)) + word) | 0
      words[i] = (table[word & mask] as number) | ((table[(word >>> 16) & mask] as number) << 16)
    }
    this.a = a
    this.b = b
    this.c = c
    this.counter = counter
  }

  /**
   * Numbers of mean 0 and variance 1, close to normal (the sum of four uniform ones: no logarithm or
   * cosine, whose last bits differ between engines).
   */
  normals(count: number): Float64Array {
    const words = new Uint32Array(count * 4)
    this.fill(words, words.length, 0)
    const normals = new Float64Array(count)
    for (let i = 0; i < words.length; i++) {
      const at = i >> 2
      normals[at] = (normals[at] ?? 0) + ((words[i] ?? 0) / 2 ** 32 - 0.5) * Math.sqrt(3)
    }
    return normals
  }
}

/** The bits of the half-precision number nearest to `value` (ties to even). */
export function toHalf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const size = Math.abs(value)
  if (!(size < 65520)) throw new Error(`${value} has no half-precision form`)
  // Below 2^-14 the spacing stays that of the smallest normal numbers.
  const exponent = Math.max(-14, Math.floor(Math.log2(Math.max(size, 2 ** -24))))
  const steps = roundToEven(size / 2 ** (exponent - 10))
  // Steps of 2048 carry into the exponent by themselves; subnormal numbers have steps under 1024.
  return sign | ((exponent + 14) * 1024 + steps)
}

function roundToEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1
  return floor % 2 === 0 ? floor : floor + 1
}
