import { loadAddon } from './addon.js'
import { fromNative, type NativeError } from './native-error.js'
import { isRemote, readModelPathOrUrl } from './options/paths.js'
import { readEstimateMemoryOptions } from './options/read.js'
import { withRemoteHeader } from './remote-gguf.js'
import type { EstimateMemoryOptions, MemoryEstimate } from './types.js'

/**
 * Estimates the memory that a model would take of each device, and the plan by which `loadModel` would fit it in,
 * without loading it. Of a remote file only the header is read.
 *
 * Rejects with `InvalidOptionError`, `ModelLoadError` (missing, damaged, truncated, not supported, or a remote file
 * that cannot be read), `OutOfMemoryError` (more cells than any plan could have), `AddonLoadError`, or the reason of an
 * aborted `signal`. That nothing fits is a result, not an error.
 *
 * @param pathOrUrl a GGUF file, by path or `file:` URL, or its `http:` or `https:` address; of a model in several
 * files, the first, by path
 */
export async function estimateMemory(
  pathOrUrl: string | URL,
  options?: EstimateMemoryOptions,
): Promise<MemoryEstimate> {
  const path = readModelPathOrUrl(pathOrUrl)
  const { signal, ...checked } = readEstimateMemoryOptions(options)
  signal?.throwIfAborted()
  const addon = loadAddon()
  const estimate = async (file: string) => {
    try {
      return Object.freeze(await addon.estimateMemory({ ...checked, path: file }))
    } catch (error) {
      throw fromNative(error as NativeError)
    }
  }
  return isRemote(path) ? withRemoteHeader(path, signal, addon, estimate) : estimate(path)
}
