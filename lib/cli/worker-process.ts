// The process of the engine under `serve --supervise`: a worker on a private socket. The supervisor starts it, tells it
// over IPC what to do, and it never outlives the supervisor.

import { createLogger, explain } from './log.js'
import type { ServeSettings } from './settings.js'
import { WorkerServer } from './worker-server.js'

/** What the supervisor says. */
export type WorkerCommand =
  | { readonly type: 'start'; readonly settings: ServeSettings; readonly socket: string }
  | { readonly type: 'stop' }

/** What the engine says. */
export type WorkerReport = { readonly type: 'ready' } | { readonly type: 'failed'; readonly message: string }

let server: WorkerServer | undefined
let stopping = false

// At once, whatever is in progress: there is nobody left to answer to.
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'))
// Ctrl-C and service managers signal all processes; this one goes when the supervisor says so.
process.on('SIGTERM', () => {})
process.on('SIGINT', () => {})
process.on('message', (command: WorkerCommand) => {
  if (command.type === 'start') start(command).catch(fail)
  else stop().catch(fail)
})

async function start({ settings, socket }: Extract<WorkerCommand, { type: 'start' }>): Promise<void> {
  // The supervisor has checked the key.
  server = new WorkerServer(settings, createLogger(settings.logLevel), [])
  await server.listen({ path: socket })
  await server.model
  report({ type: 'ready' })
}

async function stop(): Promise<void> {
  stopping = true
  await server?.stop()
  process.exit(0)
}

function fail(error: unknown): void {
  if (stopping) return // the loading was stopped
  report({ type: 'failed', message: explain(error) })
  setTimeout(() => process.exit(1), 100)
}

function report(message: WorkerReport): void {
  process.send?.(message)
}
