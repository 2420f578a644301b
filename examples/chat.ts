// Parts that the two example servers share: the request, the event stream, and the status of an error.
import { Readable } from 'node:stream'
import { ERROR_CODES, type Inference, type Messages, VerbatimError } from 'verbatim-llama'

/** The body of POST /chat. */
export interface ChatRequest {
  readonly messages: Messages
  readonly max_tokens?: number | null
  readonly temperature?: number | null
  /** True asks for the answer as server-sent events. */
  readonly stream?: boolean | null
}

/**
 * Takes a body apart; null is as good as absent. The values are not checked here: generateInference() does that, and
 * names wrong ones.
 */
export function readChat(body: unknown) {
  const { messages, max_tokens, temperature, stream } = (body ?? {}) as ChatRequest
  const options = { maxTokens: max_tokens ?? undefined, temperature: temperature ?? undefined }
  return { messages, options, stream: stream === true }
}

/**
 * The run as server-sent events, once the first of them is there: a failure before that rejects, and can still be
 * answered with a status of its own. A client that reads slowly gets fewer, longer events.
 */
export async function eventStream(run: Inference): Promise<Readable> {
  const events = toEvents(run)
  const first = await events.next()
  return Readable.from(
    (async function* () {
      yield first.value
      yield* events
    })(),
  )
}

async function* toEvents(run: Inference): AsyncGenerator<string, string> {
  const event = (data: object) => `data: ${JSON.stringify(data)}\n\n`
  let begun = false
  try {
    for await (const { text } of run) {
      yield event({ text })
      begun = true
    }
    const { finishReason, usage } = await run
    yield event({ finishReason, usage })
  } catch (error) {
    if (!begun) throw error
    yield event(errorBody(error))
  }
  return ''
}

/** The HTTP status of an error: of a VerbatimError by its code, of the framework's errors their own. */
export function statusOf(error: unknown): number {
  if (error instanceof VerbatimError) return ERROR_CODES[error.code].status
  return (error as { statusCode?: number }).statusCode ?? 500
}

/** The body of an answer to a failed request. */
export function errorBody(error: unknown) {
  if (error instanceof VerbatimError) return { error: { code: error.code, message: error.message } }
  return { error: { code: statusOf(error) < 500 ? 'BAD_REQUEST' : 'INTERNAL', message: String(error) } }
}
