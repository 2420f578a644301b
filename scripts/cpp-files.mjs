import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from './setup/tools.mjs'

const FOLDERS = ['binding', 'cpp', 'gpu-kit', 'test/native']

/**
 * The C++ files of this repository, relative to its root.
 *
 * @param {RegExp} ending
 */
export function cppFiles(ending) {
  return FOLDERS.flatMap((folder) =>
    readdirSync(join(repositoryRoot, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => ending.test(name))
      .map((name) => join(folder, name)),
  )
}
