// Failures of the native side, turned into errors of this package.
import type { ErrorCode } from './error-codes.js'
import {
  CancelledError,
  ContextOverflowError,
  DecodeError,
  DisposedError,
  InternalError,
  InvalidMessagesError,
  InvalidOptionError,
  ModelLoadError,
  NoChatTemplateError,
  OutOfMemoryError,
  QueueFullError,
  TemplateError,
  TemplateIgnoresInputError,
  TemplateLimitError,
  TokenizeError,
  type VerbatimError,
  type VerbatimErrorOptions,
} from './errors.js'
import type { DeviceShortage, FittingOptions } from './memory-types.js'

/** A failure as the native side reports it: `fields`, and those of records, are in snake_case, such as `prompt_tokens`. */
export interface NativeError {
  readonly code: string
  readonly message: string
  readonly fields: Readonly<Record<string, NativeField>>
}

type NativeRecord = Readonly<Record<string, string | number>>
type NativeField = string | number | readonly NativeRecord[]

/** Takes typed fields out of a native error; the rest becomes `details`. */
class NativeFields {
  readonly #rest: Map<string, NativeField>

  constructor(fields: NativeError['fields']) {
    this.#rest = new Map(Object.entries(fields))
  }

  any(name: string): NativeField | undefined {
    const value = this.#rest.get(name)
    this.#rest.delete(name)
    return value
  }

  records(name: string): readonly NativeRecord[] {
    const value = Array.isArray(this.#rest.get(name)) ? (this.any(name) as NativeRecord[]) : []
    return value.map((record) => camelCaseKeys(Object.entries(record)))
  }

  number(name: string): number | undefined {
    return typeof this.#rest.get(name) === 'number' ? (this.any(name) as number) : undefined
  }

  text(name: string): string | undefined {
    return typeof this.#rest.get(name) === 'string' ? (this.any(name) as string) : undefined
  }

  rest(): VerbatimErrorOptions {
    if (this.#rest.size === 0) return {}
    const rest = [...this.#rest].filter(
      (field): field is [string, string | number] => !Array.isArray(field[1]),
    )
    return { details: camelCaseKeys(rest) }
  }
}

function camelCaseKeys(fields: readonly (readonly [string, string | number])[]): NativeRecord {
  const camelCase = (name: string) =>
    name.replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
  return Object.fromEntries(fields.map(([name, value]) => [camelCase(name), value]))
}

/** The codes of cpp/base/error.h: all but those that JavaScript alone finds. */
type NativeErrorCode = Exclude<ErrorCode, 'INFERENCE_CONSUMED' | 'ADDON_LOAD'>

/**
 * Turns a failure reported by the native side into the class of its code. A code this version does not know
 * becomes an {@link InternalError} that names it. Fields without a property of their own go to `details`.
 *
 * A `CANCELLED` failure becomes a {@link CancelledError} without `partial`: only the caller holds what had been
 * generated, and makes its own when there is something.
 */
export function fromNative(error: NativeError): VerbatimError {
  const { message } = error
  const code = error.code as NativeErrorCode
  const fields = new NativeFields(error.fields)
  switch (code) {
    case 'INVALID_OPTION':
      return new InvalidOptionError(message, { path: fields.text('path') ?? '' }, fields.rest())
    case 'INVALID_MESSAGES':
      return new InvalidMessagesError(message, { path: fields.text('path') ?? 'messages' }, fields.rest())
    case 'MODEL_NOT_FOUND':
    case 'MODEL_INVALID':
    case 'MODEL_TRUNCATED':
    case 'MODEL_UNSUPPORTED': {
      const known = {
        path: fields.text('path') ?? '',
        architecture: fields.text('architecture'),
        expectedBytes: fields.number('expected_bytes'),
        fileBytes: fields.number('file_bytes'),
      }
      return new ModelLoadError(code, message, known, fields.rest())
    }
    case 'OUT_OF_MEMORY':
      return new OutOfMemoryError(
        message,
        {
          neededBytes: fields.number('needed_bytes'),
          devices: fields.records('devices') as unknown as readonly DeviceShortage[],
          wouldFit: fields.records('would_fit')[0] as unknown as FittingOptions | undefined,
        },
        fields.rest(),
      )
    case 'NO_CHAT_TEMPLATE':
      return new NoChatTemplateError(message, fields.rest())
    case 'TEMPLATE_SYNTAX':
    case 'TEMPLATE_RENDER': {
      const known = {
        line: fields.number('line'),
        column: fields.number('column'),
        snippet: fields.text('snippet'),
      }
      return new TemplateError(code, message, known, fields.rest())
    }
    case 'TEMPLATE_LIMIT':
      return new TemplateLimitError(
        message,
        { limit: fields.number('limit') ?? fields.text('limit') },
        fields.rest(),
      )
    case 'TEMPLATE_IGNORES_INPUT':
      return new TemplateIgnoresInputError(message, { input: fields.text('input') ?? '' }, fields.rest())
    case 'TOKENIZE_FAILED':
      return new TokenizeError(message, fields.rest())
    case 'CONTEXT_OVERFLOW': {
      // Use NaN, not a made-up count, should the native side ever leave one out.
      const known = {
        promptTokens: fields.number('prompt_tokens') ?? Number.NaN,
        contextSize: fields.number('context_size') ?? Number.NaN,
        overflowBy: fields.number('overflow_by'),
      }
      return new ContextOverflowError(message, known, fields.rest())
    }
    case 'QUEUE_FULL':
      return new QueueFullError(
        message,
        { maxQueue: fields.number('max_queue') ?? Number.NaN },
        fields.rest(),
      )
    case 'DECODE_FAILED':
      return new DecodeError(message, fields.rest())
    case 'CANCELLED':
      return new CancelledError({ message }, fields.rest())
    case 'DISPOSED':
      return new DisposedError(message, fields.rest())
    case 'INTERNAL':
      return new InternalError(message, fields.rest())
    default:
      code satisfies never
      return new InternalError(
        `The native addon reported the unknown error ${JSON.stringify(code)}: ${message}. Reinstall the package, so that the addon and its JavaScript are of one version.`,
        fields.rest(),
      )
  }
}
