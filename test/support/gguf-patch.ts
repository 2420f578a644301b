import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { ValueType } from '../../scripts/make-model/gguf-format.js'
import { readGguf } from '../../scripts/make-model/gguf-reader.js'
import { layoutGguf, MetadataWriter, string } from '../../scripts/make-model/gguf-writer.js'

/** A folder that is removed when the tests of the file have run. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'verbatim-llama-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Offset of a metadata entry's value in the file: after its key and its type. */
export function valueOffset(file: Buffer, key: string): number {
  const stored = string(key)
  const at = file.indexOf(stored)
  if (at < 0) throw new Error(`no key ${key}`)
  return at + stored.length + 4
}

/** Writes a copy of a model in which metadata entries of type uint32 have other values. */
export function patchModel(from: string, to: string, values: Readonly<Record<string, number>>): void {
  const { entries } = readGguf(from)
  const file = readFileSync(from)
  for (const [key, value] of Object.entries(values)) {
    if (entries.get(key)?.type !== ValueType.uint32) throw new Error(`${key} is no uint32`)
    file.writeUInt32LE(value, valueOffset(file, key))
  }
  writeFileSync(to, file)
  const patched = readGguf(to).entries
  for (const [key, value] of Object.entries(values)) {
    if (patched.get(key)?.raw.readUInt32LE(0) !== value) throw new Error(`${key} was not patched`)
  }
}

/** Entries of metadata, and tensors of 32-bit floats. */
export interface GgufAdditions {
  readonly entries?:
    | Readonly<Record<string, string | number | { readonly uint32: number } | boolean>>
    | undefined
  readonly tensors?: Readonly<Record<string, readonly number[]>>
  /** The architecture, whose name all keys of the old one get. */
  readonly architecture?: string
}

/** Writes a copy of a model with further or other metadata (a plain number becomes a float), and further tensors. */
export function extendModel(from: string, to: string, additions: GgufAdditions): void {
  const { entries, tensors, dataOffset } = readGguf(from)
  const file = readFileSync(from)
  const metadata = new MetadataWriter()
  const old = (entries.get('general.architecture')?.raw.subarray(8) ?? '').toString()
  const { architecture = old } = additions
  const added = new Map(Object.entries(additions.entries ?? {}))
  for (const { key, type, elementType, count, raw } of entries.values()) {
    const name = key.startsWith(`${old}.`) ? architecture + key.slice(old.length) : key
    if (added.has(name)) continue
    if (key === 'general.architecture') metadata.string(key, architecture)
    else if (elementType === undefined) metadata.raw(name, type, raw)
    else metadata.rawArray(name, elementType, count, raw)
  }
  for (const [key, value] of added) {
    if (typeof value === 'string') metadata.string(key, value)
    else if (typeof value === 'number') metadata.float32(key, value)
    else if (typeof value === 'boolean') metadata.bool(key, value)
    else metadata.uint32(key, value.uint32)
  }
  const more = Object.entries(additions.tensors ?? {})
  const layout = layoutGguf(metadata, [
    ...tensors.map(({ name, dims, type }) => {
      if (type === undefined) throw new Error(`${name} is of a type that cannot be copied`)
      return { name, dims, type }
    }),
    ...more.map(([name, values]) => ({ name, dims: [values.length], type: 'F32' as const })),
  ])
  const copy = Buffer.alloc(layout.bytes)
  layout.header.copy(copy)
  for (const [i, { bytes, position }] of layout.tensors.entries()) {
    const source = tensors[i]
    const data = source
      ? file.subarray(dataOffset + source.offset, dataOffset + source.offset + bytes)
      : Buffer.from(Float32Array.from(more[i - tensors.length]?.[1] ?? []).buffer)
    data.copy(copy, position)
  }
  writeFileSync(to, copy)
}
