import { setImmediate as soon } from 'node:timers/promises'
import type { Logger } from 'pino'
import { createLogger } from './log.js'
import { isLoopback, type ServeSettings } from './settings.js'
import { Supervisor } from './supervisor.js'
import { WorkerServer } from './worker-server.js'

/** Something that answers requests until it is stopped. */
export interface Running {
  /** Resolves when the file and the options have been checked; rejects as `ready`. */
  readonly checked: Promise<unknown>
  /** Rejects when it cannot start. */
  readonly ready: Promise<unknown>
  stop(): Promise<void>
}

/** Runs the worker until SIGTERM or SIGINT, then ends the process. A second signal ends it at once. */
export async function serve(settings: ServeSettings, supervise: boolean): Promise<void> {
  const { host, port, apiKeys } = settings
  if (apiKeys.length === 0 && !isLoopback(host))
    throw new Error(
      `Without an API key only this machine may reach the worker, and --host ${host} is not an address of it alone. Set VERBATIM_LLAMA_API_KEY or --api-key-file.`,
    )
  const log = createLogger(settings.logLevel, settings.logFormat)
  logProcessEvents(log)
  const address = { host, port }
  let running: Running
  let bound: number | null
  if (supervise) {
    const supervisor = new Supervisor(settings, log)
    bound = await supervisor.listen(address).catch(cannotListen(address))
    supervisor.start()
    running = supervisor
  } else {
    const server = new WorkerServer(settings, log, apiKeys)
    bound = await server.listen(address).catch(cannotListen(address))
    running = { checked: server.checked, ready: server.model, stop: () => server.stop() }
  }
  const stopped = stopAtSignal(running)
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${bound}`
  const loaded = running.ready.then(() => 'loaded')
  try {
    await Promise.race([running.checked, stopped])
    const model = await Promise.race([loaded, soon('loading')])
    if (!stopping) log.info({ url, pid: process.pid, model }, 'listening')
    await Promise.race([loaded, stopped])
    if (!stopping) log.info({ url, model: 'loaded' }, 'ready')
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

/** Makes the failure to listen one that names the flags. */
function cannotListen({ host, port }: { host: string; port: number }): (error: unknown) => never {
  return (error) => {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE')
      throw new Error(
        `--port ${port} is taken on ${host} by another program. Name another port, or 0 for any free one.`,
      )
    if (code === 'EACCES')
      throw new Error(`--port ${port} may not be taken by this user. Name one from 1024 on, or 0 for any.`)
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EAI_AGAIN')
      throw new Error(`--host ${host} is no address of this machine (${code}).`)
    throw error
  }
}

/** Logs what Node.js would print in a form of its own. */
function logProcessEvents(log: Logger): void {
  process.removeAllListeners('warning').on('warning', (warning) => log.warn({ err: warning }, 'warning'))
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'a defect ends the server')
    process.exit(1)
  })
}
