/// <reference lib="es2024.string" />
// Checks paths of files, which may be file: URLs.
import { fileURLToPath } from 'node:url'
import { invalidOption, reading, shortened } from '../json-shape.js'
import { checkWellFormed, wrongValue } from './bag.js'

const MODEL_FILE = 'the path of a model file, or its file: URL'

/** True for the address of a remote file. */
export const isRemote = (path: string) => /^https?:\/\//i.test(path)

/**
 * Checks the path given to `loadModel`: see {@link readLocalPath}.
 *
 * @throws InvalidOptionError
 */
export function readModelPath(path: unknown): string {
  return readLocalPath(path, 'path', MODEL_FILE)
}

/**
 * Checks a path, and turns a `file:` URL (a string, or a `URL`) into the path it stands for.
 *
 * @param at name of the option or argument, for errors
 * @param wanted what is wanted, for errors
 * @throws InvalidOptionError
 */
export function readLocalPath(path: unknown, at: string, wanted: string): string {
  const { text, isUrl } = textOf(path, at, wanted)
  if (isRemote(text)) {
    throw invalidOption(
      at,
      `is the address of a remote file: ${shortened(text)}. Download it first, and pass the path of the copy.`,
    )
  }
  return localPath(text, isUrl, at)
}

/**
 * Checks the path or address given to `estimateMemory`: as {@link readModelPath}, but `http:` and `https:` addresses
 * stay as they are.
 *
 * @throws InvalidOptionError
 */
export function readModelPathOrUrl(path: unknown): string {
  const { text, isUrl } = textOf(path, 'path', MODEL_FILE)
  return isRemote(text) ? text : localPath(text, isUrl, 'path')
}

/** The text of a path or a URL; URLs of other realms are no instances of ours. */
function textOf(
  path: unknown,
  at: string,
  wanted: string,
): { readonly text: string; readonly isUrl: boolean } {
  let text: unknown = path
  const isUrl = typeof path === 'object' && path !== null
  if (isUrl) {
    text = reading(at, () => {
      const { href, protocol } = path as Partial<URL>
      return typeof protocol === 'string' ? href : undefined
    })
  }
  if (typeof text !== 'string' || text === '') throw wrongValue(at, wanted, path)
  checkWellFormed(text, at)
  return { text, isUrl }
}

function localPath(text: string, isUrl: boolean, at: string): string {
  const isFile = /^file:/i.test(text)
  // A drive of Windows has one letter.
  const scheme = /^[a-z][a-z\d+.-]+:(?=\/\/)/i.exec(text)?.[0]
  if (!isFile && (isUrl || scheme !== undefined)) {
    throw invalidOption(at, `is a URL that is not read here: ${shortened(text)}. Pass a path or a file: URL.`)
  }
  const path = isFile ? fromFileUrl(text, at) : text
  if (path.includes('\0')) throw invalidOption(at, 'contains a NUL character, which no file name can.')
  return path
}

function fromFileUrl(text: string, at: string): string {
  if (!/^file:\//i.test(text)) {
    throw invalidOption(
      at,
      `is a file: URL without a slash: ${shortened(text)}. Write file:///… for a URL, or ./${shortened(text)} for a file of this name.`,
    )
  }
  // Refuse what the URL parser would drop or replace.
  if (/[\t\n\r\\]/.test(text) || text.charCodeAt(text.length - 1) <= 0x20) {
    throw invalidOption(
      at,
      `is a file: URL with a tab, a line end or a backslash, or with a space or control character at its end: ${shortened(JSON.stringify(text))}. Write it as %09, %0A, %5C or %20, or use pathToFileURL() of node:url.`,
    )
  }
  try {
    const url = new URL(text)
    if (/[?#]/.test(text)) {
      throw invalidOption(
        at,
        `is a file: URL with a query or a fragment: ${shortened(text)}. Write %3F for a question mark in a name and %23 for a number sign, or use pathToFileURL() of node:url.`,
      )
    }
    return fileURLToPath(url)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'INVALID_OPTION') throw error
    if (code === 'ERR_INVALID_FILE_URL_HOST')
      throw invalidOption(
        at,
        `is a file: URL of another machine: ${shortened(text)}. Write file:///… with three slashes for a file of this one.`,
      )
    throw invalidOption(
      at,
      `is a file: URL that stands for no path: ${shortened(text)}. ${(error as Error).message}.`,
      error,
    )
  }
}
