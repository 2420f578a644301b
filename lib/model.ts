import { listenForAbort } from './abort-signal.js'
import { loadAddon, unusableBackends } from './addon.js'
import { type Log, reportUnusableBackends } from './backend-plugins.js'
import { ChatTemplate } from './chat-template.js'
import { CancelledError, DisposedError, InvalidOptionError } from './errors.js'
import { Inference, type StartedInference } from './inference.js'
import { type CheckedLoadOptions, readLoadOptions, readModelPath } from './load-options.js'
import { toNumbers } from './logprobs.js'
import { nativeMemoryOptions, requireMemory } from './memory.js'
import type { NativeModel, NativePrompt, NativeRenderRequest } from './native.js'
import { fromNative, type NativeError } from './native-error.js'
import {
  type CheckedModelGenerateOptions,
  type CheckedRenderOptions,
  readGenerateOptions,
  readMessages,
  readModelGenerateOptions,
  readRenderOptions,
  readText,
  readTokenIds,
  readTokenizeOptions,
} from './options.js'
import { chatTemplateSha256, receiptTerms, tokenIdsSha256 } from './receipt.js'
import type {
  ControlTokens,
  GenerateOptions,
  LoadModelOptions,
  Messages,
  ModelGenerateOptions,
  ModelInfo,
  ModelLoad,
  Receipt,
  ReceiptEvidence,
  ReceiptVerification,
  RenderedPrompt,
  RenderOptions,
  TokenizeOptions,
} from './types.js'

/** Only loadModel makes models. */
const makeModel = Symbol('makeModel')

let startInference: (
  model: Model,
  messages: Messages,
  options: CheckedModelGenerateOptions,
  onNews: () => void,
) => StartedInference

let renderNatively: (model: Model, messages: Messages, options: RenderOptions) => Promise<NativePrompt>

/** For step-profile.ts. */
export let nativeModelOf: (model: Model) => NativeModel

/** A loaded model. It runs any number of requests at once; each of them sees only its own messages. */
export class Model implements AsyncDisposable {
  /** What is known of the model; still there after {@link dispose}. */
  readonly info: ModelInfo
  readonly #native: NativeModel
  #disposal: Promise<void> | undefined
  #chatTemplate: ChatTemplate | undefined

  /** @internal */
  constructor(key: typeof makeModel, native: NativeModel) {
    if (key !== makeModel) throw new TypeError('Models are made by loadModel().')
    this.#native = native
    this.info = Object.freeze({ ...native.info(), unusableBackends: unusableBackends() })
  }

  /**
   * The chat template in use, on its own: it renders without the model. Null when there is none.
   *
   * @throws TemplateError when the model's own template does not parse
   */
  get chatTemplate(): ChatTemplate | null {
    const { chatTemplate, specialTokens } = this.info
    if (chatTemplate === null) return null
    this.#chatTemplate ??= new ChatTemplate(chatTemplate, specialTokens)
    return this.#chatTemplate
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
    return new Inference((onNews) => this.#start(messages, readModelGenerateOptions(options), onNews))
  }

  /**
   * The exact prompt that {@link generateInference} would give the model; generates nothing.
   *
   * Rejects with `InvalidMessagesError`, `InvalidOptionError`, `NoChatTemplateError`, `TemplateError`,
   * `TemplateLimitError`, `TokenizeError` or `DisposedError`.
   */
  async renderPrompt(messages: Messages, options?: RenderOptions): Promise<RenderedPrompt> {
    const { text, spans, tokenIds } = await this.#render(messages, options)
    return Object.freeze({ text, spans, tokenIds: toNumbers(tokenIds) })
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
    return toNumbers(await this.#settle(this.#native.tokenize(checked, controlTokens === 'parse')))
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

  #start(messages: Messages, options: CheckedModelGenerateOptions, onNews: () => void): StartedInference {
    const request = renderRequest(messages, options)
    this.#requireAlive()
    const { seed, signal } = options
    if (signal?.aborted) throw signal.reason
    const generateRequest = {
      ...request,
      maxTokens: options.maxTokens,
      temperature: options.temperature,
      topP: options.topP,
      topK: options.topK,
      minP: options.minP,
      repetitionPenalty: options.repetitionPenalty,
      presencePenalty: options.presencePenalty,
      frequencyPenalty: options.frequencyPenalty,
      seed,
      stop: options.stop,
      logprobs: options.logprobs ?? -1,
      ignoreEndOfSequence: options.ignoreEndOfSequence,
      reproducible: options.reproducible,
      promptLookup: options.speculative === 'prompt-lookup',
    }
    return {
      native: this.#native.generate(generateRequest, onNews),
      seed,
      signal,
      wantsLogprobs: options.logprobs !== null,
      receiptTerms: receiptTerms(this.info, generateRequest, controlTokenPolicy(options.controlTokens)),
    }
  }

  static {
    startInference = (model, ...rest) => model.#start(...rest)
    renderNatively = (model, messages, options) => model.#render(messages, options)
    nativeModelOf = (model) => model.#native
  }

  async #render(messages: Messages, options?: RenderOptions): Promise<NativePrompt> {
    const request = renderRequest(messages, readRenderOptions(options))
    this.#requireAlive()
    return this.#settle(this.#native.render(request))
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
  return new Inference((onNews) => {
    const checked = readGenerateOptions(options)
    if (!(checked.model instanceof Model))
      throw new InvalidOptionError('The option model must be a model from loadModel().', { path: 'model' })
    return startInference(checked.model, messages, checked, onNews)
  })
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
  requireMemory(checked)
  if (checked.signal?.aborted) throw checked.signal.reason
  return startLoading(checkedPath, checked)
}

/**
 * Checks a receipt: renders the messages anew with this model, and compares what went in, the prompt and its tokens,
 * and (when `tokenIds` is given) the output with what the receipt says.
 *
 * Rejects with what `renderPrompt` rejects with.
 */
export async function verifyReceipt(
  receipt: Receipt,
  evidence: ReceiptEvidence,
): Promise<ReceiptVerification> {
  const { model, messages, tools, documents, templateVariables, tokenIds } = evidence
  if (!(model instanceof Model))
    throw new InvalidOptionError('The option model must be a model from loadModel().', { path: 'model' })
  const { digest } = await renderNatively(model, messages, {
    tools,
    documents,
    templateVariables,
    now: new Date(receipt.now),
    addGenerationPrompt: receipt.addGenerationPrompt,
    controlTokens: receipt.controlTokens,
  })
  const found: Partial<Receipt> = {
    messagesSha256: digest.messages ?? '',
    toolsSha256: digest.tools,
    documentsSha256: digest.documents,
    templateVariablesSha256: digest.templateVariables,
    chatTemplateSha256: chatTemplateSha256(model.info),
    modelMetadataSha256: model.info.metadataSha256,
    promptTextSha256: digest.promptText ?? '',
    promptTokenIdsSha256: digest.promptTokenIds ?? '',
    ...(tokenIds && { outputTokenIdsSha256: tokenIdsSha256(tokenIds) }),
  }
  const fields = Object.keys(found) as (keyof Receipt)[]
  const mismatches = fields.filter((field) => found[field] !== receipt[field])
  return Object.freeze({ ok: mismatches.length === 0, mismatches: Object.freeze(mismatches) })
}

function startLoading(path: string, options: CheckedLoadOptions): Promise<Model> {
  const addon = loadAddon()
  const { signal, onProgress } = options
  const onLog = options.onLog && guarded(options.onLog)
  reportUnusableBackends(unusableBackends(), options.gpuLayers, onLog)
  return new Promise((resolve, reject) => {
    let callbackError: { readonly error: unknown } | undefined
    const cancel = addon.loadModel(
      {
        ...nativeMemoryOptions(path, options),
        maxQueue: options.maxQueue,
        prefixCacheSize: options.prefixCacheSize ?? -1,
        threads: options.threads ?? 0,
        chatTemplate: options.chatTemplate,
        chatTemplateName: options.chatTemplateName,
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
      onLog ?? null,
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
    if (signal) listenForAbort(signal, cancel)
  })
}

function guarded(onLog: NonNullable<CheckedLoadOptions['onLog']>): Log {
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

function renderRequest(messages: unknown, options: CheckedRenderOptions): NativeRenderRequest {
  const messagesJson = readMessages(messages)
  const { controlTokens } = options
  return {
    messages: messagesJson,
    tools: options.toolsJson,
    documents: options.documentsJson,
    templateVariables: options.templateVariablesJson,
    addGenerationPrompt: options.addGenerationPrompt,
    now: options.nowMs,
    controlTokensAnywhere: controlTokens === 'anywhere',
    trustedMessages: controlTokens === 'anywhere' ? [] : messagesOfRoles(messagesJson, controlTokens),
  }
}

function controlTokenPolicy(checked: CheckedRenderOptions['controlTokens']): ControlTokens {
  if (checked === 'anywhere') return checked
  return checked.length > 0 ? { trustRoles: checked } : 'template'
}

function messagesOfRoles(messagesJson: string, roles: readonly string[]): number[] {
  if (roles.length === 0) return []
  const messages = JSON.parse(messagesJson) as { role: string }[]
  return [...messages.keys()].filter((i) => roles.includes((messages[i] as { role: string }).role))
}
