// Types of the native addon (binding/). Internal: lib/ validates everything before it gets there.
import type { NativeError } from './native-error.js'
import type {
  CheckedGenerateOptions,
  CheckedLoadOptions,
  CheckedMemoryOptions,
  CheckedRenderOptions,
} from './options/read.js'
import type {
  AddonLoadAttempt,
  FinishReason,
  MemoryEstimate,
  ModelInfo,
  ModelStatus,
  NamedChatTemplate,
  RenderedText,
  Timings,
  Usage,
} from './types.js'

export interface NativeAddon {
  readonly version: string
  readonly llamaCppVersion: string
  /** Throws a {@link NativeError} for a template that does not parse. */
  readonly ChatTemplate: new (
    source: string,
  ) => NativeChatTemplate
  /**
   * Loads the compute backends that lie in this folder, and these plugins. Once per process: later calls do nothing.
   * Returns those that cannot be used.
   */
  initialize(folder: string, plugins: readonly string[]): readonly AddonLoadAttempt[]
  /** Ends everything of this environment at once and for good: for the exit of the process. */
  shutdown(): void
  /** Deliveries of other threads since the last call: their number, and the longest time that one held this thread. */
  deliveryStatistics(): { readonly count: number; readonly longestMs: number }
  /** Starts loading; returns a function that cancels it. `onDone` is called once. */
  loadModel(
    options: NativeLoadOptions,
    onProgress: (fraction: number) => void,
    onLog: ((level: 'debug' | 'info' | 'warn' | 'error', line: string) => void) | null,
    onDone: (error: NativeError | null, model: NativeModel) => void,
  ): () => void
  estimateMemory(options: NativeMemoryOptions): Promise<MemoryEstimate>
  /** Resolves when a file has a whole GGUF header. Rejects with `MODEL_TRUNCATED` where it ends too early. */
  hasWholeHeader(path: string): Promise<boolean>
}

export interface NativeChatTemplate {
  /** `variables`: JSON text of an object; `now`: milliseconds since the epoch. */
  render(
    variables: string,
    specialTokens: Readonly<Record<string, string>>,
    now: number,
  ): Promise<RenderedText>
}

/** Options of memory as lib/options checks them, and the file. */
export type NativeMemoryOptions = CheckedMemoryOptions & { readonly path: string }

/** Options of loading, and the file. */
export type NativeLoadOptions = Omit<
  CheckedLoadOptions,
  'signal' | 'onProgress' | 'onLog' | 'chatTemplate'
> & {
  readonly path: string
  readonly chatTemplate: NativeChatTemplateChoice
}

/** The source of a chat template, its name in the model file, or null for the file's own. */
export type NativeChatTemplateChoice = string | NamedChatTemplate | null

/** Options of rendering, and the JSON text of the messages. */
export type NativeRenderRequest = CheckedRenderOptions & { readonly messages: string }

/** Options of generating, and the JSON text of the messages. */
export type NativeGenerateRequest = Omit<CheckedGenerateOptions, 'signal'> & { readonly messages: string }

export interface NativeModel {
  info(): Omit<ModelInfo, 'unusableBackends'>
  status(): ModelStatus
  /** Starts a run. `onNews`: see {@link NativeInference.take}; it is called last when the run has finished. */
  generate(request: NativeGenerateRequest, onNews: () => void): NativeInference
  render(request: NativeRenderRequest): Promise<NativePrompt>
  tokenize(text: string, parseControlTokens: boolean): Promise<Int32Array>
  detokenize(tokenIds: Int32Array, withControlTokens: boolean): Promise<string>
  /** SHA-256 of token ids as little-endian unsigned 32-bit integers, in hexadecimal. */
  tokenIdsSha256(tokenIds: Int32Array): Promise<string>
  /** For benchmarks: begins to record the times of the next `most` steps. */
  startStepProfile(most: number): void
  /** Ends the recording, and returns the rows of step-profile.ts, one after the other. */
  takeStepProfile(): Float64Array
  /** For benchmarks: the same step with and without logits, as soon as no request is in progress. */
  probeLogits(options: NativeLogitsProbeOptions): Promise<NativeLogitsProbe>
  dispose(): Promise<void>
}

export interface NativeLogitsProbeOptions {
  readonly sequences: number
  /** Tokens that the sequences have in common. */
  readonly depth: number
  readonly steps: number
}

/** Medians of a step: with the logits of all sequences, of one, of none. */
export type NativeLogitsProbe = Readonly<
  Record<'all' | 'one' | 'none', { readonly submitMs: number; readonly waitMs: number }>
>

export interface NativePrompt extends RenderedText {
  readonly tokenIds: Int32Array
  readonly digest: NativeDigest
}

export interface NativeInference {
  /** Takes the output since the last call. Null when there is none: `onNews` is called once when there is. */
  take(): NativeDelta | null
  cancel(): void
  finished(): boolean
  /** The output so far, of one moment; takes nothing. Not to be called after {@link result}. */
  snapshot(): NativeOutput
  /** Takes the whole output. To be called once, when the run has finished. */
  result(): NativeResult
}

export interface NativeDelta {
  readonly text: string
  readonly tokenIds: Int32Array
  readonly logprobs?: NativeLogprobs
}

/** For each generated token: the token itself, then its `topCounts` most likely ones. */
export interface NativeLogprobs {
  readonly tokenIds: Int32Array
  readonly values: Float32Array
  /** All texts, one after the other, of the lengths in `textLengths`. */
  readonly text: string
  readonly textLengths: Int32Array
  readonly topCounts: Int32Array
}

/** SHA-256 in hexadecimal; null where there was nothing to hash. */
export interface NativeDigest {
  readonly messages: string | null
  readonly tools: string | null
  readonly documents: string | null
  readonly templateVariables: string | null
  readonly promptText: string | null
  readonly promptTokenIds: string | null
  readonly chatTemplate: string | null
  /** The name of the chat template in the model file; null where it is not of the file. */
  readonly chatTemplateName: string | null
}

export interface NativeOutput extends NativeDelta {
  readonly usage: Usage
  readonly timings: Timings
}

export interface NativeResult extends NativeOutput {
  /** Null when the run failed or was cancelled. */
  readonly finishReason: FinishReason | null
  readonly error: NativeError | null
  readonly digest: NativeDigest
  readonly outputTokenIdsSha256: string
}
