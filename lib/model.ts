import { unusableBackends } from './addon.js'
import { ChatTemplate } from './chat-template.js'
import { DisposedError } from './errors.js'
import { deepFreeze } from './freeze.js'
import { Inference, type StartedInference } from './inference.js'
import { invalidOption, isThenable, reading } from './json-shape.js'
import { toNumbers } from './logprobs.js'
import type { NativeModel, NativePrompt, NativeRenderRequest } from './native.js'
import { fromNative, type NativeError } from './native-error.js'
import { readMessages, readText, readTokenIds } from './options/arguments.js'
import { wrongValue } from './options/bag.js'
import {
  type CheckedGenerateOptions,
  type CheckedRenderOptions,
  readGenerateOptions,
  readRenderOptions,
  readTokenizeOptions,
} from './options/read.js'
import { promptHashes, receiptTerms } from './receipt.js'
import type {
  GenerateOptions,
  Messages,
  ModelInfo,
  ModelStatus,
  RenderedPrompt,
  RenderOptions,
  TokenizeOptions,
} from './types.js'

// Keys of the members of a model that only the modules of this package may reach.
export const MAKE = Symbol('make')
export const IS = Symbol('is')
export const NATIVE = Symbol('native')
export const START = Symbol('start')
export const RENDER = Symbol('render')
export const HASH = Symbol('hash')

/** A loaded model. It runs any number of requests at once; each of them sees only its own messages. */
export class Model implements AsyncDisposable {
  /** Facts about the model; they stay after {@link dispose}. */
  readonly info: ModelInfo
  readonly #native: NativeModel
  #disposal: Promise<void> | undefined
  #chatTemplate: ChatTemplate | undefined

  /** @internal */
  constructor(key: typeof MAKE, native: NativeModel) {
    if (key !== MAKE) throw new TypeError('Models are made by loadModel().')
    this.#native = native
    this.info = deepFreeze({ ...native.info(), unusableBackends: unusableBackends() })
  }

  /**
   * False for proxies of models, and for objects whose prototype is one, which no method works on.
   *
   * @internal
   */
  static [IS](value: unknown): value is Model {
    return typeof value === 'object' && value !== null && #native in value
  }

  /**
   * The chat template in use where a request has no tools, on its own: it renders without the model. Null when there is
   * none.
   *
   * @throws TemplateError when the model's own template does not parse
   */
  get chatTemplate(): ChatTemplate | null {
    const { chatTemplate, specialTokens } = this.info
    if (chatTemplate === null) return null
    this.#chatTemplate ??= new ChatTemplate(chatTemplate, specialTokens)
    return this.#chatTemplate
  }

  /** Requests and cells in use at this moment. */
  get status(): ModelStatus {
    return this.#native.status()
  }

  /**
   * Generates the model's answer to the messages, as its own chat template formats them: see
   * {@link generateInference}.
   */
  generateInference(messages: Messages, options?: GenerateOptions): Inference {
    return new Inference(() => {
      const checked = readGenerateOptions(options)
      return { options: checked, start: (onNews) => this[START](messages, checked, onNews) }
    })
  }

  /**
   * The exact prompt that {@link generateInference} would give the model; generates nothing.
   *
   * Rejects with `InvalidMessagesError`, `InvalidOptionError`, `NoChatTemplateError`, `TemplateError`,
   * `TemplateLimitError`, `TemplateIgnoresInputError`, `TokenizeError` or `DisposedError`.
   */
  async renderPrompt(messages: Messages, options?: RenderOptions): Promise<RenderedPrompt> {
    const { text, spans, tokenIds, digest } = await this[RENDER](messages, readRenderOptions(options))
    const { chatTemplateName: name, chatTemplateSha256: sha256 } = promptHashes(digest)
    return Object.freeze({
      text,
      spans,
      tokenIds: toNumbers(tokenIds),
      chatTemplate: Object.freeze({ name, sha256 }),
    })
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
   * Cancels the requests in progress (they reject with `DisposedError`), waits for them, and gives all memory back.
   * May be called more than once. A model that is collected without it gives its memory back too, when the collector
   * runs.
   */
  dispose(): Promise<void> {
    this.#disposal ??= this.#native.dispose()
    return this.#disposal
  }

  /** The same as {@link dispose}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  /** @internal */
  get [NATIVE](): NativeModel {
    return this.#native
  }

  /** @internal */
  [START](messages: unknown, options: CheckedGenerateOptions, onNews: () => void): StartedInference {
    const { signal, ...checked } = options
    const request = { ...checked, messages: readMessages(messages) }
    this.#requireAlive()
    if (signal?.aborted) throw signal.reason
    return {
      native: this.#native.generate(request, onNews),
      receiptTerms: receiptTerms(this.info, options),
    }
  }

  /** @internal */
  async [RENDER](messages: unknown, options: CheckedRenderOptions): Promise<NativePrompt> {
    const request: NativeRenderRequest = { ...options, messages: readMessages(messages) }
    this.#requireAlive()
    return this.#settle(this.#native.render(request))
  }

  /** @internal */
  async [HASH](tokenIds: unknown): Promise<string> {
    const checked = readTokenIds(tokenIds)
    this.#requireAlive()
    return this.#settle(this.#native.tokenIdsSha256(checked))
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
 * @param wanted what is wanted, for errors
 * @throws InvalidOptionError for what is no model
 */
export function requireModel(value: unknown, wanted = 'a model from loadModel'): asserts value is Model {
  reading('model', () => {
    if (Model[IS](value)) return
    if (isThenable(value)) throw invalidOption('model', 'is a promise: await loadModel(…) first.')
    if (value instanceof Model)
      throw invalidOption('model', 'is a proxy of a model, or inherits from one: pass the model itself.')
    throw wrongValue('model', wanted, value)
  })
}
