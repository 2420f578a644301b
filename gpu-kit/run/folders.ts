// The folders of a call of the kit, and the libraries that CUDA needs.
import { accessSync, constants, existsSync, mkdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { findLibraries } from './cuda-libraries.js'
import { freeGB, MODELS_GB } from './machine-inventory.js'
import type { Manifest } from './manifest.js'
import type { KitContext, Mode } from './step-types.js'

const IN_MEMORY = '/dev/shm/verbatim-kit'

/** A mistake in the call, with a message for its caller. */
export class UsageError extends Error {}

export function makeContext(
  root: string,
  cpuOnly: boolean,
  manifest: Manifest | null,
  say: (text: string) => void,
): KitContext {
  const report = resolve(process.env.VERBATIM_KIT_REPORT || 'report')
  const mode: Mode = cpuOnly ? 'cpu' : 'gpu'
  const work = join(root, 'work', mode)
  const inMemory = !cpuOnly && (existsSync(IN_MEMORY) || freeGB('/dev/shm') >= MODELS_GB + 8)
  const models = resolve(
    process.env.VERBATIM_KIT_MODELS || (inMemory ? IN_MEMORY : join(root, 'models/generated')),
  )
  for (const folder of [report, models, work]) makeFolder(folder)
  const ownLibraryPath = process.env.LD_LIBRARY_PATH ?? ''
  const { found, libraryPath } = cpuOnly
    ? { found: null, libraryPath: ownLibraryPath }
    : findCuda(manifest, ownLibraryPath, say)
  return { cpuOnly, root, report, work, models, libraries: found, libraryPath, ownLibraryPath }
}

/** Makes a folder with those above it. (Node.js's own way never ends where the system answers ENOENT, as in /proc.) */
function makeFolder(path: string): void {
  try {
    if (!existsSync(path)) {
      makeFolder(dirname(path))
      mkdirSync(path)
    }
    accessSync(path, constants.W_OK)
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(`${path} is no folder that can be written to: ${(error as Error).message}`)
  }
}

/** Finds CUDA's libraries, and prints their places. */
function findCuda(manifest: Manifest | null, ownLibraryPath: string, say: (text: string) => void) {
  if (!manifest?.backend) {
    say('no CUDA backend was packed: it is compiled here')
    return { found: null, libraryPath: ownLibraryPath }
  }
  const libraries = findLibraries(manifest.backend.needs)
  for (const [name, place] of Object.entries(libraries.found))
    say(
      `${name}: ${place ? `${place.folder} (${place.what})` : 'not found: the packed backend will not load'}`,
    )
  return libraries
}
