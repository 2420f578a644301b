import { type CodeOf, ERROR_CODES, type ErrorClassName, type ErrorCode } from './error-codes.js'
import type { DeviceShortage, FittingOptions } from './memory-types.js'
import type { AddonLoadAttempt, PartialInferenceResult } from './types.js'

export { ERROR_CODES, type ErrorCode, type ErrorCodeRow } from './error-codes.js'

/** The codes of {@link ModelLoadError}. */
export type ModelLoadErrorCode = CodeOf<'ModelLoadError'>

/** The codes of {@link TemplateError}. */
export type TemplateErrorCode = CodeOf<'TemplateError'>

/** Facts about a failure that have no property of their own, by camelCase name. */
export type ErrorDetails = Readonly<Record<string, string | number>>

/** The last argument of every error constructor. */
export interface VerbatimErrorOptions {
  /** The failure behind this error; becomes `error.cause`. */
  readonly cause?: unknown
  /** Becomes `error.details`. Default: none. */
  readonly details?: ErrorDetails
}

/**
 * The base of every error this package throws. Branch on `code` (or `instanceof` a subclass), never on the
 * message: it says what happened and what to do next, for a person.
 */
export class VerbatimError extends Error {
  /** Kind of the failure. */
  readonly code: ErrorCode
  /** Further facts, where there are any that have no property of their own. */
  declare readonly details?: ErrorDetails

  constructor(code: ErrorCode, message: string, options: VerbatimErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    if (options.details) this.details = Object.freeze({ ...options.details })
  }
}

/** An argument or option has the wrong type, is out of its range, or is not known. Nothing was started. */
export class InvalidOptionError extends VerbatimError {
  declare readonly code: 'INVALID_OPTION'
  /** The offending option, such as `maxTokens` or `tools[0].function["weird key"]`. */
  readonly path: string

  constructor(message: string, fields: { readonly path: string }, options?: VerbatimErrorOptions) {
    super('INVALID_OPTION', message, options)
    this.path = fields.path
  }
}

/** The messages cannot be passed to a chat template unchanged. Nothing was started. */
export class InvalidMessagesError extends VerbatimError {
  declare readonly code: 'INVALID_MESSAGES'
  /** The offending value, such as `messages[2].content`. */
  readonly path: string

  constructor(message: string, fields: { readonly path: string }, options?: VerbatimErrorOptions) {
    super('INVALID_MESSAGES', message, options)
    this.path = fields.path
  }
}

/** Facts about a model file that could not be loaded. */
export interface ModelLoadErrorFields {
  /** The model file. */
  readonly path: string
  /** The architecture the file names. */
  readonly architecture?: string | undefined
  /** Length of the file by its header, in bytes. */
  readonly expectedBytes?: number | undefined
  /** Length of the file as it is, in bytes. */
  readonly fileBytes?: number | undefined
}

/**
 * A model file could not be loaded: `MODEL_NOT_FOUND` (no readable file there), `MODEL_INVALID` (not a model, or
 * damaged), `MODEL_TRUNCATED` (shorter than its header says) or `MODEL_UNSUPPORTED` (a kind of model the engine
 * cannot run).
 */
export class ModelLoadError extends VerbatimError {
  declare readonly code: ModelLoadErrorCode
  /** The model file. */
  readonly path: string
  /** The architecture the file names, where it was read. */
  readonly architecture: string | undefined
  /** Length of the file by its header, in bytes, where it was read. */
  readonly expectedBytes: number | undefined
  /** Length of the file as it is, in bytes, where it was read. */
  readonly fileBytes: number | undefined

  constructor(
    code: ModelLoadErrorCode,
    message: string,
    fields: ModelLoadErrorFields,
    options?: VerbatimErrorOptions,
  ) {
    super(code, message, options)
    this.path = fields.path
    this.architecture = fields.architecture
    this.expectedBytes = fields.expectedBytes
    this.fileBytes = fields.fileBytes
  }
}

/** The facts of {@link OutOfMemoryError}. */
export interface OutOfMemoryErrorFields {
  /** Bytes asked for, where known. */
  readonly neededBytes?: number | undefined
  /** Bytes needed and free of each device. Default: none. */
  readonly devices?: readonly DeviceShortage[]
  /** Options with which the model would fit. */
  readonly wouldFit?: FittingOptions | undefined
}

/** There is not enough memory (of the machine or of the GPU) for the model, its cache or this request. */
export class OutOfMemoryError extends VerbatimError {
  declare readonly code: 'OUT_OF_MEMORY'
  /** Bytes asked for, where known. */
  readonly neededBytes: number | undefined
  /** Memory needed and free of each device when a model was to be loaded; else empty. */
  readonly devices: readonly DeviceShortage[]
  /** With `onOutOfMemory: 'throw'`: options that would fit; undefined where none would. */
  readonly wouldFit: FittingOptions | undefined

  constructor(message: string, fields: OutOfMemoryErrorFields = {}, options?: VerbatimErrorOptions) {
    super('OUT_OF_MEMORY', message, options)
    this.neededBytes = fields.neededBytes
    this.devices = fields.devices ?? []
    this.wouldFit = fields.wouldFit
  }
}

/** The model carries no chat template, and `loadModel` was given none. */
export class NoChatTemplateError extends VerbatimError {
  declare readonly code: 'NO_CHAT_TEMPLATE'

  constructor(message: string = ERROR_CODES.NO_CHAT_TEMPLATE.message, options?: VerbatimErrorOptions) {
    super('NO_CHAT_TEMPLATE', message, options)
  }
}

/** Place in a chat template where something failed. */
export interface TemplateErrorFields {
  /** Line in the template, from 1. */
  readonly line?: number | undefined
  /** Column in that line, from 1. */
  readonly column?: number | undefined
  /** The template text there. */
  readonly snippet?: string | undefined
}

/**
 * The chat template cannot be parsed (`TEMPLATE_SYNTAX`), or it failed for these messages (`TEMPLATE_RENDER`): it
 * raised an exception of its own, or used a value in a way that does not work.
 */
export class TemplateError extends VerbatimError {
  declare readonly code: TemplateErrorCode
  /** Line in the template, from 1, where known. */
  readonly line: number | undefined
  /** Column in that line, from 1, where known. */
  readonly column: number | undefined
  /** The template text there, where known. */
  readonly snippet: string | undefined

  constructor(
    code: TemplateErrorCode,
    message: string,
    fields: TemplateErrorFields = {},
    options?: VerbatimErrorOptions,
  ) {
    super(code, message, options)
    this.line = fields.line
    this.column = fields.column
    this.snippet = fields.snippet
  }
}

/** Rendering the chat template was stopped because it went past a limit on its work or its output. */
export class TemplateLimitError extends VerbatimError {
  declare readonly code: 'TEMPLATE_LIMIT'
  /** The limit that was reached, as the engine names or counts it. */
  readonly limit: string | number | undefined

  constructor(
    message: string,
    fields: { readonly limit?: string | number | undefined } = {},
    options?: VerbatimErrorOptions,
  ) {
    super('TEMPLATE_LIMIT', message, options)
    this.limit = fields.limit
  }
}

/**
 * The chat template ignores something that was given: no character of it is in the prompt, and (but for the messages)
 * the template does not test it. Nothing was started.
 */
export class TemplateIgnoresInputError extends VerbatimError {
  declare readonly code: 'TEMPLATE_IGNORES_INPUT'
  /** What is ignored: `messages`, `tools`, `documents`, or a variable such as `templateVariables.enable_thinking`. */
  readonly input: string

  constructor(message: string, fields: { readonly input: string }, options?: VerbatimErrorOptions) {
    super('TEMPLATE_IGNORES_INPUT', message, options)
    this.input = fields.input
  }
}

/** The text could not be turned into tokens of this model (or token ids into text). */
export class TokenizeError extends VerbatimError {
  declare readonly code: 'TOKENIZE_FAILED'

  constructor(message: string, options?: VerbatimErrorOptions) {
    super('TOKENIZE_FAILED', message, options)
  }
}

/** The counts of {@link ContextOverflowError}. */
export interface ContextOverflowErrorFields {
  /** Length of the rendered prompt, in tokens. */
  readonly promptTokens: number
  /** Most tokens that the context holds. */
  readonly contextSize: number
  /** Tokens in excess. Default: `promptTokens - contextSize`. */
  readonly overflowBy?: number | undefined
}

/** The rendered prompt does not fit the context. Nothing is ever cut off to make it fit. */
export class ContextOverflowError extends VerbatimError {
  declare readonly code: 'CONTEXT_OVERFLOW'
  /** Length of the rendered prompt, in tokens. */
  readonly promptTokens: number
  /** Most tokens that the context holds. */
  readonly contextSize: number
  /** Tokens by which the messages must become shorter. */
  readonly overflowBy: number

  constructor(message: string, fields: ContextOverflowErrorFields, options?: VerbatimErrorOptions) {
    super('CONTEXT_OVERFLOW', message, options)
    this.promptTokens = fields.promptTokens
    this.contextSize = fields.contextSize
    this.overflowBy = fields.overflowBy ?? fields.promptTokens - fields.contextSize
  }
}

/** As many requests wait as `maxQueue` allows. Nothing was started: try again later, or elsewhere. */
export class QueueFullError extends VerbatimError {
  declare readonly code: 'QUEUE_FULL'
  /** Most requests that may wait. */
  readonly maxQueue: number

  constructor(message: string, fields: { readonly maxQueue: number }, options?: VerbatimErrorOptions) {
    super('QUEUE_FULL', message, options)
    this.maxQueue = fields.maxQueue
  }
}

/**
 * The run was cancelled, by `cancel()` or by leaving its loop: the message says which. An aborted `signal` rejects with
 * its own reason, and `run.partial()` has the output.
 */
export class CancelledError extends VerbatimError {
  declare readonly code: 'CANCELLED'
  /** Output generated by then; undefined when nothing had been started, and for `loadModel`. */
  readonly partial: PartialInferenceResult | undefined

  constructor(
    fields: { readonly partial?: PartialInferenceResult | undefined; readonly message?: string } = {},
    options?: VerbatimErrorOptions,
  ) {
    super('CANCELLED', fields.message ?? ERROR_CODES.CANCELLED.message, options)
    this.partial = fields.partial
  }
}

/** The model was disposed before or during the call. */
export class DisposedError extends VerbatimError {
  declare readonly code: 'DISPOSED'

  constructor(message: string = ERROR_CODES.DISPOSED.message, options?: VerbatimErrorOptions) {
    super('DISPOSED', message, options)
  }
}

/** The deltas of an inference were asked for twice; they are delivered once and not kept. */
export class InferenceConsumedError extends VerbatimError {
  declare readonly code: 'INFERENCE_CONSUMED'

  constructor(message: string = ERROR_CODES.INFERENCE_CONSUMED.message, options?: VerbatimErrorOptions) {
    super('INFERENCE_CONSUMED', message, options)
  }
}

/** The engine failed while evaluating tokens. */
export class DecodeError extends VerbatimError {
  declare readonly code: 'DECODE_FAILED'

  constructor(message: string, options?: VerbatimErrorOptions) {
    super('DECODE_FAILED', message, options)
  }
}

/** The last argument of {@link AddonLoadError}'s constructor. */
export interface AddonLoadErrorOptions extends VerbatimErrorOptions {
  /** Advice in the message. Default: to build the addon from the sources in the package. */
  readonly remedy?: string
}

/**
 * The native addon, or a package that extends it, could not be loaded on this machine. Where there is no prebuilt addon
 * for the platform, `npx verbatim-llama build` makes one.
 */
export class AddonLoadError extends VerbatimError {
  declare readonly code: 'ADDON_LOAD'
  /** Every file that was tried, in order, and why it could not be used. */
  readonly tried: readonly AddonLoadAttempt[]

  constructor(tried: readonly AddonLoadAttempt[], options: AddonLoadErrorOptions = {}) {
    const list = tried.map(({ path, reason }) => `\n  ${path}: ${reason}`).join('')
    super(
      'ADDON_LOAD',
      `The native addon could not be loaded on ${process.platform}-${process.arch}. ${options.remedy ?? BUILD_REMEDY} ` +
        (list === '' ? 'There was no file to try.' : `Tried:${list}`),
      options,
    )
    this.tried = Object.freeze(tried.map(({ path, reason }) => Object.freeze({ path, reason })))
  }
}

const BUILD_REMEDY = 'Build it from the sources in the package: npx verbatim-llama build.'

/** A defect of this package, not of the call. */
export class InternalError extends VerbatimError {
  declare readonly code: 'INTERNAL'

  constructor(message: string, options?: VerbatimErrorOptions) {
    super('INTERNAL', message, options)
  }
}

// Set names on the prototypes, so that stacks start with them and util.inspect does not list them as fields; not from
// Class.name, which bundlers change.
const classes = {
  VerbatimError,
  InvalidOptionError,
  InvalidMessagesError,
  ModelLoadError,
  OutOfMemoryError,
  NoChatTemplateError,
  TemplateError,
  TemplateLimitError,
  TemplateIgnoresInputError,
  TokenizeError,
  ContextOverflowError,
  QueueFullError,
  CancelledError,
  DisposedError,
  InferenceConsumedError,
  DecodeError,
  AddonLoadError,
  InternalError,
} satisfies Record<'VerbatimError' | ErrorClassName, { readonly prototype: VerbatimError }>
for (const [name, errorClass] of Object.entries(classes)) {
  Object.defineProperty(errorClass.prototype, 'name', { value: name, writable: true, configurable: true })
}
