import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { ValueType } from '../../scripts/make-model/gguf-format.js'
import { readGguf } from '../../scripts/make-model/gguf-reader.js'
import { string } from '../../scripts/make-model/gguf-writer.js'

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
