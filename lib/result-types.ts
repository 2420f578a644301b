// What callers get back.
import type { ControlTokens, SpecialTokenName } from './input-types.js'
import type { DeviceUse, MemoryAttempt } from './memory-types.js'
import type { KvCacheType, ReceiptSampling } from './option-types.js'

/** A stretch of rendered text and who wrote it. Offsets are in UTF-16 code units, as in `text.slice(start, end)`. */
export interface Span {
  readonly start: number
  readonly end: number
  /** The template's own text (its literals and the special tokens), or the caller's. */
  readonly origin: 'template' | 'caller'
  /** Where the caller's text came from, such as `messages[2].content`; null for the template's. */
  readonly path: string | null
}

/** Rendered text and the origin of every character. */
export interface RenderedText {
  readonly text: string
  /** Cover the text completely, in order; neighbours differ. */
  readonly spans: readonly Span[]
}

/** A prompt as the model sees it. */
export interface RenderedPrompt extends RenderedText {
  /** The tokens the model is given for it. */
  readonly tokenIds: readonly number[]
}

/**
 * Why the generation ended: the model ended its message (`'stop'`), `maxTokens` were generated (`'length'`), one of
 * the `stop` texts was generated (`'stop-string'`), or the context is full (`'context'`).
 */
export type FinishReason = 'stop' | 'length' | 'stop-string' | 'context'

/** Counts of tokens. */
export interface Usage {
  /** Length of the prompt, with the cached part. */
  readonly promptTokens: number
  /**
   * How much of the prompt was already in the cache, from earlier requests or ones that run, and was not evaluated
   * again.
   */
  readonly cachedTokens: number
  /** How many tokens were generated. */
  readonly completionTokens: number
}

/** Durations in milliseconds. */
export interface Timings {
  /** From the call until the request was taken up. */
  readonly queueMs: number
  /** Evaluating the prompt. */
  readonly prefillMs: number
  /** From the call until the first token was there; 0 when there was none. */
  readonly firstTokenMs: number
  /** Mean time between generated tokens; 0 when there were fewer than two. */
  readonly perTokenMs: number
  /** From the call until the end. */
  readonly totalMs: number
  /** How many tokens `speculative` guessed ahead; 0 without it. */
  readonly draftedTokens: number
  /** How many of those were right: each saved a step. */
  readonly acceptedTokens: number
}

/** A token and the natural logarithm of its probability. */
export interface TokenLogprob {
  readonly tokenId: number
  /** The token's text; bytes that are not valid UTF-8 on their own appear as U+FFFD. */
  readonly text: string
  readonly logprob: number
}

/** The log probability of a chosen token, with those of the most likely ones. */
export interface ChosenTokenLogprob extends TokenLogprob {
  /** As many as `logprobs` asked for, the most likely first. */
  readonly top: readonly TokenLogprob[]
}

/** A piece of the output. The pieces joined are the whole. */
export interface Delta {
  /** Further text; empty while a character or a possible stop text is incomplete. */
  readonly text: string
  /** The tokens generated since the last delta. */
  readonly tokenIds: readonly number[]
  /** One for each of `tokenIds`; only when `logprobs` was given. */
  readonly logprobs?: readonly ChosenTokenLogprob[]
}

/** The result of an inference that was cancelled: what there is so far. */
export interface PartialInferenceResult {
  /** The generated text. */
  readonly text: string
  /** The generated tokens. */
  readonly tokenIds: readonly number[]
  readonly usage: Usage
  readonly timings: Timings
  /** The seed that was used: pass it again to repeat the random choices. */
  readonly seed: number
  /** One for each of `tokenIds`; only when `logprobs` was given. */
  readonly logprobs?: readonly ChosenTokenLogprob[]
}

/** The result of an inference. */
export interface InferenceResult extends PartialInferenceResult {
  readonly finishReason: FinishReason
  /** What went in and what came out, to be checked with `verifyReceipt`. */
  readonly receipt: Receipt
}

/**
 * What a result was made from. Hashes are SHA-256 in hexadecimal: of JSON in compact form, with the received order
 * of keys and spelling of numbers; of text as UTF-8; of token ids as little-endian unsigned 32-bit integers. Null
 * where there was nothing to hash.
 */
export interface Receipt {
  /** Of this format. */
  readonly version: 1
  readonly messagesSha256: string
  readonly toolsSha256: string | null
  readonly documentsSha256: string | null
  readonly templateVariablesSha256: string | null
  /** Of the chat template's source. */
  readonly chatTemplateSha256: string
  /** Of everything in the model file before the weights. */
  readonly modelMetadataSha256: string
  readonly promptTextSha256: string
  readonly promptTokenIdsSha256: string
  readonly outputTokenIdsSha256: string
  /** What the template saw as the time, in milliseconds since 1970-01-01T00:00Z. */
  readonly now: number
  readonly addGenerationPrompt: boolean
  readonly controlTokens: ControlTokens
  readonly specialTokens: { readonly [name in SpecialTokenName]?: string }
  /** The sampler's values that were in effect. */
  readonly sampling: ReceiptSampling
  readonly seed: number
  /** Of this package. */
  readonly packageVersion: string
  readonly llamaCppVersion: string
}

/** What `verifyReceipt` found. */
export interface ReceiptVerification {
  readonly ok: boolean
  /** The fields of the receipt that do not agree. */
  readonly mismatches: readonly (keyof Receipt)[]
}

/** What is known of a loaded model. */
export interface ModelInfo {
  /** The file it was loaded from. */
  readonly path: string
  /** The name the file gives, or null. */
  readonly name: string | null
  /** Family, size and weight type, such as `'qwen2 7B Q4_K - Medium'`. */
  readonly description: string
  /** The architecture, such as `'qwen2'`. */
  readonly architecture: string
  /** Number of weights. */
  readonly parameterCount: number
  /** Size of the weights in bytes. */
  readonly sizeBytes: number
  /** Number of layers. */
  readonly layerCount: number
  /** Width of a token's representation. */
  readonly embeddingLength: number
  /** Number of tokens in the vocabulary. */
  readonly vocabularySize: number
  /** The context length the model was trained for, in tokens. */
  readonly trainedContextSize: number
  /** The most tokens one request can hold, prompt and output together. */
  readonly contextSize: number
  /** Cells of the key-value cache that all requests share, one a token. */
  readonly cacheSize: number
  /** How many requests are evaluated together at most. */
  readonly maxSequences: number
  /** How many further requests may wait in line. */
  readonly maxQueue: number
  /** How many tokens of finished requests are kept for later ones. */
  readonly prefixCacheSize: number
  /** Whether requests that begin alike share what is computed for it; if not, why. */
  readonly prefixSharing: { readonly enabled: boolean; readonly reason: string | null }
  /** The most tokens evaluated in one step. */
  readonly batchSize: number
  /** CPU threads used for evaluation. */
  readonly threads: number
  /** The chat template in use, or null. */
  readonly chatTemplate: string | null
  /** SHA-256 of everything in the file before the weights, in hexadecimal. */
  readonly metadataSha256: string
  /** The special tokens the chat template sees, by their names there. */
  readonly specialTokens: { readonly [name in SpecialTokenName]?: string }
  /** How many layers are on GPUs, the output counted as one. */
  readonly gpuLayers: number
  /** How the key-value cache is stored. */
  readonly kvCacheType: KvCacheType
  /** The devices used for evaluation, and what the model takes of each. The CPU is the last one. */
  readonly devices: readonly DeviceUse[]
  /** How that was found to fit. */
  readonly memory: { readonly attempts: readonly MemoryAttempt[] }
  /** Backends of GPUs that are installed and cannot be used here. */
  readonly unusableBackends: readonly AddonLoadAttempt[]
}

/** One file that was tried while the native addon was loaded. */
export interface AddonLoadAttempt {
  /** The file. */
  readonly path: string
  /** Why it could not be used. */
  readonly reason: string
}

/** How busy a model is. */
export interface ModelStatus {
  /** Requests that wait for their turn. */
  readonly waiting: number
  /** Requests that are evaluated. */
  readonly running: number
  /** Cells of the key-value cache that requests in progress use. */
  readonly usedCells: number
  /** Tokens of finished requests that are kept in host memory. */
  readonly savedTokens: number
}
