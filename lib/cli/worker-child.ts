import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import type { ServeSettings } from './settings.js'
import type { WorkerCommand, WorkerReport } from './worker-process.js'

const MODULE = fileURLToPath(new URL('./worker-process.js', import.meta.url))

/** The wait before a start that follows others which never became ready, in milliseconds. */
const FIRST_WAIT_MS = 100
const LONGEST_WAIT_MS = 10_000

/** How long an engine that was told to stop may take. */
const STOP_MS = 10_000

interface Events {
  /** An engine became ready, or one died. */
  change: []
  /** The first engine could not start, and none after it will. */
  hopeless: [Error]
}

/** The engine's process, which is started anew whenever it dies. */
export class WorkerChild extends EventEmitter<Events> {
  /** How often an engine was started after the first time. */
  restarts = 0
  /** Counts the engines; one that died never has the number of one that lives. */
  generation = 0
  /** How long the last start took until the model was loaded, in milliseconds. */
  loadMs = 1000
  #state: 'starting' | 'ready' | 'down' | 'stopped' = 'down'
  #socket = ''
  #process: ChildProcess | undefined
  #wasEverReady = false
  /** Starts in a row that did not become ready. */
  #failedStarts = 0
  #failure: string | undefined
  #timer: NodeJS.Timeout | undefined
  readonly #settings: ServeSettings
  readonly #log: Logger
  readonly #folder: string | undefined

  constructor(settings: ServeSettings, log: Logger) {
    super()
    this.setMaxListeners(0)
    this.#settings = settings
    this.#log = log
    // Only this user can enter it.
    if (process.platform !== 'win32') this.#folder = mkdtempSync(join(tmpdir(), 'verbatim-llama-'))
  }

  get state(): string {
    return this.#state
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** Where the engine can be reached; null when it is not ready. */
  get socket(): string | null {
    return this.#state === 'ready' ? this.#socket : null
  }

  start(): void {
    this.generation++
    this.#state = 'starting'
    this.#failure = undefined
    this.#socket = this.#folder
      ? join(this.#folder, `${this.generation}.sock`)
      : `\\\\.\\pipe\\verbatim-llama-${randomUUID()}`
    const begin = performance.now()
    const child = fork(MODULE, [], { stdio: ['ignore', 2, 2, 'ipc'] })
    this.#process = child
    child.on('message', (report: WorkerReport) => {
      if (report.type === 'failed') this.#failure = report.message
      else if (this.#state === 'starting') this.#becomeReady(performance.now() - begin)
    })
    child.on('error', (error) => {
      this.#log.error({ err: error }, 'the engine process')
      if (child.pid === undefined) this.#onExit(child, 'it could not be started') // there will be no exit
    })
    child.once('exit', (code, signal) => this.#onExit(child, signal ?? `status ${code}`))
    this.#tell({ type: 'start', settings: this.#settings, socket: this.#socket })
  }

  /** Resolves when an engine with a higher number is ready; rejects when the signal is aborted before. */
  async readyAfter(generation: number, signal: AbortSignal): Promise<void> {
    while (this.#state !== 'ready' || this.generation <= generation) await once(this, 'change', { signal })
  }

  /** Resolves when the engine of this number has died; rejects when the signal is aborted before. */
  async deathOf(generation: number, signal: AbortSignal): Promise<void> {
    while (this.generation === generation && this.#state !== 'down') await once(this, 'change', { signal })
  }

  /** Ends the engine and starts no other. */
  async stop(): Promise<void> {
    const child = this.#process
    const running = this.#state === 'starting' || this.#state === 'ready'
    this.#state = 'stopped'
    clearTimeout(this.#timer)
    if (running && child && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit')
      this.#tell({ type: 'stop' })
      const killer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
      await ended
      clearTimeout(killer)
    }
    this.#removeFolder()
  }

  #becomeReady(loadMs: number): void {
    this.loadMs = loadMs
    this.#state = 'ready'
    this.#wasEverReady = true
    this.#failedStarts = 0
    this.#log.info({ pid: this.pid, load_ms: Math.round(loadMs) }, 'the engine is ready')
    this.emit('change')
  }

  #onExit(child: ChildProcess, reason: string): void {
    if (this.#state === 'stopped' || child !== this.#process) return
    const wasReady = this.#state === 'ready'
    this.#state = 'down'
    this.#failedStarts = wasReady ? 0 : this.#failedStarts + 1
    if (this.#folder) rmSync(this.#socket, { force: true })
    this.emit('change')
    // A file that is not there will not be there after the next start either.
    if (this.#failure !== undefined && !this.#wasEverReady) {
      this.#state = 'stopped'
      this.#removeFolder()
      this.emit('hopeless', new Error(this.#failure))
      return
    }
    const waitMs =
      this.#failedStarts === 0 ? 0 : Math.min(FIRST_WAIT_MS * 2 ** (this.#failedStarts - 1), LONGEST_WAIT_MS)
    this.#log.error({ reason, failure: this.#failure, restart_in_ms: waitMs }, 'the engine died')
    this.#timer = setTimeout(() => {
      this.restarts++
      this.start()
    }, waitMs)
  }

  #tell(command: WorkerCommand): void {
    this.#process?.send(command, () => {}) // whether it has died, its exit tells
  }

  #removeFolder(): void {
    if (this.#folder) rmSync(this.#folder, { recursive: true, force: true })
  }
}
