import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import type { Inference } from '../inference.js'
import type { InferenceResult } from '../types.js'
import { describeError, type ErrorDescription, errorBody, HttpError, openAiErrorBody } from './http-error.js'
import type { Metrics } from './metrics.js'
import { requestId } from './request-id.js'

/** Type of `c.env`: Node's own objects under @hono/node-server, nothing elsewhere. */
export type WorkerEnv = {
  /** Request and response of Node.js. */
  Bindings: Partial<HttpBindings>
}

/** Takes one line of the log: an object of facts and a message, as pino's loggers do. */
export interface WorkerLogger {
  /** Logs that something happened. */
  info(facts: object, message: string): void
  /** Logs what deserves attention. */
  warn(facts: object, message: string): void
  /** Logs a failure inside the server. */
  error(facts: object, message: string): void
}

/** A request and the answer to it, for the log and the metrics. */
export class Exchange {
  readonly id: string
  readonly context: Context<WorkerEnv>
  readonly signal: AbortSignal
  readonly #endpoint: string
  readonly #openAi: boolean
  readonly #metrics: Metrics
  readonly #logger: WorkerLogger | undefined
  readonly #begin = performance.now()
  #facts: Record<string, unknown> = {}
  #ended = false

  constructor(
    context: Context<WorkerEnv>,
    endpoint: string,
    metrics: Metrics,
    logger: WorkerLogger | undefined,
  ) {
    this.id = requestId(context.req.header('x-request-id'))
    this.context = context
    this.signal = context.req.raw.signal
    this.#endpoint = endpoint
    this.#openAi = endpoint.startsWith('/v1/')
    this.#metrics = metrics
    this.#logger = logger
  }

  /** Counts the tokens and times of a run that has ended well. */
  generated(result: InferenceResult): void {
    const { usage, timings, finishReason } = result
    this.#metrics.generated(result)
    this.#facts = {
      prompt_tokens: usage.promptTokens,
      cached_tokens: usage.cachedTokens,
      completion_tokens: usage.completionTokens,
      queue_ms: timings.queueMs,
      first_token_ms: timings.firstTokenMs,
      finish_reason: finishReason,
    }
  }

  /** Waits for the result of a run, and counts it. */
  async result(run: Inference): Promise<InferenceResult> {
    const result = await run.result
    this.generated(result)
    return result
  }

  json(value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
    return this.text(JSON.stringify(value), 'application/json', status, headers)
  }

  text(
    body: string,
    type: string,
    status = 200,
    headers: Readonly<Record<string, string>> = {},
    code?: string,
  ): Response {
    this.ended(status, code)
    return new Response(body, {
      status,
      headers: { 'content-type': type, 'x-request-id': this.id, ...headers },
    })
  }

  /** The answer to a request that failed before anything was sent. */
  failed(error: unknown): Response {
    const description = this.describe(error)
    const { code, headers } = description
    const status = this.#openAi && code === 'CONTEXT_OVERFLOW' ? 400 : description.status
    const body = JSON.stringify(this.errorBody(description))
    return this.text(body, 'application/json', status, headers, code)
  }

  /** Describes a failure for the client; details that are not for the client go to the log. */
  describe(error: unknown): ErrorDescription {
    if (this.signal.aborted)
      return new HttpError('CLIENT_CLOSED', 'The client left before the answer.').description
    const description = describeError(error)
    if (description.status === 500) this.#logger?.error({ request_id: this.id, err: error }, 'request failed')
    return description
  }

  errorBody(description: ErrorDescription): Record<string, unknown> {
    return this.#openAi ? openAiErrorBody(description) : errorBody(description, this.id)
  }

  /** Notes that the answer is over; only the first time counts. */
  ended(status: number, code?: string): void {
    if (this.#ended) return
    this.#ended = true
    const ms = performance.now() - this.#begin
    this.#metrics.answered(this.#endpoint, status, ms / 1000, code)
    const facts = {
      request_id: this.id,
      method: this.context.req.method,
      endpoint: this.#endpoint,
      status,
      ms: Math.round(ms * 10) / 10,
      ...(code !== undefined && { code }),
      ...this.#facts,
    }
    this.#logger?.info(facts, 'request')
  }

  /** Cuts the connection; false where there is no access to it. */
  disconnect(): boolean {
    const { outgoing } = this.context.env ?? {}
    outgoing?.destroy()
    return outgoing !== undefined
  }
}
