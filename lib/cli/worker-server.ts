import { getRequestListener } from '@hono/node-server'
import type { Logger } from 'pino'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { loadModel } from '../load-model.js'
import type { Model } from '../model.js'
import { NodeServer } from '../worker/node-server.js'
import { createWorker } from '../worker/worker.js'
import { flagOf } from './flag-names.js'
import type { ServeSettings } from './settings.js'

/** A model and the worker that answers with it, on a server of Node.js. */
export class WorkerServer {
  /** Rejects when the model cannot be loaded, and when the loading was stopped. */
  readonly model: Promise<Model>
  /** Resolves when the file and the options have been checked and the weights are being read; rejects as `model`. */
  readonly checked: Promise<unknown>
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
    let onReading = () => {}
    const reading = new Promise<void>((resolve) => {
      onReading = resolve
    })
    this.model = loadModel(modelPath, {
      ...load,
      signal: shutdown,
      onProgress: () => onReading(),
      onLog: ({ level, message }) => log[level === 'info' ? 'debug' : level]({ from: 'llama.cpp' }, message),
    })
    this.checked = Promise.race([reading, this.model])
    this.checked.catch(() => {})
    this.model.then((model) => warnWithoutTemplate(model, log)).catch(() => {})
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

/** Warns of a model that can answer no messages: only a request would show it. */
function warnWithoutTemplate({ info }: Model, log: Logger): void {
  if (info.chatTemplate !== null) return
  const names = info.chatTemplates.map(({ name }) => name)
  const missing =
    names.length === 0 ? 'this model has no chat template' : 'none of the chat templates is the default'
  const refused = names.includes('tool_use')
    ? 'messages without tools are refused'
    : 'all messages are refused'
  const choose =
    names.length === 0 ? '' : `choose one with ${flagOf('chatTemplate.name')} (${names.join(', ')}), or `
  log.warn({}, `${missing}, so ${refused}: ${choose}give one with ${flagOf('chatTemplate.path')}`)
}
