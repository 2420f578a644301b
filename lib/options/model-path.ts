/// <reference lib="es2024.string" />
// Checks the path of a model file, which may be a file: URL.
import { fileURLToPath } from 'node:url'
import { invalidOption, reading } from '../json-shape.js'
import { checkWellFormed, wrongValue } from './bag.js'

/** True for the address of a remote file. */
export const isRemote = (path: string) => /^https?:\/\//i.test(path)

/**
 * Checks the path given to `loadModel`, and turns a `file:` URL (a string, or a `URL`) into the path it stands for.
 *
 * @throws InvalidOptionError
 */
export function readModelPath(path: unknown): string {
  const { text, isUrl } = textOf(path)
  if (isRemote(text)) {
    throw invalidOption(
      'path',
      `is the address of a remote file: ${text}. Download it first, and pass the path of the copy.`,
    )
  }
  return localPath(text, isUrl)
}

/**
 * Checks the path or address given to `estimateMemory`: as {@link readModelPath}, but `http:` and `https:` addresses
 * stay as they are.
 *
 * @throws InvalidOptionError
 */
export function readModelPathOrUrl(path: unknown): string {
  const { text, isUrl } = textOf(path)
  return isRemote(text) ? text : localPath(text, isUrl)
}

/** The text of a path or a URL; URLs of other realms are no instances of ours. */
function textOf(path: unknown): { readonly text: string; readonly isUrl: boolean } {
  let text: unknown = path
  const isUrl = typeof path === 'object' && path !== null
  if (isUrl) {
    text = reading('path', () => {
      const { href, protocol } = path as Partial<URL>
      return typeof protocol === 'string' ? href : undefined
    })
  }
  if (typeof text !== 'string' || text === '')
    throw wrongValue('path', 'the path of a model file, or its file: URL', path)
  checkWellFormed(text, 'path')
  return { text, isUrl }
}

function localPath(text: string, isUrl: boolean): string {
  const isFile = /^file:/i.test(text)
  // A drive of Windows has one letter.
  const scheme = /^[a-z][a-z\d+.-]+:(?=\/\/)/i.exec(text)?.[0]
  if (!isFile && (isUrl || scheme !== undefined)) {
    throw invalidOption('path', `is a URL that is not read here: ${text}. Pass a path or a file: URL.`)
  }
  const path = isFile ? fromFileUrl(text) : text
  if (path.includes('\0')) throw invalidOption('path', 'contains a NUL character, which no file name can.')
  return path
}

function fromFileUrl(text: string): string {
  if (!/^file:\//i.test(text)) {
    throw invalidOption(
      'path',
      `is a file: URL without a slash: ${text}. Write file:///… for a URL, or ./${text} for a file of this name.`,
    )
  }
  try {
    const url = new URL(text)
    if (/[?#]/.test(text)) {
      throw invalidOption(
        'path',
        `is a file: URL with a query or a fragment: ${text}. Write %3F for a question mark in a name and %23 for a number sign, or use pathToFileURL() of node:url.`,
      )
    }
    return fileURLToPath(url)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'INVALID_OPTION') throw error
    if (code === 'ERR_INVALID_FILE_URL_HOST')
      throw invalidOption(
        'path',
        `is a file: URL of another machine: ${text}. Write file:///… with three slashes for a file of this one.`,
      )
    throw invalidOption(
      'path',
      `is a file: URL that stands for no path: ${text}. ${(error as Error).message}.`,
      error,
    )
  }
}
