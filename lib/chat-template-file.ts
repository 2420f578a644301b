import { readFile, stat } from 'node:fs/promises'
import { invalidOption } from './json-shape.js'

/** The longest source that the template engine takes, in bytes: Limits::source_bytes of cpp/jinja/jinja.h. */
const MOST_BYTES = 4 * 2 ** 20

/**
 * Reads a chat template from a file.
 *
 * Rejects with `InvalidOptionError` for what is no readable text in UTF-8.
 */
export async function readChatTemplateFile(path: string): Promise<string> {
  try {
    const file = await stat(path)
    // Reading a pipe could wait for ever.
    if (!file.isFile()) throw refused(`is no file: ${path}.`)
    if (file.size > MOST_BYTES) throw refused(`has more than ${MOST_BYTES} bytes: ${path}.`)
    const text = decoded(path, await readFile(path))
    if (text === '') throw refused(`is an empty file: ${path}.`)
    return text
  } catch (error) {
    const { syscall } = error as NodeJS.ErrnoException
    throw syscall === undefined ? error : refused(`cannot be read: ${(error as Error).message}.`, error)
  }
}

function decoded(path: string, bytes: Buffer): string {
  try {
    // Keep a byte order mark, as Transformers does.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    throw refused(`is no text in UTF-8: ${path}.`, error)
  }
}

const refused = (reason: string, cause?: unknown) => invalidOption('chatTemplate.path', reason, cause)
