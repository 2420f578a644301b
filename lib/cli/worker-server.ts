import { getRequestListener } from '@hono/node-server'
import type { Logger } from 'pino'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { loadModel } from '../load-model.js'
import type { Model } from '../model.js'
import { NodeServer } from '../worker/node-server.js'
import { createWorker } from '../worker/worker.js'
import type { ServeSettings } from './settings.js'

/** A model and the worker that answers with it, on a server of Node.js. */
export class WorkerServer {
  /** Rejects when the model cannot be loaded, and when the loading was stopped. */
  readonly model: Promise<Model>
  readonly #shutdown = new AbortController()
  readonly #server: NodeServer
  readonly #settings: ServeSettings
  readonly #log: Logger

  constructor(settings: ServeSettings, log: Logger, apiKeys: readonly string[]) {
    this.#settings = settings
    this.#log = log
    const { modelPath, load, modelId, maxBodyBytes, maxMessages, slowReaderMs } = settings
    const registry = new Registry()
    collectDefaultMetrics({ register: registry })
    const { signal: shutdown } = this.#shutdown
    this.model = loadModel(modelPath, {
      ...load,
      signal: shutdown,
      onLog: ({ level, message }) => log[level === 'info' ? 'debug' : level]({ from: 'llama.cpp' }, message),
    })
    const worker = createWorker({
      model: this.model,
      modelId,
      apiKeys,
      maxBodyBytes,
      maxMessages,
      slowReaderMs,
      logger: log,
      registry,
      shutdown,
    })
    this.#server = new NodeServer(getRequestListener(worker.fetch), slowReaderMs)
  }

  listen(address: { host: string; port: number } | { path: string }): Promise<number | null> {
    return this.#server.listen(address)
  }

  /** Accepts no more requests, waits for those in progress up to `drainMs`, and gives all memory back. */
  async stop(): Promise<void> {
    this.#server.stopAccepting()
    this.#shutdown.abort(new Error('The server was stopped.'))
    if (!(await this.#server.drained(this.#settings.drainMs))) this.#log.warn('what still runs is cancelled')
    const model = await this.model.catch(() => undefined)
    await model?.dispose()
    await this.#server.drained(1000) // for the errors of cancelled requests
    this.#server.closeConnections()
  }
}
