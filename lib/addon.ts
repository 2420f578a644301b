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
    return withoutForeignBackend(() => {
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
 * Where this variable is set, ggml loads the library it names too; but only ours fits this build. (In a worker thread
 * with an environment of its own it stays.)
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
