import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AddonLoadError } from './errors.js'
import type { NativeAddon } from './native.js'

const packageRoot = join(dirname(fileURLToPath(import.meta.url)), '..')
const require = createRequire(import.meta.url)

let addon: NativeAddon | undefined

/**
 * The native addon: a build of the source tree, or the prebuilt one for this platform. Loaded at the first use, so
 * that importing the package never fails.
 *
 * @throws AddonLoadError
 */
export function loadAddon(): NativeAddon {
  addon ??= openAddon()
  return addon
}

function openAddon(): NativeAddon {
  let path = packageRoot
  try {
    path = (require('node-gyp-build') as { resolve(root: string): string }).resolve(packageRoot)
    return inEnvironment(() => {
      const opened = require(path) as NativeAddon
      opened.initialize(dirname(path))
      // process.exit() destroys what the engine's threads still use, and tells native code too late.
      process.once('exit', () => opened.shutdown())
      return opened
    })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    const hint = existsSync(join(packageRoot, 'CMakeLists.txt')) ? ' (in a source tree: npm run setup)' : ''
    throw new AddonLoadError([{ path, reason: reason + hint }], { cause: error })
  }
}

/**
 * What ggml finds in the environment while it loads. Without the first it installs a process-wide handler for
 * uncaught C++ exceptions that starts a debugger; the second names a backend from elsewhere to load. The host
 * process is not ours to do that in.
 */
const ENVIRONMENT = { GGML_NO_BACKTRACE: '1', GGML_BACKEND_PATH: undefined }

function inEnvironment<T>(open: () => T): T {
  const before = Object.keys(ENVIRONMENT).map((name) => [name, process.env[name]] as const)
  const set = (name: string, value: string | undefined) => {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
  for (const [name, value] of Object.entries(ENVIRONMENT)) set(name, value)
  try {
    return open()
  } finally {
    for (const [name, value] of before) set(name, value)
  }
}
