import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'

/** A file of the model. */
export interface ModelFile {
  readonly name: string
  readonly size_bytes: number
  /** Null until it has been computed. */
  readonly sha256: string | null
}

/** The files of a model and their SHA-256, which is computed in the background, once. */
export class ModelFiles {
  files: readonly ModelFile[] = []
  /** Error code of a file that could not be read, or the reason that hashing stopped; else null. */
  error: string | null = null

  constructor(path: string, signal: AbortSignal | undefined) {
    this.#read(partsOf(path), signal).catch((error: unknown) => {
      this.error = (error as NodeJS.ErrnoException).code ?? 'the hashing was stopped'
    })
  }

  async #read(paths: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    const sizes = await Promise.all(paths.map(async (path) => (await stat(path)).size))
    const files = paths.map((path, i) => ({ name: basename(path), size_bytes: sizes[i] ?? 0, sha256: null }))
    this.files = files
    for (const [i, path] of paths.entries()) {
      const hash = createHash('sha256')
      for await (const chunk of createReadStream(path, signal && { signal })) hash.update(chunk)
      const sha256 = hash.digest('hex')
      this.files = this.files.map((file, j) => (i === j ? { ...file, sha256 } : file))
    }
  }
}

/** Paths of a model's files; a model in several is named after the first: `…-00001-of-00003.gguf`. */
function partsOf(path: string): string[] {
  const match = /^(.*-)00001(-of-(\d{5})\.gguf)$/.exec(path)
  if (!match) return [path]
  const [, head, tail, count] = match
  return Array.from({ length: Number(count) }, (_, i) => `${head}${String(i + 1).padStart(5, '0')}${tail}`)
}
