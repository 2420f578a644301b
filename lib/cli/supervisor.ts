import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import { Counter, Gauge, Registry } from 'prom-client'
import { describeError, HttpError, unavailable } from '../worker/http-error.js'
import { ApiKeys } from '../worker/keys.js'
import { NodeServer } from '../worker/node-server.js'
import { requestId } from '../worker/request-id.js'
import { forward, readAll, sendError, WorkerDied } from './forward.js'
import type { ServeSettings } from './settings.js'
import { WorkerChild } from './worker-child.js'

/** Workers that a request is given to: one that has seen two of them die may be what kills them. */
const ATTEMPTS = 2

/** Longest wait of a request for the next worker, in milliseconds. */
const WAIT_MS = 120_000

/** Longest time from a broken connection until the worker's exit is seen, in milliseconds. */
const DEATH_MS = 5000

/**
 * Answers requests with a worker in a process of its own. When it dies, it is started anew; requests that had got
 * nothing yet are given to the next one.
 */
export class Supervisor {
  /** Resolves when the first worker is ready; rejects when it cannot start. */
  readonly ready: Promise<void>
  /** Resolves when a worker has checked the file and the options; rejects as `ready`. */
  readonly checked: Promise<unknown>
  readonly #worker: WorkerChild
  readonly #server: NodeServer
  readonly #keys: ApiKeys
  readonly #registry = new Registry()
  readonly #failures = new Counter({
    name: 'verbatim_llama_supervisor_failures_total',
    help: 'Requests that failed before an engine answered, by error code',
    labelNames: ['code'],
    registers: [this.#registry],
  })
  readonly #settings: ServeSettings
  readonly #log: Logger
  readonly #stopping = new AbortController()

  constructor(settings: ServeSettings, log: Logger) {
    this.#settings = settings
    this.#log = log
    this.#keys = new ApiKeys(settings.apiKeys)
    // Let the worker wait for no request: stop() does.
    this.#worker = new WorkerChild({ ...settings, apiKeys: [], drainMs: 0 }, log)
    this.#server = new NodeServer(
      (request, response) => this.#onRequest(request, response),
      settings.slowReaderMs,
    )
    this.ready = Promise.race([
      this.#worker.readyAfter(0, this.#stopping.signal),
      once(this.#worker, 'hopeless').then(([error]) => Promise.reject(error)),
    ])
    this.checked = Promise.race([once(this.#worker, 'checked'), this.ready])
    for (const outcome of [this.ready, this.checked]) outcome.catch(() => {})
    this.#addMetrics()
  }

  listen(address: { host: string; port: number }): Promise<number | null> {
    return this.#server.listen(address)
  }

  start(): void {
    this.#worker.start()
  }

  async stop(): Promise<void> {
    this.#server.stopAccepting()
    this.#stopping.abort(new Error('The server was stopped.'))
    if (!(await this.#server.drained(this.#settings.drainMs))) this.#log.warn('what still runs is cancelled')
    await this.#worker.stop()
    await this.#server.drained(1000) // for the errors of cancelled requests
    this.#server.closeConnections()
  }

  #addMetrics(): void {
    const worker = this.#worker
    const registers = [this.#registry]
    new Gauge({
      name: 'verbatim_llama_engine_up',
      help: '1 while the engine is ready, else 0',
      registers,
      collect() {
        this.set(worker.state === 'ready' ? 1 : 0)
      },
    })
    new Counter({
      name: 'verbatim_llama_engine_restarts_total',
      help: 'How often the engine was started anew',
      registers,
      collect() {
        this.reset()
        this.inc(worker.restarts)
      },
    })
  }

  async #onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const id = requestId(request.headers['x-request-id'])
    try {
      await this.#answer(request, response, id)
    } catch (error) {
      if (request.destroyed && !request.complete) return // the client left in the middle of its body
      const description = describeError(error)
      const { status, code } = description
      if (status === 500) this.#log.error({ request_id: id, err: error }, 'request failed')
      this.#log.info({ request_id: id, method: request.method, status, code }, 'request')
      this.#failures.inc({ code })
      sendError(request, response, description, id)
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse, id: string): Promise<void> {
    const [, path] = /^([^?]*?)\/?(?:\?|$)/.exec(request.url ?? '') ?? []
    const isGet = request.method === 'GET' || request.method === 'HEAD'
    if (path === '/health' && isGet)
      return sendJson(response, { status: 'ok', engine: this.#worker.state }, id)
    if (path !== '/health' && path !== '/ready') this.#keys.check(request.headers.authorization)
    const body = await readAll(request, this.#settings.maxBodyBytes)
    await this.#forward(request, body, response, id, path === '/metrics' && isGet)
  }

  async #forward(
    request: IncomingMessage,
    body: Buffer,
    response: ServerResponse,
    id: string,
    isMetrics: boolean,
  ): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const { generation, socket } = this.#worker
      if (socket === null) {
        if (isMetrics) return sendMetrics(response, await this.#registry.metrics())
        throw this.#down()
      }
      try {
        const trailer = isMetrics ? await this.#registry.metrics() : ''
        return await forward(request, body, response, { socket, id, trailer })
      } catch (error) {
        if (!(error instanceof WorkerDied) || response.headersSent) throw error
      }
      if (attempt === ATTEMPTS) throw this.#down()
      await this.#nextWorker(generation, response)
    }
  }

  /** Waits until the worker that broke the connection has died and the next one is ready. */
  async #nextWorker(generation: number, response: ServerResponse): Promise<void> {
    const gone = new AbortController()
    const leave = () => gone.abort()
    response.once('close', leave)
    const until = (ms: number) =>
      AbortSignal.any([gone.signal, this.#stopping.signal, AbortSignal.timeout(ms)])
    try {
      await this.#worker.deathOf(generation, until(DEATH_MS))
      await this.#worker.readyAfter(generation, until(WAIT_MS))
    } catch {
      throw this.#down()
    } finally {
      response.off('close', leave)
    }
  }

  #down(): HttpError {
    if (this.#stopping.signal.aborted) return unavailable('SHUTTING_DOWN', 'The worker is shutting down.')
    const seconds = Math.max(1, Math.ceil(this.#worker.loadMs / 1000))
    return new HttpError('ENGINE_DOWN', 'The engine is being started. Try again soon.', {
      headers: { 'retry-after': String(seconds) },
    })
  }
}

function sendJson(response: ServerResponse, value: unknown, id: string): void {
  response
    .writeHead(200, { 'content-type': 'application/json', 'x-request-id': id })
    .end(JSON.stringify(value))
}

function sendMetrics(response: ServerResponse, text: string): void {
  response.writeHead(200, { 'content-type': Registry.PROMETHEUS_CONTENT_TYPE }).end(text)
}
