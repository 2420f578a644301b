// Measures how long the JavaScript thread is held.
import { openSync, readSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import type { NativeAddon, NativeModel } from '#lib/native.js'

/**
 * Times that something held the thread, in milliseconds, less the time that the thread was ready to run and other
 * processes had its core. In the first one, nothing was compiled or cached yet.
 */
export interface Held {
  readonly count: number
  readonly first: number
  readonly median: number
  readonly longest: number
  /** The longest by the clock, time of other processes included. */
  readonly longestByClock: number
}

/** Collects the times that something held the thread. */
export class Samples {
  readonly #running: number[] = []
  #longestByClock = 0

  add(byClock: number, waited: number): void {
    this.#running.push(Math.max(0, byClock - waited))
    this.#longestByClock = Math.max(this.#longestByClock, byClock)
  }

  get held(): Held {
    const sorted = this.#running.toSorted((a, b) => a - b)
    return {
      count: sorted.length,
      first: this.#running[0] ?? 0,
      median: sorted[sorted.length >> 1] ?? 0,
      longest: sorted.at(-1) ?? 0,
      longestByClock: this.#longestByClock,
    }
  }
}

const statistics = process.platform === 'linux' ? openSync('/proc/thread-self/schedstat', 'r') : undefined
const buffer = Buffer.alloc(96)

/** Time that this thread has waited for a core since it began, in milliseconds; 0 but on Linux. */
function waitedForCore(): number {
  if (statistics === undefined) return 0
  const length = readSync(statistics, buffer, 0, buffer.length, 0)
  return Number(buffer.toString('latin1', 0, length).split(' ')[1]) / 1e6
}

/** Samples by name. */
export class Meter {
  readonly #samples = new Map<string, Samples>()

  get measured(): Record<string, Held> {
    return Object.fromEntries([...this.#samples].map(([name, samples]) => [name, samples.held]))
  }

  add(name: string, byClock: number, waited = 0): void {
    const samples = this.#samples.get(name) ?? new Samples()
    this.#samples.set(name, samples)
    samples.add(byClock, waited)
  }

  /** Runs a call and measures it. */
  time<T>(name: string, call: () => T): T {
    const waitedBefore = waitedForCore()
    const begin = performance.now()
    try {
      return call()
    } finally {
      const byClock = performance.now() - begin
      this.add(name, byClock, waitedForCore() - waitedBefore)
    }
  }

  /** Measures the longest turn of the event loop, with everything on the thread, while the work is in progress. */
  async longestTurn<T>(name: string, work: () => PromiseLike<T>): Promise<T> {
    let longest = { byClock: 0, waited: 0 }
    let begin = performance.now()
    let waitedBefore = waitedForCore()
    const turn = () => {
      const byClock = performance.now() - begin
      const waitedNow = waitedForCore()
      const waited = waitedNow - waitedBefore
      if (byClock - waited > longest.byClock - longest.waited) longest = { byClock, waited }
      waitedBefore = waitedNow
      begin = performance.now()
    }
    let next: NodeJS.Immediate
    const loop = () => {
      turn()
      next = setImmediate(loop)
    }
    next = setImmediate(loop)
    try {
      return await work()
    } finally {
      clearImmediate(next)
      turn()
      this.add(name, longest.byClock, longest.waited)
    }
  }
}

type AnyFunction = (...args: never[]) => unknown

/**
 * Times every call into the addon (`→ name`) and every call from it into lib/ (`← name`). Native deliveries (the
 * settling of promises) are in the addon's own deliveryStatistics().
 */
export function instrument(addon: NativeAddon, meter: Meter): void {
  const timed = <F extends AnyFunction>(name: string, call: F): F =>
    function (this: unknown, ...args: never[]) {
      return meter.time(name, () => call.apply(this, args))
    } as F
  // Define, do not assign: the methods to shadow are read-only.
  const shadow = (object: object, name: string, value: AnyFunction) =>
    Object.defineProperty(object, name, { value })
  const timeMethods = (object: object, prefix: string, names: readonly string[]) => {
    for (const name of names) {
      const method = (object as Record<string, AnyFunction>)[name] as AnyFunction
      shadow(object, name, timed(`→ ${prefix}.${name}`, method))
    }
  }

  const load = addon.loadModel
  const timedLoad = timed('→ loadModel', load)
  addon.loadModel = (options, onProgress, onLog, onDone) =>
    timedLoad(
      options,
      timed('← onProgress', onProgress),
      onLog && timed('← onLog', onLog),
      timed('← onDone', (error, native) => {
        if (native) {
          timeMethods(native, 'model', ['info', 'status', 'render', 'tokenize', 'detokenize', 'dispose'])
          const generate = timed('→ model.generate', native.generate)
          const timedGenerate: NativeModel['generate'] = (request, onNews) => {
            const run = generate.call(native, request, timed('← onNews', onNews))
            timeMethods(run, 'inference', ['take', 'cancel', 'finished', 'outcome'])
            return run
          }
          shadow(native, 'generate', timedGenerate)
        }
        onDone(error, native)
      }),
    )
}
