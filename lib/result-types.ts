// Types of results.
import type { ControlTokens, SpecialTokens } from './input-types.js'
import type { DeviceUse, MemoryAttempt } from './memory-types.js'
import type { KvCacheType, ReceiptSampling } from './option-types.js'

/** A stretch of rendered text and who wrote it. Offsets are in UTF-16 code units, as in `text.slice(start, end)`. */
export interface Span {
  /** Offset of the first code unit. */
  readonly start: number
  /** Offset after the last code unit. */
  readonly end: number
  /** Author of the text: the template (its literals and the special tokens), or the caller. */
  readonly origin: 'template' | 'caller'
  /** Source of the caller's text, such as `messages[2].content`; null for the template's. */
  readonly path: string | null
}

/** Rendered text and the origin of every character. */
export interface RenderedText {
  /** The rendered text. */
  readonly text: string
  /** Cover the text completely, in order; neighbours differ. */
  readonly spans: readonly Span[]
}

/** A prompt as the model sees it. */
export interface RenderedPrompt extends RenderedText {
  /** The tokens of the text, as the model is given them. */
  readonly tokenIds: readonly number[]
  /** The chat template that was used. */
  readonly chatTemplate: {
    /** Its name in the model file; null where it is not of the file. */
    readonly name: string | null
    /** SHA-256 of its source, in hexadecimal. */
    readonly sha256: string
  }
}

/**
 * Reason that a generation ended: the model ended its message (`'stop'`), `maxTokens` were generated (`'length'`), one
 * of the `stop` texts was generated (`'stop-string'`), or the context is full (`'context'`).
 */
export type FinishReason = 'stop' | 'length' | 'stop-string' | 'context'

/** Counts of tokens. */
export interface Usage {
  /** Length of the prompt, with the cached part. */
  readonly promptTokens: number
  /**
   * Tokens of the prompt that were already in the cache, from earlier requests or ones that run, and were not
   * evaluated again.
   */
  readonly cachedTokens: number
  /** Number of generated tokens. */
  readonly completionTokens: number
}

/** Durations in milliseconds, and counts of drafted tokens. */
export interface Timings {
  /** From the call until the request was taken up. */
  readonly queueMs: number
  /** Evaluation of the prompt. */
  readonly prefillMs: number
  /** From the call until the first token was there; 0 when there was none. */
  readonly firstTokenMs: number
  /** Mean time between generated tokens; 0 when there were fewer than two. */
  readonly perTokenMs: number
  /** From the call until the end. */
  readonly totalMs: number
  /** Tokens that `speculative` drafted; 0 without it. */
  readonly draftedTokens: number
  /** Drafted tokens that were accepted: each saved a step. */
  readonly acceptedTokens: number
}

/** A token and the natural logarithm of its probability. */
export interface TokenLogprob {
  /** The id of the token. */
  readonly tokenId: number
  /** The token's text; bytes that are not valid UTF-8 on their own appear as U+FFFD. */
  readonly text: string
  /** Natural logarithm of its probability, in the model’s own distribution. */
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
  /** Log probability of each of `tokenIds`; only when the option `logprobs` was given. */
  readonly logprobs?: readonly ChosenTokenLogprob[]
}

/** The output so far of an inference, or of one that was cancelled. */
export interface PartialInferenceResult {
  /** The generated text. */
  readonly text: string
  /** The generated tokens. */
  readonly tokenIds: readonly number[]
  /** Counts of tokens. */
  readonly usage: Usage
  /** Durations, and counts of drafted tokens. */
  readonly timings: Timings
  /** The seed that was used: pass it again to repeat the random choices. */
  readonly seed: number
  /** Log probability of each of `tokenIds`; only when the option `logprobs` was given. */
  readonly logprobs?: readonly ChosenTokenLogprob[]
}

/** The result of an inference. */
export interface InferenceResult extends PartialInferenceResult {
  /** Reason for the end of the generation. */
  readonly finishReason: FinishReason
  /** Record of input and output, to be checked with `verifyReceipt`. */
  readonly receipt: Receipt
}

/**
 * Record of the input and output of a result. Hashes are SHA-256 in hexadecimal: of JSON in compact form, with the
 * received order of keys and spelling of numbers; of text as UTF-8; of token ids as little-endian unsigned 32-bit
 * integers. Null where there was nothing to hash.
 */
export interface Receipt {
  /** Version of this format. */
  readonly version: 1
  /** SHA-256 of the messages. */
  readonly messagesSha256: string
  /** SHA-256 of the tools. */
  readonly toolsSha256: string | null
  /** SHA-256 of the documents. */
  readonly documentsSha256: string | null
  /** SHA-256 of the further template variables. */
  readonly templateVariablesSha256: string | null
  /** The name of the chat template in the model file, such as `'default'`; null where it is not of the file. */
  readonly chatTemplateName: string | null
  /** SHA-256 of the chat template's source. */
  readonly chatTemplateSha256: string
  /** SHA-256 of everything in the model file before the weights. */
  readonly modelMetadataSha256: string
  /** The scaling of RoPE in effect; null where the model has no RoPE. */
  readonly ropeScaling: RopeScaling | null
  /** SHA-256 of the rendered prompt. */
  readonly promptTextSha256: string
  /** SHA-256 of the tokens the model was given. */
  readonly promptTokenIdsSha256: string
  /** SHA-256 of the generated tokens. */
  readonly outputTokenIdsSha256: string
  /** Time that the template saw, in milliseconds since 1970-01-01T00:00Z. */
  readonly now: number
  /** True when the prompt ends with the start of the assistant’s message. */
  readonly addGenerationPrompt: boolean
  /** Texts in which control tokens were recognised. */
  readonly controlTokens: ControlTokens
  /** Whether inputs that the chat template ignores were refused. */
  readonly ignoredInputs: 'refuse' | 'allow'
  /** The special tokens the template saw. */
  readonly specialTokens: SpecialTokens<string>
  /** The sampler's values that were in effect. */
  readonly sampling: ReceiptSampling
  /** The seed that was given or drawn. */
  readonly seed: number
  /** Version of this package. */
  readonly packageVersion: string
  /** Version of llama.cpp. */
  readonly llamaCppVersion: string
}

/** The scaling of RoPE that is in effect, by the model file or the option `ropeScaling`. */
export interface RopeScaling {
  /** The method; `'longrope'` comes from the file alone. */
  readonly type: 'none' | 'linear' | 'yarn' | 'longrope'
  /** How many times longer the context becomes; 1 without scaling. */
  readonly factor: number
  /** The context length before scaling. */
  readonly originalContextSize: number
  /** The base of the frequencies. */
  readonly frequencyBase: number
  /** True when the file has a factor for each frequency besides, as those of Llama 3.1. */
  readonly frequencyFactors: boolean
  /** Of `'yarn'`: how much of the high frequencies stays as it is. Else null. */
  readonly extrapolationFactor: number | null
  /**
   * Of `'yarn'`: factor of the rotated queries and keys; null where it is computed from `factor`. The file's
   * `rope.scaling.attn_factor` applies besides.
   */
  readonly attentionFactor: number | null
  /** Of `'yarn'`: rotations from which a frequency stays as it is. Else null. */
  readonly betaFast: number | null
  /** Of `'yarn'`: rotations up to which a frequency is scaled fully. Else null. */
  readonly betaSlow: number | null
}

/** Result of `verifyReceipt`. Each field of the receipt is in one of `verified` and `unverified`. */
export interface ReceiptVerification {
  /** True when every field of `verified` agrees. */
  readonly ok: boolean
  /** The fields of the receipt that do not agree. */
  readonly mismatches: readonly (keyof Receipt)[]
  /** The fields that were checked, those that do not agree among them. */
  readonly verified: readonly (keyof Receipt)[]
  /** The fields that were not checked: what they say is not proven. Fields that are not known here are among them. */
  readonly unverified: readonly string[]
}

/** Facts about a loaded model. */
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
  /** The scaling of RoPE in effect; null where the model has no RoPE. */
  readonly ropeScaling: RopeScaling | null
  /** The most tokens one request can hold, prompt and output together. */
  readonly contextSize: number
  /** Cells of the key-value cache that all requests share, one a token. */
  readonly cacheSize: number
  /** Most requests that are evaluated together. */
  readonly maxSequences: number
  /** Most further requests that may wait in line. */
  readonly maxQueue: number
  /** Most tokens of finished requests that are kept for later ones. */
  readonly prefixCacheSize: number
  /** Sharing of computed prefixes between requests; `reason` says why it is not enabled, else it is null. */
  readonly prefixSharing: {
    /** True when requests share. */
    readonly enabled: boolean
    /** The reason why they do not; null when they do. */
    readonly reason: string | null
  }
  /** The most tokens evaluated in one step. */
  readonly batchSize: number
  /** CPU threads used for evaluation. */
  readonly threads: number
  /** The chat template in use, where a request has no tools; or null. */
  readonly chatTemplate: string | null
  /** The chat templates of the file, by name; the one without a name is `'default'`. */
  readonly chatTemplates: readonly {
    /** Its name in the file. */
    readonly name: string
    /** SHA-256 of its source, in hexadecimal. */
    readonly sha256: string
  }[]
  /** SHA-256 of everything in the file before the weights, in hexadecimal. */
  readonly metadataSha256: string
  /** The special tokens the chat template sees, by their names there. */
  readonly specialTokens: SpecialTokens<string>
  /** Layers on GPUs, the output counted as one. */
  readonly gpuLayers: number
  /** Number type of the key-value cache. */
  readonly kvCacheType: KvCacheType
  /** The devices used for evaluation, with the memory that the model takes of each; the CPU is last. */
  readonly devices: readonly DeviceUse[]
  /** Plans that were tried until one fitted. */
  readonly memory: {
    /** The plans that were tried, in order. */
    readonly attempts: readonly MemoryAttempt[]
  }
  /** Backends of GPUs that are installed and cannot be used here. */
  readonly unusableBackends: readonly AddonLoadAttempt[]
}

/** A file that was tried while the native addon was loaded. */
export interface AddonLoadAttempt {
  /** The file. */
  readonly path: string
  /** Reason that it could not be used. */
  readonly reason: string
}

/** Requests and cells in use at one moment. */
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
