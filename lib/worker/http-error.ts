import {
  type ContextOverflowError,
  type QueueFullError,
  type TemplateError,
  VerbatimError,
} from '../errors.js'
import { inSnakeCase, snakeCase, snakeCasePath } from './snake-case.js'

/** Codes that only the worker has; the library's own are those of `ErrorCode`. */
export type WorkerErrorCode =
  | 'INVALID_JSON'
  | 'BODY_TOO_LARGE'
  | 'TOO_MANY_MESSAGES'
  | 'UNSUPPORTED_MEDIA_TYPE'
  | 'UNAUTHORIZED'
  | 'NOT_FOUND'
  | 'METHOD_NOT_ALLOWED'
  | 'MODEL_UNKNOWN'
  | 'NOT_READY'
  | 'SHUTTING_DOWN'
  | 'ENGINE_DOWN'
  | 'CLIENT_CLOSED'
  | 'SLOW_READER'

/** What a client is told of a failure. */
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
    status: number,
    code: WorkerErrorCode | 'INVALID_OPTION' | 'INVALID_MESSAGES',
    message: string,
    more: Pick<ErrorDescription, 'path' | 'headers'> = {},
  ) {
    super(message)
    this.description = { status, code, message, ...more }
  }
}

/** What a client should wait before it tries again, in seconds. */
const RETRY_SOON = { 'retry-after': '1' }

/** A field with a value that cannot be; `reason` reads on from the path. */
export function invalidField(path: string, reason: string): HttpError {
  const code = /^messages\b/.test(path) ? 'INVALID_MESSAGES' : 'INVALID_OPTION'
  return new HttpError(400, code, `${path} ${reason}`, { path })
}

/** The worker cannot answer at the moment. */
export function unavailable(code: 'NOT_READY' | 'SHUTTING_DOWN' | 'ENGINE_DOWN', message: string): HttpError {
  return new HttpError(503, code, message, { headers: RETRY_SOON })
}

/**
 * What a client is told of any failure: of the library's errors about the request all they say, in snake_case; of
 * everything else only the kind, because its text may name files of the server.
 */
export function describeError(error: unknown): ErrorDescription {
  if (error instanceof HttpError) return error.description
  if (!(error instanceof VerbatimError)) return { status: 500, code: 'INTERNAL', message: INTERNAL }
  const { code } = error
  const message = inSnakeCase(error.message)
  switch (code) {
    case 'INVALID_OPTION':
    case 'UNSUPPORTED_OPTION':
    case 'INVALID_MESSAGES': {
      const { path } = error as VerbatimError & { path: string }
      return { status: 400, code, message, path: snakeCasePath(path) }
    }
    case 'TEMPLATE_SYNTAX':
    case 'TEMPLATE_RENDER':
      return { status: 400, code, message: error.message, facts: templateFacts(error as TemplateError) }
    case 'TEMPLATE_LIMIT':
    case 'TOKENIZE_FAILED':
      return { status: 400, code, message: error.message }
    case 'CONTEXT_OVERFLOW':
      return { status: 413, code, message, facts: overflowFacts(error as ContextOverflowError) }
    case 'QUEUE_FULL': {
      const { maxQueue } = error as QueueFullError
      return {
        status: 503,
        code,
        message: `${maxQueue} requests wait already. Try again later, or elsewhere.`,
        headers: RETRY_SOON,
      }
    }
    default:
      return {
        status: code in UNAVAILABLE ? 503 : 500,
        code,
        ...(UNAVAILABLE[code] ?? { message: INTERNAL }),
      }
  }
}

const INTERNAL = 'The request failed inside the server. Its log says more under the id of this request.'

const UNAVAILABLE: Readonly<
  Record<string, { readonly message: string; readonly headers: typeof RETRY_SOON }>
> = {
  OUT_OF_MEMORY: { message: 'There is not enough memory for this request now.', headers: RETRY_SOON },
  DISPOSED: { message: 'The model is being unloaded: the server shuts down.', headers: RETRY_SOON },
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

/** The same in the shape of OpenAI's API. */
export function openAiErrorBody({ status, code, message, path }: ErrorDescription): Record<string, unknown> {
  const type = status < 500 ? 'invalid_request_error' : 'server_error'
  return { error: { message, type, param: path ?? null, code: OPENAI_CODES[code] ?? code.toLowerCase() } }
}

const OPENAI_CODES: Readonly<Record<string, string>> = {
  CONTEXT_OVERFLOW: 'context_length_exceeded',
  UNAUTHORIZED: 'invalid_api_key',
  MODEL_UNKNOWN: 'model_not_found',
}
