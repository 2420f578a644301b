// The worker's process under `serve --supervise`: a worker on a private socket. The supervisor starts and stops it over
// IPC, and it never outlives the supervisor.

import { createLogger, explain, type StartFailure } from './log.js'
import type { ServeSettings } from './settings.js'
import { WorkerServer } from './worker-server.js'

/** A message from the supervisor. */
export type WorkerCommand =
  | { readonly type: 'start'; readonly settings: ServeSettings; readonly socket: string }
  | { readonly type: 'stop' }

/** A message to the supervisor. */
export type WorkerReport =
  | { readonly type: 'checked' }
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly failure: StartFailure }

let server: WorkerServer | undefined
let stopping = false

// Die at once with the supervisor: there is nobody left to answer to.
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'))
// Ignore the signals that Ctrl-C and service managers send to all processes: the supervisor ends this one.
process.on('SIGTERM', () => {})
process.on('SIGINT', () => {})
process.on('message', (command: WorkerCommand) => {
  if (command.type === 'start') start(command).catch(fail)
  else stop().catch(fail)
})

async function start({ settings, socket }: Extract<WorkerCommand, { type: 'start' }>): Promise<void> {
  // Give it no keys: the supervisor has checked them.
  server = new WorkerServer(settings, createLogger(settings.logLevel, settings.logFormat), [])
  await server.listen({ path: socket })
  await server.checked
  report({ type: 'checked' })
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
  report({ type: 'failed', failure: explain(error) })
  setTimeout(() => process.exit(1), 100)
}

function report(message: WorkerReport): void {
  process.send?.(message)
}
