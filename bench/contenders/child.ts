import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { ChildMethods, LoadOptions } from '../protocol.js'
import { type Contender, type ContenderId, LABELS, type Running } from './contender.js'
import { keepTrackOf, logOutput } from './processes.js'

/** Last characters of a process's output to keep, for the message when it dies. */
const KEPT_OUTPUT = 2000

/** A process of bench/children that answers calls. */
export class Child {
  readonly #process: ChildProcess
  readonly #pending = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>()
  #nextId = 0
  #output = ''

  /**
   * @param name of the module in bench/children
   * @param env variables of the process beside those of this one
   */
  constructor(name: string, env: NodeJS.ProcessEnv = {}) {
    // Start compiled code without the flags of this process: a plain Node.js is measured.
    const module = fileURLToPath(new URL(`../build/js/children/${name}.js`, import.meta.url))
    this.#process = keepTrackOf(
      fork(module, {
        execArgv: [],
        env: { ...process.env, ...env },
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      }),
    )
    const keep = (chunk: Buffer) => {
      logOutput(chunk)
      this.#output = (this.#output + chunk.toString()).slice(-KEPT_OUTPUT)
    }
    this.#process.stdout?.on('data', keep)
    this.#process.stderr?.on('data', keep)
    this.#process.on('message', ({ id, result, error }: { id: number; result: never; error?: string }) => {
      const pending = this.#pending.get(id)
      this.#pending.delete(id)
      if (error === undefined) pending?.resolve(result)
      else pending?.reject(new Error(error))
    })
    this.#process.on('error', (error) => this.#fail(error))
    this.#process.on('exit', (code, signal) =>
      this.#fail(new Error(`the ${name} process ended with ${signal ?? `status ${code}`}\n${this.#output}`)),
    )
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  call<M extends keyof ChildMethods>(
    method: M,
    params: Parameters<ChildMethods[M]>[0],
  ): ReturnType<ChildMethods[M]> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++
      this.#pending.set(id, { resolve, reject })
      this.#process.send({ id, method, params }, (error) => {
        if (error) reject(error)
      })
    }) as ReturnType<ChildMethods[M]>
  }

  /** Ends the process and waits for its end. */
  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await ended
  }

  #fail(error: Error): void {
    for (const { reject } of this.#pending.values()) reject(error)
    this.#pending.clear()
  }
}

/** A contender in a process of bench/children. */
export interface RunningChild extends Running {
  readonly child: Child
}

/** Starts a process of bench/children, and has it load the model. */
export async function startChild(
  module: string,
  options: LoadOptions,
  env?: NodeJS.ProcessEnv,
): Promise<RunningChild> {
  const begin = performance.now()
  const child = new Child(module, env)
  try {
    const loaded = await child.call('load', options)
    return {
      child,
      pid: child.pid,
      loaded,
      startMs: performance.now() - begin,
      run: (requests, measureLoop = false) => child.call('run', { requests, measureLoop }),
      close: async () => {
        await child.call('close', {}).catch(() => {}) // it may have died, and is killed anyway
        await child.end()
      },
    }
  } catch (error) {
    await child.end()
    throw error
  }
}

/** A contender that is a Node.js package. */
export function childContender(id: ContenderId, module: string, env?: NodeJS.ProcessEnv): Contender {
  return { id, label: LABELS[id], start: (options) => startChild(module, options, env) }
}
