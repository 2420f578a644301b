// Measures how long the JavaScript thread is held.
import { openSync, readSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import type { NativeAddon, NativeModel } from '../../dist/native.js'

/** How long something held the thread, in milliseconds, at its longest. */
export interface Held {
  /** How many times it was measured. */
  count: number
  /** By the clock. */
  longestMs: number
  /** Without the time that the thread was ready to run and other processes had its core. */
  longestRunningMs: number
  /** The first time: nothing was compiled or cached yet. */
  firstMs: number
}

const statistics = process.platform === 'linux' ? openSync('/proc/thread-self/schedstat', 'r') : undefined
const buffer = Buffer.alloc(96)

/** How long this thread has waited for a core since it began, in milliseconds. Known on Linux only. */
function waitedForCore(): number {
  if (statistics === undefined) return 0
  const length = readSync(statistics, buffer, 0, buffer.length, 0)
  return Number(buffer.toString('latin1', 0, length).split(' ')[1]) / 1e6
}

/** What was measured, by name. */
export class Meter {
  readonly measured = new Map<string, Held>()

  /** Runs a call and measures it. */
  time<T>(name: string, call: () => T): T {
    const waitedBefore = waitedForCore()
    const begin = performance.now()
    try {
      return call()
    } finally {
      const ms = performance.now() - begin
      this.add(name, ms, ms - (waitedForCore() - waitedBefore))
    }
  }

  add(name: string, ms: number, runningMs = ms): void {
    let held = this.measured.get(name)
    if (!held) {
      held = { count: 0, longestMs: 0, longestRunningMs: 0, firstMs: ms }
      this.measured.set(name, held)
    }
    held.count++
    held.longestMs = Math.max(held.longestMs, ms)
    held.longestRunningMs = Math.max(held.longestRunningMs, runningMs)
  }

  /** Measures every turn of the event loop while the work is in progress: all that happens on the thread. */
  async turns<T>(name: string, work: () => PromiseLike<T>): Promise<T> {
    let begin = performance.now()
    let waitedBefore = waitedForCore()
    const turn = () => {
      const ms = performance.now() - begin
      const waited = waitedForCore()
      this.add(name, ms, ms - (waited - waitedBefore))
      waitedBefore = waited
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
    }
  }
}

type AnyFunction = (...args: never[]) => unknown

/**
 * Has a meter time every call into the addon (`→ name`) and every call from it into lib/ (`← name`). What the addon
 * delivers natively (the settling of its promises) is in its own deliveryStatistics().
 */
export function instrument(addon: NativeAddon, meter: Meter): void {
  const timed = <F extends AnyFunction>(name: string, call: F): F =>
    function (this: unknown, ...args: never[]) {
      return meter.time(name, () => call.apply(this, args))
    } as F
  // Defined, not assigned: the methods that they shadow are read-only.
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
          timeMethods(native, 'model', ['info', 'load', 'render', 'tokenize', 'detokenize', 'dispose'])
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
