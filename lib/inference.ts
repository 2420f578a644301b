import { listenForAbort } from './abort-signal.js'
import { CancelledError, InferenceConsumedError } from './errors.js'
import { readLogprobs, toNumbers } from './logprobs.js'
import type { NativeDelta, NativeInference, NativeResult } from './native.js'
import { fromNative } from './native-error.js'
import { completeReceipt, type ReceiptTerms } from './receipt.js'
import type { Delta, InferenceResult, PartialInferenceResult } from './types.js'

export interface StartedInference {
  readonly native: NativeInference
  readonly seed: number
  readonly signal: AbortSignal | null
  readonly wantsLogprobs: boolean
  readonly receiptTerms: ReceiptTerms
}

/** Starts a run; `onNews` as in NativeModel.generate. Throws when the call is refused. */
export type StartInference = (onNews: () => void) => StartedInference

/**
 * A generation, which runs since the call that returned it. Await it for the whole result, iterate it for the pieces
 * as they come, or both, in any order; it is the same run.
 *
 * ```ts
 * const run = generateInference(messages, { model })
 * for await (const delta of run) process.stdout.write(delta.text)
 * const { finishReason, usage } = await run
 * ```
 *
 * The pieces can be iterated once. Text that is not read yet coalesces into one piece, so a slow reader costs
 * nothing. Leaving the loop early (`break`, `return`, an exception) cancels the run and frees its memory; the result
 * then rejects with {@link CancelledError}, which holds the output so far. Errors reach whoever awaits or iterates,
 * and are no unhandled rejections when nobody does.
 */
export class Inference implements PromiseLike<InferenceResult>, AsyncIterable<Delta> {
  /** The result as a plain promise. */
  readonly result: Promise<InferenceResult>
  /** The pieces, as an object that is not thenable: an `async` function may return it without waiting for the end. */
  readonly stream: AsyncIterable<Delta>

  #native: NativeInference | undefined
  #seed = 0
  #wantsLogprobs = false
  #receiptTerms: ReceiptTerms | undefined
  #ended: 'no' | 'well' | 'in error' = 'no'
  #error: unknown
  #lastDelta: NativeDelta | null = null
  #consumed = false
  #cancelled = false
  #wake: (() => void) | undefined
  #resolve!: (result: InferenceResult) => void
  #reject!: (error: unknown) => void
  #signal: AbortSignal | null = null
  readonly #onAbort = () => this.#native?.cancel()

  /** @internal */
  constructor(start: StartInference) {
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.result.catch(() => {}) // nobody need listen
    this.stream = { [Symbol.asyncIterator]: () => this.#iterate() }
    try {
      const { native, seed, signal, wantsLogprobs, receiptTerms } = start(() => this.#onNews())
      this.#native = native
      this.#seed = seed
      this.#wantsLogprobs = wantsLogprobs
      this.#receiptTerms = receiptTerms
      this.#signal = signal
      if (signal) listenForAbort(signal, this.#onAbort)
    } catch (error) {
      this.#end(error)
    }
  }

  /** Awaits the result. */
  // biome-ignore lint/suspicious/noThenProperty: being awaitable is what this class is for
  then<A = InferenceResult, B = never>(
    onFulfilled?: ((result: InferenceResult) => A | PromiseLike<A>) | null,
    onRejected?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.result.then(onFulfilled, onRejected)
  }

  /** Handles the error of the result, as of any promise. */
  catch<B = never>(
    onRejected?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<InferenceResult | B> {
    return this.result.catch(onRejected)
  }

  /** Calls back when the run has ended, as any promise does. */
  finally(onFinally?: (() => void) | null): Promise<InferenceResult> {
    return this.result.finally(onFinally)
  }

  /** Cancels the run: the result rejects with {@link CancelledError}. Does nothing once it has ended. */
  cancel(): void {
    if (this.#ended !== 'no') return
    this.#cancelled = true
    this.#native?.cancel()
  }

  /** Iterates the pieces, once. */
  [Symbol.asyncIterator](): AsyncIterator<Delta, undefined> {
    return this.#iterate()
  }

  #iterate(): AsyncIterator<Delta, undefined> {
    if (this.#consumed) return { next: () => Promise.reject(new InferenceConsumedError()) }
    this.#consumed = true
    let turn: Promise<unknown> = Promise.resolve()
    let left = false
    const next = (): Promise<IteratorResult<Delta, undefined>> => {
      const step = turn.then(() => (left ? done : this.#nextDelta()))
      turn = step.catch(() => {
        left = true // an error is reported once; after it the iteration is over
      })
      return step
    }
    const leave = async (): Promise<IteratorResult<Delta, undefined>> => {
      left = true
      this.cancel()
      await this.result.catch(() => {}) // its memory is free when the loop has been left
      return done
    }
    return { next, return: leave }
  }

  async #nextDelta(): Promise<IteratorResult<Delta, undefined>> {
    for (;;) {
      if (this.#lastDelta) {
        const delta = this.#lastDelta
        this.#lastDelta = null
        return { value: this.#toDelta(delta), done: false }
      }
      if (this.#ended === 'in error') throw this.#error
      if (this.#ended === 'well') return done
      const delta = this.#native?.take()
      if (delta) return { value: this.#toDelta(delta), done: false }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  #onNews(): void {
    if (this.#native?.finished()) this.#finish(this.#native)
    this.#wake?.()
    this.#wake = undefined
  }

  #finish(native: NativeInference): void {
    this.#native = undefined
    this.#lastDelta = native.take()
    const result = native.result()
    if (result.finishReason === null) {
      this.#end(this.#errorOf(result))
    } else {
      this.#signal?.removeEventListener('abort', this.#onAbort)
      this.#ended = 'well'
      const { finishReason, digest, outputTokenIdsSha256 } = result
      const receipt = completeReceipt(this.#receiptTerms as ReceiptTerms, digest, outputTokenIdsSha256)
      this.#resolve(Object.freeze({ ...this.#partialResult(result), finishReason, receipt }))
    }
  }

  #end(error: unknown): void {
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#ended = 'in error'
    this.#error = error
    this.#reject(error)
  }

  #errorOf(result: NativeResult): unknown {
    const error = fromNative(
      result.error ?? { code: 'INTERNAL', message: 'The run ended without a reason.', fields: {} },
    )
    if (!(error instanceof CancelledError)) return error
    if (this.#signal?.aborted && !this.#cancelled) return this.#signal.reason
    return new CancelledError({ partial: Object.freeze(this.#partialResult(result)) })
  }

  #toDelta(native: NativeDelta): Delta {
    const { text, tokenIds, logprobs } = native
    const delta = { text, tokenIds: toNumbers(tokenIds) }
    return this.#wantsLogprobs ? { ...delta, logprobs: logprobs ? readLogprobs(logprobs) : [] } : delta
  }

  #partialResult(result: NativeResult): PartialInferenceResult {
    return { ...this.#toDelta(result), usage: result.usage, timings: result.timings, seed: this.#seed }
  }
}

const done = Object.freeze({ value: undefined, done: true as const })
