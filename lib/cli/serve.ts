import { createLogger } from './log.js'
import { isLoopback, type ServeSettings } from './settings.js'
import { Supervisor } from './supervisor.js'
import { WorkerServer } from './worker-server.js'

/** Something that answers requests until it is stopped. */
export interface Running {
  /** Rejects when it cannot start. */
  readonly ready: Promise<unknown>
  stop(): Promise<void>
}

/** Runs the worker until SIGTERM or SIGINT, then ends the process. A second signal ends it at once. */
export async function serve(settings: ServeSettings, supervise: boolean): Promise<void> {
  const { host, port, apiKeys } = settings
  if (apiKeys.length === 0 && !isLoopback(host))
    throw new Error(
      `Without an API key only this machine may reach the worker, and ${host} is not an address of it alone. Set VERBATIM_LLAMA_API_KEY or --api-key-file.`,
    )
  const log = createLogger(settings.logLevel)
  const address = { host, port }
  let running: Running
  let bound: number | null
  if (supervise) {
    const supervisor = new Supervisor(settings, log)
    bound = await supervisor.listen(address)
    supervisor.start()
    running = supervisor
  } else {
    const server = new WorkerServer(settings, log, apiKeys)
    bound = await server.listen(address)
    running = { ready: server.model, stop: () => server.stop() }
  }
  const stopped = stopAtSignal(running)
  log.info(
    { url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`, pid: process.pid },
    'listening',
  )
  try {
    await Promise.race([running.ready, stopped])
    log.info('ready')
  } catch (error) {
    if (!stopping) throw error
  }
  await stopped
  log.info('stopped')
  process.exit(0)
}

let stopping = false

function stopAtSignal(running: Running): Promise<void> {
  return new Promise((resolve, reject) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      process.on(signal, () => {
        if (stopping) process.exit(1)
        stopping = true
        running.stop().then(resolve, reject)
      })
  })
}
