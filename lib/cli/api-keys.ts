import { readFlagFile } from './load-flags.js'

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
  for (const [index, text] of readFlagFile('--api-key-file', file).split('\n').entries()) {
    const line = text.trim()
    if (line === '' || line.startsWith('#')) continue
    requireKey(line, `--api-key-file ${file}, line ${index + 1}: a key`)
    inFile.push(line)
  }
  if (inFile.length === 0) throw new Error(`--api-key-file ${file} holds no API key. Write one a line.`)
  return [...keys, ...inFile]
}

function requireKey(key: string, what: string): void {
  if (!KEY.test(key))
    throw new Error(
      `${what} must be printable ASCII without spaces. A comment has a line of its own, which begins with #.`,
    )
}
