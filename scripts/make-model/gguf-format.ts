import { endianness } from 'node:os'

/** First four bytes of every GGUF file. */
export const GGUF_MAGIC = 'GGUF'
/** The one version that is written, and the newest that is read. */
export const GGUF_VERSION = 3
/** Alignment of tensor data where `general.alignment` is absent. */
export const GGUF_DEFAULT_ALIGNMENT = 32
/** Longest tensor name that llama.cpp takes (its GGML_MAX_NAME holds the final NUL too). */
export const GGUF_MAX_TENSOR_NAME = 63

/** Types of metadata values (`gguf_type` in gguf.h). */
export const ValueType = {
  uint8: 0,
  int8: 1,
  uint16: 2,
  int16: 3,
  uint32: 4,
  int32: 5,
  float32: 6,
  bool: 7,
  string: 8,
  array: 9,
  uint64: 10,
  int64: 11,
  float64: 12,
} as const

/** Bytes that one value of a fixed-size type takes; strings and arrays are absent. */
export const VALUE_BYTES: ReadonlyMap<number, number> = new Map([
  [ValueType.uint8, 1],
  [ValueType.int8, 1],
  [ValueType.uint16, 2],
  [ValueType.int16, 2],
  [ValueType.uint32, 4],
  [ValueType.int32, 4],
  [ValueType.float32, 4],
  [ValueType.bool, 1],
  [ValueType.uint64, 8],
  [ValueType.int64, 8],
  [ValueType.float64, 8],
])

/** Tensor types that the writer makes. */
export type TensorType = 'F32' | 'F16' | 'Q8_0' | 'Q4_0' | 'Q4_K'

/** Storage of a tensor type: its `ggml_type`, and weights and bytes of one block. */
export interface TensorTypeInfo {
  readonly id: number
  readonly blockWeights: number
  readonly blockBytes: number
}

/** Storage of each tensor type. */
export const TENSOR_TYPES: Readonly<Record<TensorType, TensorTypeInfo>> = {
  F32: { id: 0, blockWeights: 1, blockBytes: 4 },
  F16: { id: 1, blockWeights: 1, blockBytes: 2 },
  Q8_0: { id: 8, blockWeights: 32, blockBytes: 34 },
  Q4_0: { id: 2, blockWeights: 32, blockBytes: 18 },
  Q4_K: { id: 12, blockWeights: 256, blockBytes: 144 },
}

/** The type with a given `ggml_type`, or undefined for one that the writer does not make. */
export function tensorTypeOf(id: number): TensorType | undefined {
  return (Object.keys(TENSOR_TYPES) as TensorType[]).find((name) => TENSOR_TYPES[name].id === id)
}

/** Bytes of a tensor; throws where a row is no whole number of blocks. */
export function tensorBytes(type: TensorType, dims: readonly number[]): number {
  const { blockWeights, blockBytes } = TENSOR_TYPES[type]
  const row = dims[0] ?? 1
  if (row % blockWeights !== 0) {
    throw new Error(`a row of ${row} weights is no whole number of ${type} blocks of ${blockWeights}`)
  }
  return (dims.reduce((product, dim) => product * dim, 1) / blockWeights) * blockBytes
}

/** The next multiple of `alignment` at or after `offset`. */
export function alignUp(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment
}

/** Refuses big-endian machines: GGUF is little-endian, and typed arrays make blocks in the host's order. */
export function requireLittleEndian(): void {
  if (endianness() !== 'LE') throw new Error('models can only be made on a little-endian machine')
}
