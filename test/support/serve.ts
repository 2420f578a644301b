import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** One line of the server's log. */
export interface LogLine {
  readonly msg: string
  readonly [name: string]: unknown
}

/** `verbatim-llama serve` in a process of its own. */
export class Served {
  readonly process: ChildProcess
  readonly log: LogLine[] = []
  /** What it wrote to stderr that is no line of the log. */
  errors = ''
  stdout = ''
  url = ''
  readonly #exited: Promise<unknown[]>
  #wake: (() => void)[] = []

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}, nodeOptions: readonly string[] = []) {
    this.process = spawn(process.execPath, [...nodeOptions, MAIN, 'serve', ...args], {
      env: { ...process.env, NODE_OPTIONS: '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#exited = once(this.process, 'close')
    this.process.stdout?.setEncoding('utf8').on('data', (text) => {
      this.stdout += text
    })
    let rest = ''
    this.process.stderr?.setEncoding('utf8').on('data', (text) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        if (line.startsWith('{')) this.log.push(JSON.parse(line))
        else this.errors += `${line}\n`
      }
      for (const wake of this.#wake.splice(0)) wake()
    })
  }

  /** Starts it and waits until it is ready; `--port 0` and a small context are given anyway. */
  static async start(
    model: string,
    args: readonly string[] = [],
    env?: NodeJS.ProcessEnv,
    nodeOptions?: readonly string[],
  ) {
    const served = new Served([model, '--port', '0', '--threads', '1', ...args], env, nodeOptions)
    served.url = (await served.line('listening')).url as string
    await served.line('ready')
    return served
  }

  /** The line of the log with this message, once there are `count` of them: the last of those. */
  async line(message: string, count = 1): Promise<LogLine> {
    const deadline = performance.now() + 60_000
    for (;;) {
      const found = this.log.filter(({ msg }) => msg === message)
      if (found.length >= count) return found[count - 1] as LogLine
      if (this.process.exitCode !== null || this.process.signalCode !== null || performance.now() > deadline)
        throw new Error(
          `waited in vain for "${message}": ${this.errors}${JSON.stringify(this.log.slice(-5))}`,
        )
      await Promise.race([
        new Promise<void>((resolve) => this.#wake.push(resolve)),
        new Promise((resolve) => setTimeout(resolve, 1000)),
      ])
    }
  }

  /** How it ended: the exit code, or the signal. */
  async ended(): Promise<number | NodeJS.Signals> {
    const [code, signal] = (await this.#exited) as [number | null, NodeJS.Signals | null]
    return code ?? signal ?? Number.NaN
  }

  /** Whatever state it is in; for the end of a test. */
  async kill(): Promise<void> {
    this.process.kill('SIGKILL')
    await this.#exited
  }
}

/** Whether a process of this id is there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
