import type { FileHandle } from 'node:fs/promises'
import {
  alignUp,
  GGUF_DEFAULT_ALIGNMENT,
  GGUF_MAGIC,
  GGUF_MAX_TENSOR_NAME,
  GGUF_VERSION,
  TENSOR_TYPES,
  type TensorType,
  tensorBytes,
  ValueType,
} from './gguf-format.js'

/** Collects metadata entries in their stored form. */
export class MetadataWriter {
  private readonly parts: Buffer[] = []
  private readonly keys = new Set<string>()

  /** Number of entries so far. */
  get count(): number {
    return this.keys.size
  }

  uint32(key: string, value: number): this {
    const raw = Buffer.alloc(4)
    raw.writeUInt32LE(value)
    return this.entry(key, uint32(ValueType.uint32), raw)
  }

  float32(key: string, value: number): this {
    const raw = Buffer.alloc(4)
    raw.writeFloatLE(value)
    return this.entry(key, uint32(ValueType.float32), raw)
  }

  bool(key: string, value: boolean): this {
    return this.entry(key, uint32(ValueType.bool), Buffer.from([value ? 1 : 0]))
  }

  string(key: string, value: string): this {
    return this.entry(key, uint32(ValueType.string), string(value))
  }

  uint32Array(key: string, values: readonly number[]): this {
    const raw = Buffer.alloc(4 * values.length)
    values.forEach((value, i) => {
      raw.writeUInt32LE(value, 4 * i)
    })
    return this.rawArray(key, ValueType.uint32, values.length, raw)
  }

  /** An entry whose value is already in its stored form, as `readGguf` gives it. */
  raw(key: string, type: number, raw: Buffer): this {
    return this.entry(key, uint32(type), raw)
  }

  /** An array whose elements are already in their stored form, as `readGguf` gives them. */
  rawArray(key: string, elementType: number, count: number, elements: Buffer): this {
    return this.entry(key, uint32(ValueType.array), uint32(elementType), uint64(count), elements)
  }

  /** All entries, one after the other. */
  toBuffer(): Buffer {
    return Buffer.concat(this.parts)
  }

  private entry(key: string, ...parts: Buffer[]): this {
    if (this.keys.has(key)) throw new Error(`metadata key '${key}' is set twice`)
    this.keys.add(key)
    this.parts.push(string(key), ...parts)
    return this
  }
}

/** A tensor to write. */
export interface TensorSpec {
  readonly name: string
  readonly type: TensorType
  /** Row length first, as in ggml. */
  readonly dims: readonly number[]
}

/** A tensor with its place in the file. */
export interface PlacedTensor<T extends TensorSpec = TensorSpec> {
  readonly spec: T
  readonly bytes: number
  /** Offset from the start of the file. */
  readonly position: number
}

/** Everything about a file but its tensor data. */
export interface GgufLayout<T extends TensorSpec = TensorSpec> {
  /** Magic, metadata and tensor table, padded to where tensor data begins. */
  readonly header: Buffer
  readonly tensors: readonly PlacedTensor<T>[]
  /** Size of the whole file. */
  readonly bytes: number
}

/** Places tensors one after the other, each aligned, and builds the header. */
export function layoutGguf<T extends TensorSpec>(
  metadata: MetadataWriter,
  specs: readonly T[],
): GgufLayout<T> {
  const table: Buffer[] = []
  const offsets: number[] = []
  let offset = 0
  for (const { name, type, dims } of specs) {
    if (Buffer.byteLength(name) > GGUF_MAX_TENSOR_NAME) throw new Error(`tensor name '${name}' is too long`)
    offsets.push(offset)
    table.push(string(name), uint32(dims.length), ...dims.map(uint64))
    table.push(uint32(TENSOR_TYPES[type].id), uint64(offset))
    // Pad the last tensor too, as llama.cpp wants it.
    offset += alignUp(tensorBytes(type, dims), GGUF_DEFAULT_ALIGNMENT)
  }
  const front = Buffer.concat([
    Buffer.from(GGUF_MAGIC, 'latin1'),
    uint32(GGUF_VERSION),
    uint64(specs.length),
    uint64(metadata.count),
    metadata.toBuffer(),
    ...table,
  ])
  const start = alignUp(front.length, GGUF_DEFAULT_ALIGNMENT)
  const tensors = specs.map((spec, i) => ({
    spec,
    bytes: tensorBytes(spec.type, spec.dims),
    position: start + (offsets[i] ?? 0),
  }))
  return {
    header: Buffer.concat([front, Buffer.alloc(start - front.length)]),
    tensors,
    bytes: start + offset,
  }
}

/** Fills `words` with the next `bytes` bytes of a tensor; the rest of `words` is free to use. */
export type Fill = (words: Uint32Array, bytes: number) => void

/** Progress reports and cancelling of `writeGguf`. */
export interface WriteOptions {
  readonly progress?: ((written: number, total: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

// Size of a chunk: a multiple of 4 and of every block size (2, 4, 18, 34, 144), so that it holds whole
// blocks and words; small enough for the cache of a core, which makes filling and writing faster.
const CHUNK_BYTES = 144 * 17 * 64

/** Memory for one piece of a tensor. */
export function newChunk(): Uint32Array {
  return new Uint32Array(CHUNK_BYTES / 4)
}

/** Part of a file. */
export interface Piece {
  readonly bytes: Uint8Array
  /** Offset from the start of the file. */
  readonly position: number
}

/** Makes the data of a tensor, with its padding, piece by piece, each in the chunk that `chunkOf` gives for it. */
export function* piecesOf(
  { bytes, position }: PlacedTensor,
  fill: Fill,
  chunkOf: () => Uint32Array,
): Generator<Piece> {
  for (let done = 0; done < bytes; done += CHUNK_BYTES) {
    const chunk = chunkOf()
    const count = Math.min(CHUNK_BYTES, bytes - done)
    fill(chunk, count)
    const last = done + count === bytes
    const padded = last ? alignUp(bytes, GGUF_DEFAULT_ALIGNMENT) - done : count
    const view = new Uint8Array(chunk.buffer, 0, padded)
    view.fill(0, count)
    yield { bytes: view, position: position + done }
  }
}

/**
 * Writes a file from the front to the end. Two chunks are in memory: one is filled while the other is
 * written, and neither is used again before its write has ended.
 */
export async function writeGguf<T extends TensorSpec>(
  file: FileHandle,
  layout: GgufLayout<T>,
  fillOf: (spec: T) => Fill,
  { progress, signal }: WriteOptions = {},
): Promise<void> {
  await writeAll(file, { bytes: layout.header, position: 0 })
  const chunks = [newChunk(), newChunk()]
  let turn = 0
  const nextChunk = () => {
    turn ^= 1
    return chunks[turn] as Uint32Array
  }
  let pending: Promise<void> = Promise.resolve()
  try {
    for (const tensor of layout.tensors) {
      for (const piece of piecesOf(tensor, fillOf(tensor.spec), nextChunk)) {
        signal?.throwIfAborted()
        await pending
        progress?.(piece.position, layout.bytes)
        pending = writeAll(file, piece)
        // Mark a failure as handled: it is awaited a turn later.
        pending.catch(() => {})
      }
    }
  } finally {
    await pending
  }
  progress?.(layout.bytes, layout.bytes)
}

/** Writes all of a piece, even where the system takes only part of it at a time. */
export async function writeAll(file: FileHandle, { bytes, position }: Piece): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}

/** A string as GGUF stores it: its length in bytes, then its UTF-8. */
export function string(value: string): Buffer {
  const text = Buffer.from(value, 'utf8')
  return Buffer.concat([uint64(text.length), text])
}

function uint32(value: number): Buffer {
  const raw = Buffer.alloc(4)
  raw.writeUInt32LE(value)
  return raw
}

function uint64(value: number): Buffer {
  const raw = Buffer.alloc(8)
  raw.writeBigUInt64LE(BigInt(value))
  return raw
}
