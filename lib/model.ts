import { loadAddon } from './addon.js'
import { CancelledError, DisposedError, fromNative, InvalidOptionError, type NativeError } from './errors.js'
import { Inference } from './inference.js'
import type { NativeModel, NativeRenderRequest } from './native.js'
import {
  type CheckedLoadOptions,
  type CheckedRenderOptions,
  readGenerateOptions,
  readLoadOptions,
  readMessages,
  readModelPath,
  readRenderOptions,
  readText,
  readTokenIds,
  readTokenizeOptions,
} from './options.js'
import type {
  GenerateOptions,
  LoadModelOptions,
  Messages,
  ModelGenerateOptions,
  ModelInfo,
  ModelLoad,
  RenderedPrompt,
  RenderOptions,
  TokenizeOptions,
} from './types.js'

/** Only loadModel makes models. */
const makeModel = Symbol('makeModel')

/** A loaded model. It runs any number of requests at once; each of them sees only its own messages. */
export class Model implements AsyncDisposable {
  /** What is known of the model; still there after {@link dispose}. */
  readonly info: ModelInfo
  readonly #native: NativeModel
  #disposal: Promise<void> | undefined

  /** @internal */
  constructor(key: typeof makeModel, native: NativeModel) {
    if (key !== makeModel) throw new TypeError('Models are made by loadModel().')
    this.#native = native
    this.info = Object.freeze(native.info())
  }

  /** How busy the model is at this moment. */
  get load(): ModelLoad {
    return this.#native.load()
  }

  /**
   * Generates the model's answer to the messages, as its own chat template formats them: see
   * {@link generateInference}.
   */
  generateInference(messages: Messages, options?: ModelGenerateOptions): Inference {
    return new Inference((onNews) => {
      const checked = readGenerateOptions({ ...options, model: this })
      const request = renderRequest(messages, checked)
      this.#requireAlive()
      checked.signal?.throwIfAborted()
      const native = this.#native.generate(
        {
          ...request,
          maxTokens: checked.maxTokens,
          temperature: checked.temperature,
          topP: checked.topP,
          topK: checked.topK,
          minP: checked.minP,
          repetitionPenalty: checked.repetitionPenalty,
          presencePenalty: checked.presencePenalty,
          frequencyPenalty: checked.frequencyPenalty,
          seed: checked.seed,
          stop: checked.stop,
          logprobs: checked.logprobs ?? -1,
          ignoreEndOfSequence: checked.ignoreEndOfSequence,
        },
        onNews,
      )
      return { native, seed: checked.seed, signal: checked.signal }
    })
  }

  /**
   * The exact prompt that {@link generateInference} would give the model; generates nothing.
   *
   * Rejects with `InvalidMessagesError`, `InvalidOptionError`, `NoChatTemplateError`, `TemplateError`,
   * `TemplateLimitError`, `TokenizeError` or `DisposedError`.
   */
  async renderPrompt(messages: Messages, options?: RenderOptions): Promise<RenderedPrompt> {
    const request = renderRequest(messages, readRenderOptions(options))
    this.#requireAlive()
    const { text, tokenIds } = await this.#settle(this.#native.render(request))
    return Object.freeze({ text, tokenIds: Array.from(tokenIds) })
  }

  /**
   * The tokens of a text, nothing added: no beginning-of-sequence token, no template.
   *
   * Rejects with `InvalidOptionError`, `TokenizeError` or `DisposedError`.
   */
  async tokenize(text: string, options?: TokenizeOptions): Promise<number[]> {
    const { controlTokens } = readTokenizeOptions(options)
    const checked = readText(text)
    this.#requireAlive()
    return Array.from(await this.#settle(this.#native.tokenize(checked, controlTokens === 'parse')))
  }

  /**
   * The text of tokens, control tokens by their names. Bytes that are not valid UTF-8 become U+FFFD.
   *
   * Rejects with `InvalidOptionError` (an id that is not in the vocabulary) or `DisposedError`.
   */
  async detokenize(tokenIds: ArrayLike<number>): Promise<string> {
    const checked = readTokenIds(tokenIds)
    this.#requireAlive()
    return this.#settle(this.#native.detokenize(checked, true))
  }

  /**
   * Cancels what runs (it rejects with `DisposedError`), waits for it, and gives all memory back. May be called more
   * than once. A model that is collected without it gives its memory back too, at a time of the collector's choice.
   */
  dispose(): Promise<void> {
    this.#disposal ??= this.#native.dispose()
    return this.#disposal
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  #requireAlive(): void {
    if (this.#disposal) throw new DisposedError()
  }

  async #settle<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      throw fromNative(error as NativeError)
    }
  }
}

/**
 * Generates the model's answer to the messages. The model sees exactly these messages, formatted by its own chat
 * template, and nothing else. The messages and options are copied before the call returns.
 *
 * The run starts at the call; the returned {@link Inference} is a promise of the result and an async iterable of its
 * pieces. Everything that is wrong with the call rejects it, nothing is thrown: `InvalidMessagesError`,
 * `InvalidOptionError`, `DisposedError`, `NoChatTemplateError`, `TemplateError`, `TemplateLimitError`,
 * `TokenizeError`, `ContextOverflowError` (the prompt is longer than `contextSize`; nothing is ever cut),
 * `OutOfMemoryError`, `DecodeError`, `CancelledError`, or the reason of an aborted `signal`.
 *
 * @param messages at least one message, or the same as JSON text
 */
export function generateInference(messages: Messages, options: GenerateOptions): Inference {
  let model: Model
  let rest: ModelGenerateOptions
  try {
    const { model: given, ...others } = options
    model = given
    rest = others
    if (!(model instanceof Model))
      throw new InvalidOptionError('The option model must be a model from loadModel().', { path: 'model' })
  } catch (error) {
    return new Inference(() => {
      throw error
    })
  }
  return model.generateInference(messages, rest)
}

/**
 * Loads a GGUF file and makes it ready to answer.
 *
 * Rejects with `InvalidOptionError`, `ModelLoadError` (missing, damaged, truncated or not supported),
 * `OutOfMemoryError`, `TemplateError` (the `chatTemplate` given does not parse), `AddonLoadError`, or the reason of
 * an aborted `signal`.
 *
 * @param path the file; of a model in several files, the first
 */
export async function loadModel(path: string, options?: LoadModelOptions): Promise<Model> {
  const checkedPath = readModelPath(path)
  const checked = readLoadOptions(options)
  checked.signal?.throwIfAborted()
  return startLoading(checkedPath, checked)
}

function startLoading(path: string, options: CheckedLoadOptions): Promise<Model> {
  const addon = loadAddon()
  const { signal, onProgress, onLog } = options
  return new Promise((resolve, reject) => {
    let callbackError: { readonly error: unknown } | undefined
    const cancel = addon.loadModel(
      {
        path,
        contextSize: options.contextSize ?? 0,
        cacheSize: options.cacheSize ?? 0,
        maxSequences: options.maxSequences,
        gpuLayers: options.gpuLayers === 'auto' ? -1 : options.gpuLayers,
        threads: options.threads ?? 0,
        flashAttention: options.flashAttention === 'auto' ? -1 : options.flashAttention ? 1 : 0,
        kvCacheType: options.kvCacheType,
        chatTemplate: options.chatTemplate,
        specialTokens: options.specialTokens,
      },
      (fraction) => {
        if (callbackError) return
        try {
          onProgress?.(fraction)
        } catch (error) {
          callbackError = { error }
          cancel()
        }
      },
      onLog &&
        ((level, message) => {
          try {
            onLog(Object.freeze({ level, message }))
          } catch (error) {
            queueMicrotask(() => {
              throw error // the caller's own mistake, reported like one in an event listener
            })
          }
        }),
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
          resolve(new Model(makeModel, native))
        }
      },
    )
    signal?.addEventListener('abort', cancel, { once: true })
  })
}

function renderRequest(messages: unknown, options: CheckedRenderOptions): NativeRenderRequest {
  return {
    messages: readMessages(messages),
    tools: options.toolsJson,
    documents: options.documentsJson,
    templateVariables: options.templateVariablesJson,
    addGenerationPrompt: options.addGenerationPrompt,
    now: options.nowMs,
  }
}
