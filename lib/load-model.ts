import { listenForAbort } from './abort-signal.js'
import { loadAddon, unusableBackends } from './addon.js'
import { type Log, reportUnusableBackends } from './backend-plugins.js'
import { readChatTemplateFile } from './chat-template-file.js'
import { CancelledError } from './errors.js'
import { MAKE, Model } from './model.js'
import type { NativeChatTemplateChoice } from './native.js'
import { fromNative } from './native-error.js'
import { readModelPath } from './options/paths.js'
import { type CheckedLoadOptions, readLoadOptions } from './options/read.js'
import type { LoadModelOptions, LogEntry } from './types.js'

/**
 * Loads a GGUF file and makes it ready to answer.
 *
 * Rejects with `InvalidOptionError`, `ModelLoadError` (missing, damaged, truncated or not supported),
 * `OutOfMemoryError`, `TemplateError` (the `chatTemplate` given does not parse), `AddonLoadError`, or the reason of
 * an aborted `signal`.
 *
 * @param path the file, or its `file:` URL; of a model in several files, the first
 */
export async function loadModel(path: string | URL, options?: LoadModelOptions): Promise<Model> {
  const checkedPath = readModelPath(path)
  const checked = readLoadOptions(options)
  const chatTemplate = await sourceOf(checked.chatTemplate)
  if (checked.signal?.aborted) throw checked.signal.reason
  return startLoading(checkedPath, checked, chatTemplate)
}

async function sourceOf(chatTemplate: CheckedLoadOptions['chatTemplate']): Promise<NativeChatTemplateChoice> {
  const isFile = typeof chatTemplate === 'object' && chatTemplate !== null && 'path' in chatTemplate
  return isFile ? readChatTemplateFile(chatTemplate.path) : chatTemplate
}

function startLoading(
  path: string,
  options: CheckedLoadOptions,
  chatTemplate: NativeChatTemplateChoice,
): Promise<Model> {
  const addon = loadAddon()
  const { signal, onProgress, onLog: callback, ...checked } = options
  const onLog = callback && guarded(callback)
  reportUnusableBackends(unusableBackends(), options.gpuLayers, onLog)
  return new Promise((resolve, reject) => {
    let callbackError: { readonly error: unknown } | undefined
    const cancel = addon.loadModel(
      { ...checked, chatTemplate, path },
      (fraction) => {
        if (callbackError) return
        try {
          onProgress?.(fraction)
        } catch (error) {
          callbackError = { error }
          cancel()
        }
      },
      onLog,
      (error, native) => {
        signal?.removeEventListener('abort', cancel)
        const abandoned = callbackError ?? (signal?.aborted ? { error: signal.reason } : undefined)
        if (abandoned) {
          native?.dispose()
          reject(abandoned.error)
        } else if (error) {
          reject(
            error.code === 'CANCELLED' ? new CancelledError({ message: error.message }) : fromNative(error),
          )
        } else {
          resolve(new Model(MAKE, native))
        }
      },
    )
    if (signal) listenForAbort(signal, cancel)
  })
}

function guarded(onLog: (entry: LogEntry) => void): Log {
  return (level, message) => {
    try {
      onLog(Object.freeze({ level, message }))
    } catch (error) {
      queueMicrotask(() => {
        throw error // the caller's own mistake, reported like one in an event listener
      })
    }
  }
}
