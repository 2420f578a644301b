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
    return withoutBacktraces(() => {
      const opened = require(path) as NativeAddon
      opened.initialize(dirname(path))
      return opened
    })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    const hint = existsSync(join(packageRoot, 'CMakeLists.txt')) ? ' (in a source tree: npm run setup)' : ''
    throw new AddonLoadError([{ path, reason: reason + hint }], { cause: error })
  }
}

/**
 * Unless this variable is set while it loads, ggml installs a process-wide handler for uncaught C++ exceptions that
 * starts a debugger. The host process is not ours to do that in.
 */
function withoutBacktraces<T>(open: () => T): T {
  if (process.env.GGML_NO_BACKTRACE !== undefined) return open()
  process.env.GGML_NO_BACKTRACE = '1'
  try {
    return open()
  } finally {
    delete process.env.GGML_NO_BACKTRACE
  }
}
