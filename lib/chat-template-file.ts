import { open } from 'node:fs/promises'
import { invalidOption } from './json-shape.js'

/** The longest source that the template engine takes, in bytes: Limits::source_bytes. */
const MOST_BYTES = 4 * 2 ** 20

/**
 * Reads a chat template from a file.
 *
 * Rejects with `InvalidOptionError` for what is no readable text in UTF-8.
 */
export async function readChatTemplateFile(path: string): Promise<string> {
  const refuse = (reason: string, cause?: unknown) => invalidOption('chatTemplate.path', reason, cause)
  const bytes = await readFile(path).catch((error) => {
    throw refuse(`cannot be read: ${(error as Error).message}.`, error)
  })
  if (bytes === null) throw refuse(`is no file of at most ${MOST_BYTES} bytes: ${path}.`)
  try {
    // Keep a byte order mark, as Transformers does.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    throw refuse(`is no text in UTF-8: ${path}.`, error)
  }
}

async function readFile(path: string): Promise<Buffer | null> {
  const file = await open(path)
  try {
    const { size } = await file.stat().then((stat) => (stat.isFile() ? stat : { size: Number.NaN }))
    return size <= MOST_BYTES ? await file.readFile() : null
  } finally {
    await file.close()
  }
}
