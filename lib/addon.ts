import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { findPlugins } from './backend-plugins.js'
import { AddonLoadError } from './errors.js'
import type { NativeAddon } from './native.js'
import { type InstalledPackage, installedPackage } from './package-root.js'
import type { AddonLoadAttempt } from './types.js'

interface OpenedAddon {
  readonly addon: NativeAddon
  readonly unusableBackends: readonly AddonLoadAttempt[]
}

let opened: OpenedAddon | undefined

/**
 * The native addon. Loaded at the first use, so that importing the package never fails. The first of these that is
 * there is taken, and no other is tried when it does not load:
 *
 * 1. `build/Release`: what `npm run setup` makes in a clone and `npx verbatim-llama build` in an installed package.
 *    Not looked at where the environment has `PREBUILDS_ONLY=1`.
 * 2. `prebuilds/<platform>-<arch>`, on Alpine Linux `prebuilds/musl/prebuilds/<platform>-<arch>`: what the package
 *    brings along.
 * 3. `prebuilds` beside the executable of Node.js, for applications packed into one.
 *
 * The variable `VERBATIM_LLAMA_PREBUILD` names another folder than the package's for 1 and 2. The backends are loaded
 * from the folder of the addon, then from {@link findPlugins}.
 *
 * @throws AddonLoadError
 */
export function loadAddon(): NativeAddon {
  opened ??= openAddon()
  return opened.addon
}

/** The backends that are installed but do not work on this machine, and why. */
export function unusableBackends(): readonly AddonLoadAttempt[] {
  opened ??= openAddon()
  return opened.unusableBackends
}

function openAddon(): OpenedAddon {
  const own = installedPackage()
  // A clone is built by its own script: its sources are not packed.
  const remedy = existsSync(join(own.root, 'scripts/setup.mjs')) ? { remedy: 'Run npm run setup.' } : {}
  const path = findAddon(own)
  if (path === undefined) {
    const folder = process.env.VERBATIM_LLAMA_PREBUILD || own.root
    const missing = join(folder, 'prebuilds', `${process.platform}-${process.arch}`)
    throw new AddonLoadError([{ path: missing, reason: 'there is no addon for this platform' }], remedy)
  }
  const plugins = findPlugins(own, dirname(path)).map(outsideArchive)
  try {
    return withoutForeignBackend(() => {
      const addon = own.require(path) as NativeAddon
      if (addon.version !== own.version)
        throw new Error(`it is of version ${addon.version}, this is verbatim-llama ${own.version}`)
      const unusable = addon.initialize(dirname(path), plugins)
      // Shut down first: process.exit() destroys what the engine's threads still use, and tells native code too late.
      process.once('exit', () => addon.shutdown())
      return { addon, unusableBackends: Object.freeze(unusable.map((backend) => Object.freeze(backend))) }
    })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new AddonLoadError([{ path, reason }], { cause: error, ...remedy })
  }
}

function findAddon({ root, require }: InstalledPackage): string | undefined {
  const { resolve } = require('node-gyp-build') as { resolve(root: string): string }
  // Libraries of glibc and musl have the same names, so that they cannot be in one folder.
  for (const folder of [root, join(root, 'prebuilds/musl')])
    try {
      return outsideArchive(resolve(folder))
    } catch {} // it says only that there is none
  return undefined
}

/** Electron reads files in an archive, but the system loads libraries only from the folder beside it. */
function outsideArchive(path: string): string {
  return process.versions.electron ? path.replace(/(?<=[\\/]app\.asar)(?=[\\/])/, '.unpacked') : path
}

/**
 * Hides `GGML_BACKEND_PATH` while `open` runs: ggml would load the library it names, which does not fit this build.
 * In a worker thread with an environment of its own the variable stays.
 */
function withoutForeignBackend<T>(open: () => T): T {
  const { GGML_BACKEND_PATH } = process.env
  if (GGML_BACKEND_PATH === undefined) return open()
  delete process.env.GGML_BACKEND_PATH
  try {
    return open()
  } finally {
    process.env.GGML_BACKEND_PATH = GGML_BACKEND_PATH
  }
}
