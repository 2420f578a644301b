import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { AddonLoadError } from './errors.js'
import type { InstalledPackage } from './package-root.js'
import type { AddonLoadAttempt, LogEntry } from './types.js'

/** Backends that are packages of their own. They are linked against the libraries of exactly one version. */
const PLUGINS: Readonly<Record<string, readonly { readonly name: string; readonly library: string }[]>> = {
  'linux-x64': [{ name: 'verbatim-llama-cuda-linux-x64', library: 'libggml-cuda.so' }],
}

/**
 * Finds the libraries of installed plugins as a module of this package would, never by the current directory. A plugin
 * is not looked for when its backend lies beside the addon.
 *
 * @throws AddonLoadError for a plugin of another version, or without its library
 */
export function findPlugins(own: InstalledPackage, addonFolder: string): string[] {
  const libraries: string[] = []
  for (const { name, library } of PLUGINS[`${process.platform}-${process.arch}`] ?? []) {
    if (existsSync(join(addonFolder, library))) continue
    const manifest = resolveIfInstalled(own, `${name}/package.json`)
    if (manifest === undefined) continue
    const { version } = own.require(manifest) as { version: string }
    const path = join(dirname(manifest), library)
    if (version !== own.version)
      throw new AddonLoadError(
        [{ path, reason: `it is of version ${version}, this is verbatim-llama ${own.version}` }],
        { remedy: `Install the version that belongs to it: npm install ${name}@${own.version}.` },
      )
    if (!existsSync(path))
      throw new AddonLoadError([{ path, reason: 'the file is missing' }], {
        remedy: `Install the package anew: npm install ${name}@${own.version}.`,
      })
    libraries.push(path)
  }
  return libraries
}

function resolveIfInstalled(own: InstalledPackage, file: string): string | undefined {
  try {
    return own.require.resolve(file)
  } catch (error) {
    if ((error as { code?: string }).code === 'MODULE_NOT_FOUND') return undefined
    throw error
  }
}

export type Log = (level: LogEntry['level'], message: string) => void

let reported = false

/**
 * Reports installed backends that do not work here: throws when `gpuLayers` demands a GPU, else logs them once.
 *
 * @throws AddonLoadError
 */
export function reportUnusableBackends(
  unusable: readonly AddonLoadAttempt[],
  gpuLayers: number | 'auto',
  log: Log | null,
): void {
  if (unusable.length === 0) return
  if (gpuLayers !== 'auto' && gpuLayers > 0)
    throw new AddonLoadError(unusable, {
      remedy: 'Mend it as it says below, or leave gpuLayers out: then the CPU computes.',
    })
  if (!log || reported || gpuLayers === 0) return
  reported = true
  // Log only after loadModel has returned.
  queueMicrotask(() => {
    for (const { path, reason } of unusable) log('warn', `${path} cannot be used: ${reason}`)
  })
}
