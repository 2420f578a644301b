import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import { StartError, type StartFailure } from './log.js'
import type { ServeSettings } from './settings.js'
import type { WorkerCommand, WorkerReport } from './worker-process.js'

const MODULE = fileURLToPath(new URL('./worker-process.js', import.meta.url))

/** Wait before the start that follows one which never became ready, in milliseconds; it doubles with each more. */
const FIRST_WAIT_MS = 100
/** Longest wait before a start, in milliseconds. */
const LONGEST_WAIT_MS = 10_000

/** Longest time that a worker which was told to stop may take, in milliseconds. */
const STOP_MS = 10_000

interface Events {
  /** A worker has checked the file and the options, and reads the weights. */
  checked: []
  /** A worker became ready, or one died. */
  change: []
  /** The first worker could not start, and none after it will. */
  hopeless: [Error]
}

/** The worker's process, which is started anew whenever it dies. */
export class WorkerChild extends EventEmitter<Events> {
  /** Starts after the first one. */
  restarts = 0
  /** Number of the current process: a new one for each start. */
  generation = 0
  /** Time that the last start took until the model was loaded, in milliseconds. */
  loadMs = 1000
  #state: 'starting' | 'ready' | 'down' | 'stopped' = 'down'
  #socket = ''
  #process: ChildProcess | undefined
  #wasEverReady = false
  /** Starts in a row that did not become ready. */
  #failedStarts = 0
  #failure: StartFailure | undefined
  #timer: NodeJS.Timeout | undefined
  readonly #settings: ServeSettings
  readonly #log: Logger
  #folder: string | undefined

  constructor(settings: ServeSettings, log: Logger) {
    super()
    this.setMaxListeners(0)
    this.#settings = settings
    this.#log = log
  }

  get state(): string {
    return this.#state
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** Path of the socket or pipe that the worker listens on; null when it is not ready. */
  get socket(): string | null {
    return this.#state === 'ready' ? this.#socket : null
  }

  start(): void {
    this.generation++
    this.#state = 'starting'
    this.#failure = undefined
    // Put sockets into a folder that only this user can enter.
    if (process.platform !== 'win32') this.#folder ??= mkdtempSync(join(tmpdir(), 'verbatim-llama-'))
    this.#socket = this.#folder
      ? join(this.#folder, `${this.generation}.sock`)
      : `\\\\.\\pipe\\verbatim-llama-${randomUUID()}`
    const begin = performance.now()
    const child = fork(MODULE, [], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    this.#process = child
    for (const output of [child.stdout, child.stderr])
      if (output) createInterface({ input: output }).on('line', (line) => this.#passOn(line))
    child.on('message', (report: WorkerReport) => {
      if (report.type === 'failed') this.#failure = report.failure
      else if (report.type === 'checked') this.emit('checked')
      else if (this.#state === 'starting') this.#becomeReady(performance.now() - begin)
    })
    child.on('error', (error) => {
      this.#log.error({ err: error }, 'the engine process')
      if (child.pid === undefined) this.#onExit(child, 'it could not be started') // there will be no exit
    })
    child.once('exit', (code, signal) => this.#onExit(child, signal ?? `status ${code}`))
    this.#tell({ type: 'start', settings: this.#settings, socket: this.#socket })
  }

  /** Resolves when a worker of a number above `generation` is ready; rejects when `signal` is aborted before. */
  async readyAfter(generation: number, signal: AbortSignal): Promise<void> {
    while (this.#state !== 'ready' || this.generation <= generation) await once(this, 'change', { signal })
  }

  /** Resolves when the worker of the number `generation` has died; rejects when `signal` is aborted before. */
  async deathOf(generation: number, signal: AbortSignal): Promise<void> {
    while (this.generation === generation && this.#state !== 'down') await once(this, 'change', { signal })
  }

  /** Ends the worker and starts no other. */
  async stop(): Promise<void> {
    const child = this.#process
    const running = this.#state === 'starting' || this.#state === 'ready'
    this.#state = 'stopped'
    clearTimeout(this.#timer)
    if (running && child && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'close') // after its last line
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
    // Give up when the first start failed: a missing file will be missing at the next start too.
    if (this.#failure !== undefined && !this.#wasEverReady) {
      this.#state = 'stopped'
      this.#removeFolder()
      this.emit('hopeless', new StartError(this.#failure))
      return
    }
    const waitMs =
      this.#failedStarts === 0 ? 0 : Math.min(FIRST_WAIT_MS * 2 ** (this.#failedStarts - 1), LONGEST_WAIT_MS)
    this.#log.error({ reason, failure: this.#failure?.message, restart_in_ms: waitMs }, 'the engine died')
    this.#timer = setTimeout(() => {
      this.restarts++
      this.start()
    }, waitMs)
  }

  /** Prints a line of the engine: of its log as it is, of llama.cpp's last words as a line of the log. */
  #passOn(line: string): void {
    if (line === '') return
    if (this.#settings.logFormat === 'text' || line.startsWith('{')) process.stderr.write(`${line}\n`)
    else this.#log.error({ from: 'the engine process' }, line)
  }

  #tell(command: WorkerCommand): void {
    this.#process?.send(command, () => {}) // a worker that has died is known by its exit
  }

  #removeFolder(): void {
    if (this.#folder) rmSync(this.#folder, { recursive: true, force: true })
  }
}
