import type { Inference } from '../inference.js'
import type { Delta, InferenceResult } from '../types.js'
import type { Exchange } from './exchange.js'
import type { ErrorDescription } from './http-error.js'

/** Form of a run as server-sent events. Each function returns whole events, or nothing. */
export interface EventFormat {
  delta(delta: Delta): string
  end(result: InferenceResult): string
  error(error: ErrorDescription): string
}

/** An event of `/chat`, `/enhance` and `/generate`. */
export function namedEvent(name: 'delta' | 'done' | 'error', data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
}

/** Answers with the events of a run, once its first piece is there: a failure before that gets a status of its own. */
export async function streamRun(
  exchange: Exchange,
  run: Inference,
  format: EventFormat,
  slowReaderMs: number,
): Promise<Response> {
  const iterator = run.stream[Symbol.asyncIterator]()
  const first = await iterator.next()
  const events = new RunEvents(exchange, run, iterator, first, format, slowReaderMs)
  return new Response(events.stream, {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      'x-request-id': exchange.id,
    },
  })
}

/**
 * The events of a run, made when the connection has room for them. Output generated meanwhile becomes one longer event,
 * so a slow reader takes no memory; one that does not read at all is cut off.
 */
class RunEvents {
  readonly stream: ReadableStream<Uint8Array>
  readonly #exchange: Exchange
  readonly #run: Inference
  readonly #iterator: AsyncIterator<Delta, undefined>
  readonly #format: EventFormat
  readonly #slowReaderMs: number
  readonly #encoder = new TextEncoder()
  #next: IteratorResult<Delta, undefined> | undefined
  #over = false
  #stuck: NodeJS.Timeout | undefined

  constructor(
    exchange: Exchange,
    run: Inference,
    iterator: AsyncIterator<Delta, undefined>,
    first: IteratorResult<Delta, undefined>,
    format: EventFormat,
    slowReaderMs: number,
  ) {
    this.#exchange = exchange
    this.#run = run
    this.#iterator = iterator
    this.#next = first
    this.#format = format
    this.#slowReaderMs = slowReaderMs
    this.stream = new ReadableStream<Uint8Array>(
      { pull: (controller) => this.#pull(controller), cancel: () => this.#leave('CLIENT_CLOSED') },
      { highWaterMark: 0 },
    )
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    clearTimeout(this.#stuck)
    if (this.#over) {
      controller.close()
      return
    }
    controller.enqueue(this.#encoder.encode(await this.#nextEvents()))
    // Wait for the next pull, which says that the reader has taken this.
    this.#stuck = setTimeout(() => this.#cutOff(controller), this.#slowReaderMs)
    this.#stuck.unref()
  }

  async #nextEvents(): Promise<string> {
    try {
      for (;;) {
        const step = this.#next ?? (await this.#iterator.next())
        this.#next = undefined
        const events = step.done
          ? this.#format.end(await this.#exchange.result(this.#run))
          : this.#format.delta(step.value)
        if (step.done) this.#end()
        if (events !== '') return events
      }
    } catch (error) {
      const description = this.#exchange.describe(error)
      this.#end(description.code)
      return this.#format.error(description)
    }
  }

  #end(code?: string): void {
    this.#over = true
    this.#exchange.ended(200, code)
  }

  #leave(code: 'CLIENT_CLOSED' | 'SLOW_READER'): void {
    clearTimeout(this.#stuck)
    this.#run.cancel()
    this.#end(code)
  }

  #cutOff(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#leave('SLOW_READER')
    if (!this.#exchange.disconnect()) controller.error(new Error('The reader was too slow.'))
  }
}
