import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { spmModel } from './model.js'

/** The script of the command `verbatim-llama`. */
export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** Arguments for the model that loads fastest, with a chat template in a file, since it has none. */
export function smallModel() {
  const folder = mkdtempSync(join(tmpdir(), 'template-'))
  const template = join(folder, 'template.jinja')
  writeFileSync(template, '{{ messages[0].content }}')
  return {
    modelArguments: [
      spmModel,
      '--chat-template-file',
      template,
      '--context-size',
      '4096',
      '--model-id',
      'small',
    ],
    removeTemplate: () => rmSync(folder, { recursive: true }),
  }
}

/** A line of the server's log. */
export interface LogLine {
  readonly msg: string
  readonly [name: string]: unknown
}

/** `verbatim-llama serve` in a process of its own. */
export class Served {
  readonly process: ChildProcess
  readonly log: LogLine[] = []
  /** Lines on stderr that are no lines of the log. */
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

  /** Starts it on a free port, with one thread, and waits until it is ready. */
  static async start(args: readonly string[], env?: NodeJS.ProcessEnv, nodeOptions?: readonly string[]) {
    const served = new Served([...args, '--port', '0', '--threads', '1'], env, nodeOptions)
    served.url = (await served.line('listening')).url as string
    await served.line('ready')
    return served
  }

  /** Waits for `count` lines of the log with this message; returns the last of them. */
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

  /** Waits for its end; returns the exit code, or the signal. */
  async ended(): Promise<number | NodeJS.Signals> {
    const [code, signal] = (await this.#exited) as [number | null, NodeJS.Signals | null]
    return code ?? signal ?? Number.NaN
  }

  /** Kills it in any state, at the end of a test. */
  async kill(): Promise<void> {
    this.process.kill('SIGKILL')
    await this.#exited
  }
}

/** True when there is a process of this id. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
