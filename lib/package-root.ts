import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { AddonLoadError } from './errors.js'

/** This package, as it is installed. */
export interface InstalledPackage {
  readonly root: string
  readonly version: string
  /** Requires as a module of the package would: finds its dependencies wherever the package manager put them. */
  readonly require: NodeJS.Require
}

/**
 * Finds this package by its name, which works from a bundle too: the code is in the bundle then, the native files in
 * the package installed beside it.
 *
 * @throws AddonLoadError
 */
export function installedPackage(): InstalledPackage {
  try {
    const manifest = createRequire(import.meta.url).resolve('verbatim-llama/package.json')
    const require = createRequire(manifest)
    return { root: dirname(manifest), version: (require(manifest) as { version: string }).version, require }
  } catch (error) {
    const reason = 'the package verbatim-llama is not installed where this code finds it'
    throw new AddonLoadError([{ path: import.meta.url ?? 'the bundle', reason }], {
      cause: error,
      remedy:
        'Install the package beside the bundle, or keep it external: its native files cannot be bundled.',
    })
  }
}
