// A stamp file remembers the hash of the inputs of a finished step, so that the step can be skipped.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * SHA-256 over the names and contents of files and, recursively, folders.
 *
 * @param {readonly string[]} paths
 */
export function hashFiles(paths) {
  const hash = createHash('sha256')
  /** @param {string} path */
  const add = (path) => {
    if (!existsSync(path)) return
    if (statSync(path).isDirectory()) {
      for (const name of readdirSync(path).sort()) add(join(path, name))
    } else {
      hash.update(`${path}\0`).update(readFileSync(path))
    }
  }
  for (const path of paths) add(path)
  return hash.digest('hex')
}

/**
 * @param {string} path
 * @param {string} wanted
 */
export function hasStamp(path, wanted) {
  return existsSync(path) && readFileSync(path, 'utf8') === wanted
}

/**
 * @param {string} path
 * @param {string} value
 */
export function writeStamp(path, value) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, value)
}

/** @param {string} path */
export function removeStamp(path) {
  rmSync(path, { force: true })
}
