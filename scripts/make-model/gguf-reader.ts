import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import {
  alignUp,
  GGUF_DEFAULT_ALIGNMENT,
  GGUF_MAGIC,
  GGUF_VERSION,
  type TensorType,
  tensorBytes,
  tensorTypeOf,
  VALUE_BYTES,
  ValueType,
} from './gguf-format.js'

/** A metadata value as JavaScript sees it; 64-bit integers are always bigint. */
export type GgufValue = number | bigint | boolean | string | GgufValue[]

/** A metadata entry, kept as the bytes of the file so that it can be copied without loss. */
export interface GgufEntry {
  readonly key: string
  readonly type: number
  /** Type of the elements; only for arrays. */
  readonly elementType: number | undefined
  /** Number of elements; 1 where the value is no array. */
  readonly count: number
  /** The stored value after its type; for arrays the elements only, without their type and count. */
  readonly raw: Buffer
}

/** A tensor of a file's table. */
export interface GgufTensor {
  readonly name: string
  readonly dims: readonly number[]
  /** The raw `ggml_type`. */
  readonly typeId: number
  /** The type's name, where this reader knows it. */
  readonly type: TensorType | undefined
  /** Offset from the start of the tensor data. */
  readonly offset: number
  /** Size in bytes, where the type is known. */
  readonly bytes: number | undefined
}

/** Metadata and tensor table of a GGUF file. */
export interface GgufFile {
  readonly version: number
  readonly alignment: number
  readonly entries: ReadonlyMap<string, GgufEntry>
  readonly tensors: readonly GgufTensor[]
  /** Offset of the tensor data. */
  readonly dataOffset: number
  /** Size of the whole file. */
  readonly size: number
}

// Limit headers to more than any real one, so that a damaged length cannot make the reader swallow a huge file.
const MAX_HEADER_BYTES = 1 << 28
const FIRST_READ_BYTES = 1 << 20

/** The bytes at the front of a file, read as far as needed. */
class Header {
  position = 0
  private bytes: Buffer = Buffer.alloc(0)

  constructor(
    private readonly path: string,
    private readonly fd: number,
    readonly size: number,
  ) {}

  /** Steps over `count` bytes and returns their start; throws where the file has fewer left. */
  skip(count: number, what: string): number {
    const start = this.position
    if (count > this.size - start) {
      this.fail(`${what} needs ${count} bytes at ${start}, but the file has ${this.size} bytes`)
    }
    if (count > MAX_HEADER_BYTES - start) this.fail(`${what} goes beyond the largest header that is read`)
    this.position = start + count
    if (this.position > this.bytes.length) this.load(this.position)
    return start
  }

  uint32(what: string): number {
    // Step first: it may replace the buffer.
    const start = this.skip(4, what)
    return this.bytes.readUInt32LE(start)
  }

  /** A 64-bit count or offset; throws where it exceeds the exact range of numbers. */
  uint64(what: string): number {
    const start = this.skip(8, what)
    const value = this.bytes.readBigUInt64LE(start)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) this.fail(`${what} is ${value}`)
    return Number(value)
  }

  string(what: string): string {
    const length = this.uint64(`length of ${what}`)
    const start = this.skip(length, what)
    return this.bytes.toString('utf8', start, start + length)
  }

  slice(start: number, end: number): Buffer {
    return this.bytes.subarray(start, end)
  }

  fail(message: string): never {
    throw new Error(`${this.path} is no readable GGUF file: ${message}`)
  }

  private load(needed: number): void {
    const wanted = Math.min(this.size, Math.max(needed, FIRST_READ_BYTES, this.bytes.length * 2))
    const grown = Buffer.allocUnsafe(wanted)
    this.bytes.copy(grown)
    let have = this.bytes.length
    while (have < wanted) {
      const count = readSync(this.fd, grown, have, wanted - have, have)
      if (count === 0) this.fail(`it ended at byte ${have} while it was read`)
      have += count
    }
    this.bytes = grown
  }
}

/** Reads metadata and the tensor table of a GGUF file (versions 2 and 3), never its tensor data. */
export function readGguf(path: string): GgufFile {
  const fd = openSync(path, 'r')
  try {
    return readHeader(new Header(path, fd, fstatSync(fd).size))
  } finally {
    closeSync(fd)
  }
}

function readHeader(header: Header): GgufFile {
  const magicAt = header.skip(4, 'the magic')
  if (header.slice(magicAt, magicAt + 4).toString('latin1') !== GGUF_MAGIC) header.fail('wrong magic')
  const version = header.uint32('the version')
  if (version < 2 || version > GGUF_VERSION) header.fail(`version ${version} is not supported`)
  const tensorCount = header.uint64('the number of tensors')
  const entryCount = header.uint64('the number of metadata entries')

  // Cut bytes out at the end: the header's buffer is replaced whenever it grows.
  const spans = new Map<string, Omit<GgufEntry, 'raw'> & { start: number; end: number }>()
  for (let i = 0; i < entryCount; i++) {
    const key = header.string(`key ${i}`)
    if (key === '') header.fail(`key ${i} is empty`)
    if (spans.has(key)) header.fail(`key '${key}' occurs twice`)
    const type = header.uint32(`type of '${key}'`)
    const isArray = type === ValueType.array
    const elementType = isArray ? header.uint32(`element type of '${key}'`) : undefined
    const count = isArray ? header.uint64(`element count of '${key}'`) : 1
    const start = header.position
    skipValues(header, elementType ?? type, count, key)
    spans.set(key, { key, type, elementType, count, start, end: header.position })
  }

  const tensors: GgufTensor[] = []
  const names = new Set<string>()
  for (let i = 0; i < tensorCount; i++) {
    const tensor = readTensor(header, i)
    if (names.has(tensor.name)) header.fail(`tensor '${tensor.name}' occurs twice`)
    names.add(tensor.name)
    tensors.push(tensor)
  }

  const entries = new Map<string, GgufEntry>()
  for (const { start, end, ...entry } of spans.values()) {
    entries.set(entry.key, { ...entry, raw: header.slice(start, end) })
  }
  const alignment = readAlignment(header, entries.get('general.alignment'))
  const dataOffset = alignUp(header.position, alignment)
  for (const tensor of tensors) {
    if (tensor.offset % alignment !== 0) header.fail(`tensor '${tensor.name}' is not aligned to ${alignment}`)
    if (dataOffset + tensor.offset + (tensor.bytes ?? 0) > header.size) {
      header.fail(`tensor '${tensor.name}' goes beyond the end of the file`)
    }
  }
  return { version, alignment, entries, tensors, dataOffset, size: header.size }
}

function skipValues(header: Header, type: number, count: number, key: string): void {
  const size = VALUE_BYTES.get(type)
  if (size !== undefined) {
    header.skip(size * count, `value of '${key}'`)
  } else if (type === ValueType.string) {
    for (let i = 0; i < count; i++) {
      header.skip(header.uint64(`string length in '${key}'`), `string in '${key}'`)
    }
  } else {
    header.fail(`'${key}' has a value of unknown type ${type}`)
  }
}

function readTensor(header: Header, index: number): GgufTensor {
  const name = header.string(`name of tensor ${index}`)
  const dimCount = header.uint32(`number of dimensions of '${name}'`)
  if (dimCount > 4) header.fail(`tensor '${name}' has ${dimCount} dimensions`)
  const dims: number[] = []
  for (let i = 0; i < dimCount; i++) dims.push(header.uint64(`dimension of '${name}'`))
  const typeId = header.uint32(`type of '${name}'`)
  const offset = header.uint64(`offset of '${name}'`)
  const type = tensorTypeOf(typeId)
  const bytes = type === undefined ? undefined : tensorBytes(type, dims)
  return { name, dims, typeId, type, offset, bytes }
}

function readAlignment(header: Header, entry: GgufEntry | undefined): number {
  if (entry === undefined) return GGUF_DEFAULT_ALIGNMENT
  const alignment = entry.type === ValueType.uint32 ? entry.raw.readUInt32LE(0) : 0
  if (alignment === 0 || (alignment & (alignment - 1)) !== 0)
    header.fail('general.alignment is no power of 2')
  return alignment
}

/** Decodes an entry's value; arrays become JavaScript arrays. */
export function ggufValue(entry: GgufEntry): GgufValue {
  const type = entry.elementType ?? entry.type
  const values: GgufValue[] = []
  let at = 0
  for (let i = 0; i < entry.count; i++) {
    if (type === ValueType.string) {
      const length = Number(entry.raw.readBigUInt64LE(at))
      values.push(entry.raw.toString('utf8', at + 8, at + 8 + length))
      at += 8 + length
    } else {
      values.push(decodeFixed(entry.raw, at, type))
      at += VALUE_BYTES.get(type) ?? 0
    }
  }
  return entry.elementType === undefined ? (values[0] as GgufValue) : values
}

function decodeFixed(raw: Buffer, at: number, type: number): number | bigint | boolean {
  switch (type) {
    case ValueType.uint8:
      return raw.readUInt8(at)
    case ValueType.int8:
      return raw.readInt8(at)
    case ValueType.uint16:
      return raw.readUInt16LE(at)
    case ValueType.int16:
      return raw.readInt16LE(at)
    case ValueType.uint32:
      return raw.readUInt32LE(at)
    case ValueType.int32:
      return raw.readInt32LE(at)
    case ValueType.float32:
      return raw.readFloatLE(at)
    case ValueType.bool:
      return raw.readUInt8(at) !== 0
    case ValueType.uint64:
      return raw.readBigUInt64LE(at)
    case ValueType.int64:
      return raw.readBigInt64LE(at)
    default:
      return raw.readDoubleLE(at)
  }
}
