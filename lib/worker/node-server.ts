import { once } from 'node:events'
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

/** Longest times that a client may take, in milliseconds. */
const TIMEOUTS = {
  headersTimeout: 10_000,
  /** For the whole request, its body included. */
  requestTimeout: 60_000,
  /** For the next request on a connection. */
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
}

/** A server of Node.js that cuts off slow clients, and that can be closed without waiting for idle connections. */
export class NodeServer {
  readonly #server: Server
  readonly #inProgress = new Set<ServerResponse>()
  #closing = false

  /** @param slowReaderMs longest time that a reader may take nothing, once its whole answer has been written */
  constructor(listener: RequestListener, slowReaderMs: number, timeouts: Partial<typeof TIMEOUTS> = {}) {
    this.#server = createServer({ ...TIMEOUTS, ...timeouts }, (request, response) => {
      this.#inProgress.add(response)
      if (this.#closing) response.setHeader('connection', 'close')
      response.once('prefinish', () => response.socket?.setTimeout(slowReaderMs))
      response.once('close', () => this.#inProgress.delete(response))
      listener(request, response)
    })
  }

  /** Resolves to the port when connections are accepted; null for a socket or a pipe. */
  async listen(address: { host: string; port: number } | { path: string }): Promise<number | null> {
    this.#server.listen(address)
    await once(this.#server, 'listening')
    const bound = this.#server.address()
    return bound === null || typeof bound === 'string' ? null : bound.port
  }

  /** Accepts no more connections, and tells clients that theirs ends with the next answer. */
  stopAccepting(): void {
    if (this.#closing) return
    this.#closing = true
    for (const response of this.#inProgress)
      if (!response.headersSent) response.setHeader('connection', 'close')
    this.#server.close()
  }

  /** Waits until no request is in progress, at most `deadlineMs`; false when some still are. */
  async drained(deadlineMs: number): Promise<boolean> {
    const deadline = performance.now() + deadlineMs
    while (this.#inProgress.size > 0) {
      if (performance.now() > deadline) return false
      await sleep(10)
    }
    return true
  }

  /** Cuts all connections: those that are idle, those that have not asked for anything yet, and all others. */
  closeConnections(): void {
    this.#server.closeAllConnections()
  }
}
