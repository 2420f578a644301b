import { listenForAbort } from './abort-signal.js'
import { CancelledError, DisposedError, InferenceConsumedError } from './errors.js'
import { readLogprobs, toNumbers } from './logprobs.js'
import type { NativeDelta, NativeInference, NativeOutput } from './native.js'
import { fromNative, type NativeError } from './native-error.js'
import type { CheckedGenerateOptions } from './options/read.js'
import { completeReceipt, type ReceiptTerms } from './receipt.js'
import type { Delta, InferenceResult, PartialInferenceResult } from './types.js'
import { callSite, forget, type UnobservedError, warnUnlessObserved } from './unobserved.js'

/** A call whose options have been checked. */
export interface PreparedInference {
  readonly options: CheckedGenerateOptions
  /** Starts the run; `onNews` as in NativeModel.generate. Throws when the call is refused. */
  start(onNews: () => void): StartedInference
}

export interface StartedInference {
  readonly native: NativeInference
  readonly receiptTerms: ReceiptTerms
}

type Canceller = 'cancel()' | 'loop' | 'signal'

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
 * and are no unhandled rejections when nobody does: when such a run is collected, or the process ends, its error becomes
 * a warning of the process with the code `VERBATIM_UNOBSERVED_ERROR`. Ends that the caller brought about (`cancel()`, the
 * signal, `model.dispose()`) are none.
 */
export class Inference implements PromiseLike<InferenceResult>, AsyncIterable<Delta> {
  readonly #result: Promise<InferenceResult>
  readonly #stream: AsyncIterable<Delta>
  #native: NativeInference | undefined
  #seed = Number.NaN
  #wantsLogprobs = false
  #receiptTerms: ReceiptTerms | undefined
  #ended: 'no' | 'well' | 'in error' = 'no'
  #error: unknown
  /** The whole output, once the run has ended. */
  #output: PartialInferenceResult | undefined
  #lastDelta: NativeDelta | null = null
  #consumed = false
  #cancelledBy: Canceller | undefined
  #observed = false
  #unobservedError: UnobservedError | undefined
  #wake: (() => void) | undefined
  #resolve!: (result: InferenceResult) => void
  #reject!: (error: unknown) => void
  #signal: AbortSignal | null = null
  readonly #onAbort = () => this.#cancel('signal')

  /** @internal */
  constructor(prepare: () => PreparedInference) {
    this.#result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#result.catch(() => {}) // nobody need listen
    this.#stream = { [Symbol.asyncIterator]: () => this.#iterate() }
    let signal: AbortSignal | null = null
    try {
      const { options, start } = prepare()
      signal = options.signal
      this.#seed = options.seed
      this.#wantsLogprobs = options.logprobs !== null
      const { native, receiptTerms } = start(() => this.#onNews())
      this.#native = native
      this.#receiptTerms = receiptTerms
      this.#signal = signal
      if (signal) listenForAbort(signal, this.#onAbort)
    } catch (error) {
      this.#output = Object.freeze(this.#partialResult(NOTHING))
      const isAborted = signal?.aborted === true && error === signal.reason
      this.#end(error, isAborted ? 'by the caller' : 'refused')
    }
  }

  /** The result as a plain promise. */
  get result(): Promise<InferenceResult> {
    this.#observe()
    return this.#result
  }

  /** The pieces, as an object that is not thenable: an `async` function may return it without waiting for the end. */
  get stream(): AsyncIterable<Delta> {
    this.#observe()
    return this.#stream
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
    this.#cancel('cancel()')
  }

  /**
   * The output so far: of a run that waits, is computed or has ended, however it ended. Nothing is taken from the pieces,
   * of which those read by now are the beginning of this output, and it is the beginning of the result's. A new copy at
   * each call, and the same object once the run has ended.
   *
   * A call that was refused has no output: no text, no tokens, zeros, and the seed that was given or drawn, or `NaN`
   * where the options themselves were refused.
   */
  partial(): PartialInferenceResult {
    return this.#output ?? Object.freeze(this.#partialResult((this.#native as NativeInference).snapshot()))
  }

  /** Iterates the pieces, once. */
  [Symbol.asyncIterator](): AsyncIterator<Delta, undefined> {
    this.#observe()
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
      this.#cancel('loop')
      await this.#result.catch(() => {}) // its memory is free when the loop has been left
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

  #cancel(by: Canceller): void {
    if (this.#ended !== 'no') return
    this.#cancelledBy ??= by
    this.#native?.cancel()
  }

  #observe(): void {
    this.#observed = true
    if (this.#unobservedError) forget(this.#unobservedError)
    this.#unobservedError = undefined
  }

  #finish(native: NativeInference): void {
    this.#native = undefined
    this.#lastDelta = native.take()
    const result = native.result()
    this.#output = Object.freeze(this.#partialResult(result))
    const { finishReason, digest, outputTokenIdsSha256 } = result
    if (finishReason === null) {
      const error = this.#errorOf(result.error)
      const byCaller = this.#cancelledBy !== undefined || error instanceof DisposedError
      this.#end(error, byCaller ? 'by the caller' : 'failed')
    } else {
      this.#signal?.removeEventListener('abort', this.#onAbort)
      this.#ended = 'well'
      const receipt = completeReceipt(this.#receiptTerms as ReceiptTerms, digest, outputTokenIdsSha256)
      this.#resolve(Object.freeze({ ...this.#output, finishReason, receipt }))
    }
  }

  #end(error: unknown, how: 'refused' | 'failed' | 'by the caller'): void {
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#ended = 'in error'
    this.#error = error
    this.#reject(error)
    if (how === 'by the caller' || this.#observed) return
    const site = how === 'refused' ? callSite(Inference) : undefined
    this.#unobservedError = warnUnlessObserved(this, error, site)
  }

  #errorOf(nativeError: NativeError | null): unknown {
    const error = fromNative(
      nativeError ?? { code: 'INTERNAL', message: 'The run ended without a reason.', fields: {} },
    )
    if (!(error instanceof CancelledError)) return error
    if (this.#cancelledBy === 'signal') return this.#signal?.reason
    const message = this.#cancelledBy === 'loop' ? LOOP_LEFT : CANCEL_CALLED
    return new CancelledError({ partial: this.#output, message })
  }

  #toDelta(native: NativeDelta): Delta {
    const { text, tokenIds, logprobs } = native
    const delta = { text, tokenIds: toNumbers(tokenIds) }
    return this.#wantsLogprobs ? { ...delta, logprobs: logprobs ? readLogprobs(logprobs) : [] } : delta
  }

  #partialResult(result: NativeOutput): PartialInferenceResult {
    const { usage, timings } = result
    return {
      ...this.#toDelta(result),
      usage: Object.freeze(usage),
      timings: Object.freeze(timings),
      seed: this.#seed,
    }
  }
}

const LOOP_LEFT =
  'The run was cancelled: its loop was left before the end, by break, return or an exception. ' +
  'What was generated by then is in error.partial.'
const CANCEL_CALLED = 'The run was cancelled by cancel(). What was generated by then is in error.partial.'

/** The output of a call that was refused. */
const NOTHING: NativeOutput = {
  text: '',
  tokenIds: new Int32Array(),
  usage: { promptTokens: 0, cachedTokens: 0, completionTokens: 0 },
  timings: {
    queueMs: 0,
    prefillMs: 0,
    firstTokenMs: 0,
    perTokenMs: 0,
    totalMs: 0,
    draftedTokens: 0,
    acceptedTokens: 0,
  },
}

const done = Object.freeze({ value: undefined, done: true as const })
