import { readFileSync, statSync } from 'node:fs'

/** The largest file of keys, in bytes. */
const MOST_BYTES = 2 ** 20

const KEY = /^[\x21-\x7e]+$/

/**
 * Takes keys from the environment and from a file of one key a line, never from the command line, which everyone on the
 * machine can read. Empty lines of the file, and those that begin with `#`, hold none.
 *
 * @throws Error that tells the place of what is no key, and never shows it
 */
export function readApiKeys(file: string | undefined, fromEnvironment = ''): readonly string[] {
  const keys = fromEnvironment.trim() === '' ? [] : [fromEnvironment.trim()]
  for (const key of keys) requireKey(key, 'VERBATIM_LLAMA_API_KEY: the key')
  if (file === undefined) return keys
  const inFile: string[] = []
  for (const [index, text] of readKeyFile(file).split('\n').entries()) {
    const line = text.trim()
    if (line === '' || line.startsWith('#')) continue
    requireKey(line, `--api-key-file ${file}, line ${index + 1}: a key`)
    inFile.push(line)
  }
  if (inFile.length === 0) throw new Error(`--api-key-file ${file} holds no API key. Write one a line.`)
  return [...keys, ...inFile]
}

/** The text of the file. It must be UTF-8, because what is not would be replaced. */
function readKeyFile(path: string): string {
  try {
    // Look before opening it: a named pipe would wait for somebody who writes.
    const stat = statSync(path)
    if (!stat.isFile()) throw new Error(`${path} is no regular file. Write the keys into one.`)
    if (stat.size > MOST_BYTES)
      throw new Error(`${path} has ${stat.size} bytes, more than the ${MOST_BYTES} that are read.`)
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path))
  } catch (error) {
    const reason =
      error instanceof TypeError ? `${path} is not valid UTF-8. Save it as UTF-8.` : (error as Error).message
    throw new Error(`--api-key-file cannot be read: ${reason}`, { cause: error })
  }
}

function requireKey(key: string, what: string): void {
  if (!KEY.test(key))
    throw new Error(
      `${what} must be printable ASCII without spaces. A comment has a line of its own, which begins with #.`,
    )
}
