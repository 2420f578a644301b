import { counted } from '../counted.js'
import { clientMessage } from '../error-codes.js'
import {
  type ContextOverflowError,
  ERROR_CODES,
  type QueueFullError,
  type TemplateError,
  type TemplateIgnoresInputError,
  VerbatimError,
} from '../errors.js'
import { sentence } from '../json-shape.js'
import { inSnakeCase, snakeCase, snakeCasePath } from './snake-case.js'

/** The HTTP status of each code that the worker gives: its own, and two of the library's. */
const STATUS = {
  INVALID_JSON: 400,
  UNAUTHORIZED: 401,
  NOT_FOUND: 404,
  MODEL_UNKNOWN: 404,
  METHOD_NOT_ALLOWED: 405,
  BODY_TOO_LARGE: 413,
  TOO_MANY_MESSAGES: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  CLIENT_CLOSED: 499,
  SLOW_READER: 499,
  NOT_READY: 503,
  SHUTTING_DOWN: 503,
  ENGINE_DOWN: 503,
  INVALID_OPTION: ERROR_CODES.INVALID_OPTION.status,
  INVALID_MESSAGES: ERROR_CODES.INVALID_MESSAGES.status,
} as const

/** Description of a failure for a client. */
export interface ErrorDescription {
  readonly status: number
  readonly code: string
  readonly message: string
  /** The offending field, such as `messages[2].content`. */
  readonly path?: string
  /** Further facts, in snake_case. */
  readonly facts?: Readonly<Record<string, unknown>>
  readonly headers?: Readonly<Record<string, string>>
}

/** A failure that the worker itself finds. */
export class HttpError extends Error {
  readonly description: ErrorDescription

  constructor(
    code: keyof typeof STATUS,
    message: string,
    more: Pick<ErrorDescription, 'path' | 'headers'> = {},
  ) {
    super(message)
    this.description = { status: STATUS[code], code, message, ...more }
  }
}

/** Header with the seconds that a client should wait before it tries again. */
const RETRY_SOON = { 'retry-after': '1' }

/** Error for a field with a wrong value; `reason` reads on from the path. */
export function invalidField(path: string, reason: string): HttpError {
  const code = /^messages\b/.test(path) ? 'INVALID_MESSAGES' : 'INVALID_OPTION'
  return new HttpError(code, sentence(path, reason), { path })
}

/** Error for a worker that cannot answer at the moment. */
export function unavailable(code: 'NOT_READY' | 'SHUTTING_DOWN' | 'ENGINE_DOWN', message: string): HttpError {
  return new HttpError(code, message, { headers: RETRY_SOON })
}

/**
 * Describes any failure for a client: the library's errors about the request in full, in snake_case; everything else
 * by its kind only, because its text may name files of the server.
 */
export function describeError(error: unknown): ErrorDescription {
  if (error instanceof HttpError) return error.description
  const code = error instanceof VerbatimError ? error.code : 'INTERNAL'
  const { status } = ERROR_CODES[code]
  if (!(error instanceof VerbatimError)) return { status, code, message: clientMessage(code) }
  const message = inSnakeCase(error.message)
  switch (code) {
    case 'INVALID_OPTION':
    case 'INVALID_MESSAGES': {
      const { path } = error as VerbatimError & { path: string }
      return { status, code, message, path: snakeCasePath(path) }
    }
    case 'TEMPLATE_IGNORES_INPUT': {
      const { input } = error as TemplateIgnoresInputError
      const path = snakeCasePath(input)
      // Leave what is between as it is: names of the template's own variables.
      const renamed = error.message
        .replace(input, () => path)
        .replace(/\bignoredInputs(?=: 'allow'\W*$)/, snakeCase)
      return { status, code, message: renamed, path }
    }
    case 'TEMPLATE_SYNTAX':
    case 'TEMPLATE_RENDER':
      return { status, code, message: error.message, facts: templateFacts(error as TemplateError) }
    case 'CONTEXT_OVERFLOW':
      return {
        status,
        code,
        message: message.replaceAll('contextSize', snakeCase),
        facts: overflowFacts(error as ContextOverflowError),
      }
    case 'QUEUE_FULL': {
      const { maxQueue } = error as QueueFullError
      return {
        status,
        code,
        message: `${maxQueue === 0 ? 'No request may wait here' : `${counted(maxQueue, 'request')} may wait here, and so many do`}. Try again later, or elsewhere.`,
        headers: RETRY_SOON,
      }
    }
    default:
      if (status < 500) return { status, code, message: error.message }
      return { status, code, message: clientMessage(code), ...(status === 503 && { headers: RETRY_SOON }) }
  }
}

function templateFacts({ line, column, snippet }: TemplateError): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries({ line, column, snippet }).filter(([, fact]) => fact !== undefined),
  )
}

function overflowFacts(error: ContextOverflowError): Record<string, unknown> {
  const names = ['promptTokens', 'contextSize', 'overflowBy'] as const
  return Object.fromEntries(names.map((name) => [snakeCase(name), error[name]]))
}

/** The body of an answer that is an error, and the data of an error event. */
export function errorBody(
  { code, message, path, facts }: ErrorDescription,
  requestId: string,
): Record<string, unknown> {
  return { error: { code, message, ...(path !== undefined && { path }), ...facts, request_id: requestId } }
}

/** The body of an answer that is an error, in the shape of OpenAI's API. */
export function openAiErrorBody({ status, code, message, path }: ErrorDescription): Record<string, unknown> {
  const type = status < 500 ? 'invalid_request_error' : 'server_error'
  return { error: { message, type, param: path ?? null, code: OPENAI_CODES[code] ?? code.toLowerCase() } }
}

const OPENAI_CODES: Readonly<Record<string, string>> = {
  CONTEXT_OVERFLOW: 'context_length_exceeded',
  UNAUTHORIZED: 'invalid_api_key',
  MODEL_UNKNOWN: 'model_not_found',
}
