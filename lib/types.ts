import type { AddonLoadAttempt } from './errors.js'
import type { DeviceUse, KvCacheType, MemoryAttempt, MemoryOptions } from './memory-types.js'
import type { Model } from './model.js'

export type * from './memory-types.js'

/**
 * A value JSON can carry. Numbers mean what `JSON.stringify` writes for them; a `bigint` is written as an integer
 * with all its digits. What JSON would drop or replace (`undefined`, `NaN`, infinities, `-0`, functions, symbols,
 * `Date`, `Map`, array holes, lone surrogates, …) is refused by path when the call is made.
 */
export type JsonValue = null | boolean | number | bigint | string | readonly JsonValue[] | JsonObject

/** An object JSON can carry: see {@link JsonValue}. */
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/** One part of a message's content; which types there are is up to the model's chat template. */
export interface ContentPart {
  /** What kind of part this is, such as `'text'`. */
  readonly type: string
  // biome-ignore lint/suspicious/noExplicitAny: as in Message
  readonly [key: string]: any
}

/**
 * One message: any JSON object whose `role` is a string. Every member reaches the chat template as it is; whether
 * the template uses it is the template's business. Nothing is added, dropped, merged or reordered.
 *
 * A member that is present but `undefined` compiles and is then refused: JSON would silently drop it.
 */
export interface Message {
  /** Whose message it is, such as `'system'`, `'user'`, `'assistant'` or `'tool'`. */
  readonly role: string
  /** The text, or its parts. */
  readonly content?: string | null | readonly ContentPart[]
  /** Whatever else the template knows, such as `name`, `tool_calls`, `tool_call_id` or `reasoning_content`. */
  // biome-ignore lint/suspicious/noExplicitAny: with JsonValue here, a caller's interface types (which have no index signature) could not be passed; the check at run time is strict
  readonly [key: string]: any
}

/**
 * The messages of a request: at least one, or the same as JSON text. JSON text is parsed without loss, so it keeps
 * what JavaScript values cannot hold: numbers beyond double precision, `1.0` apart from `1`, and the written order
 * of integer-like keys.
 */
export type Messages = readonly Message[] | string

/** A tool's description: any JSON object, most often `{ type: 'function', function: { name, description, parameters } }`. */
export interface Tool {
  // biome-ignore lint/suspicious/noExplicitAny: as in Message
  readonly [key: string]: any
}

/** What `model.renderPrompt` takes, besides the messages. */
export interface RenderOptions {
  /** The tools offered to the model, as an array or its JSON text. Default: none, and the template sees none. */
  readonly tools?: readonly Tool[] | string | undefined
  /** Documents for retrieval templates, as an array of JSON values or its JSON text. Default: none. */
  readonly documents?: readonly JsonValue[] | readonly Tool[] | string | undefined
  /**
   * Further variables for the chat template, such as `{ enable_thinking: false }`, as an object or its JSON text.
   * `messages`, `tools`, `documents` and `add_generation_prompt` are refused: they are given on their own.
   * Default: none.
   */
  readonly templateVariables?: { readonly [key: string]: JsonValue } | string | undefined
  /** Whether the prompt ends with the start of the assistant's message. Default: true. */
  readonly addGenerationPrompt?: boolean | undefined
  /** The time that templates with a date see. Default: the time of the call. */
  readonly now?: Date | undefined
  /** Who may write control tokens. Default: `'template'`. */
  readonly controlTokens?: ControlTokens | undefined
}

/**
 * Where the spelling of a control token (such as `<|im_end|>`) becomes that token: in what the template itself wrote
 * (`'template'`: callers' text stays text, whatever it spells), everywhere (`'anywhere'`: as Transformers does, for
 * callers who trust their content), or also in messages of the roles named, such as replayed assistant messages.
 */
export type ControlTokens = 'template' | 'anywhere' | { readonly trustRoles: readonly string[] }

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

/** What {@link ChatTemplate.render} takes, besides the variables. */
export interface TemplateRenderOptions {
  /** The time that `strftime_now` sees. Default: the time of the call. */
  readonly now?: Date | undefined
  /** Special tokens as the template sees them; their text counts as the template's. Default: the template's own. */
  readonly specialTokens?: { readonly [name in SpecialTokenName]?: string | null | undefined } | undefined
}

/** What `model.generateInference` takes, besides the messages. */
export interface ModelGenerateOptions extends RenderOptions {
  /** How many tokens to generate at most: an integer from 1 to 2147483647. Default: 512. */
  readonly maxTokens?: number | undefined
  /** From 0 (always the most likely token) to 100. Default: 0.7. */
  readonly temperature?: number | undefined
  /** Keep the most likely tokens that together have this probability: above 0, at most 1 (off). Default: 0.9. */
  readonly topP?: number | undefined
  /** Keep this many of the most likely tokens: an integer from 0 (off) to 2147483647. Default: 0. */
  readonly topK?: number | undefined
  /** Drop tokens less likely than this share of the most likely one: 0 (off) to 1. Default: 0. */
  readonly minP?: number | undefined
  /** Divides the scores of tokens that occurred before: above 0, at most 100; 1 is off. Default: 1. */
  readonly repetitionPenalty?: number | undefined
  /** Taken from the score of every token that occurred before: -100 to 100. Default: 0 (off). */
  readonly presencePenalty?: number | undefined
  /** Taken from the score of a token for each time it occurred before: -100 to 100. Default: 0 (off). */
  readonly frequencyPenalty?: number | undefined
  /** Fixes the random choices: an integer from 0 to 2^53 - 1. Default: drawn anew, and returned with the result. */
  readonly seed?: number | undefined
  /** Texts that end the generation: one, or up to 16, none of them empty. They are not part of the result. Default: none. */
  readonly stop?: string | readonly string[] | undefined
  /** Cancels the request: it rejects with the signal's reason. Default: none. */
  readonly signal?: AbortSignal | undefined
  /**
   * Report the log probability of each chosen token and of this many most likely ones: an integer from 0 to 20.
   * Default: log probabilities are not reported.
   */
  readonly logprobs?: number | undefined
  /** Generate on when the model ends its message, up to `maxTokens`. Default: false. */
  readonly ignoreEndOfSequence?: boolean | undefined
  /**
   * Whether the same messages, options and seed give the same tokens whatever else is running, on the same machine
   * and build. Without it, requests are computed together, and rounding depends on who shares a batch: where two
   * tokens are almost equally likely, the choice may differ. With it a request is computed by itself, in a context
   * of its own (made at the first such request: more memory for its cache of `contextSize` cells), one after the
   * other, and nothing is taken from the prefix cache: slower. Default: false.
   */
  readonly reproducible?: boolean | undefined
  /**
   * `'prompt-lookup'` guesses ahead what the text repeats of itself or of the prompt, and checks the guesses in one
   * batch. The distribution of the output is unchanged. Faster for texts that repeat their prompt (summaries,
   * corrections, code), slower for others: see `timings.draftedTokens`. Needs a model whose cache can be cut at any
   * token (`info.prefixSharing`). Default: `false`.
   */
  readonly speculative?: 'prompt-lookup' | false | undefined
}

/** What `generateInference` takes, besides the messages. */
export interface GenerateOptions extends ModelGenerateOptions {
  /** The model, from `loadModel`. */
  readonly model: Model
}

/** The special tokens that chat templates can use, by the names they have there. */
export type SpecialTokenName =
  | 'bos_token'
  | 'eos_token'
  | 'unk_token'
  | 'sep_token'
  | 'pad_token'
  | 'cls_token'
  | 'mask_token'

/** How much of the model has been loaded, from 0 to 1. */
export type LoadProgress = number

/** One line of the engine's log. */
export interface LogEntry {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  /** The line, without its line end. */
  readonly message: string
}

/** What `loadModel` takes, besides the path. */
export interface LoadModelOptions extends MemoryOptions {
  /**
   * How many further requests may wait in line. One more is refused with `QueueFullError`. An integer from 0 to
   * 2147483647. Default: 1000.
   */
  readonly maxQueue?: number | undefined
  /**
   * How many tokens of finished requests are kept for requests that begin the same way: the latest few in the cache,
   * the others in host memory, where they take as much room as the same number of cells. 0 keeps nothing. An integer
   * from 0 to 2147483647. Default: `cacheSize`.
   */
  readonly prefixCacheSize?: number | undefined
  /**
   * CPU threads for evaluation: an integer from 1 to 512. They wait for each other by spinning, so one that has to
   * share its processor holds up all. Default: one per physical core, at most 16, with one processor left for the
   * rest of the process. A process that mostly waits for the model is faster with all of its cores.
   */
  readonly threads?: number | undefined
  /**
   * The chat template (Jinja) to use in place of the one in the model file, or the name of another one in the file,
   * such as `{ name: 'tool_use' }`. Default: the file's own.
   */
  readonly chatTemplate?: string | { readonly name: string } | undefined
  /** What the template sees as special tokens, in place of the model file's; `null` for none. Default: the file's. */
  readonly specialTokens?: { readonly [name in SpecialTokenName]?: string | null | undefined } | undefined
  /** Cancels the loading: it rejects with the signal's reason. Default: none. */
  readonly signal?: AbortSignal | undefined
  /**
   * Called with the part that is loaded, from 0 to 1. What it throws cancels the loading, which rejects with it.
   * Default: not called.
   */
  readonly onProgress?: ((fraction: LoadProgress) => void) | undefined
  /**
   * Called with each line the engine logs. What it throws becomes an uncaught exception, as in an event listener.
   * Default: not called, and the engine logs nowhere else.
   */
  readonly onLog?: ((entry: LogEntry) => void) | undefined
}

/** What `model.tokenize` takes, besides the text. */
export interface TokenizeOptions {
  /**
   * What the spelling of a control token, such as `<|im_end|>`, means in the text: `'text'` (those characters) or
   * `'parse'` (the control token). Default: `'text'`.
   */
  readonly controlTokens?: 'text' | 'parse' | undefined
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
  readonly sampling: {
    readonly maxTokens: number
    readonly temperature: number
    readonly topP: number
    readonly topK: number
    readonly minP: number
    readonly repetitionPenalty: number
    readonly presencePenalty: number
    readonly frequencyPenalty: number
    readonly stop: readonly string[]
    readonly ignoreEndOfSequence: boolean
    readonly reproducible: boolean
    readonly speculative: 'prompt-lookup' | false
  }
  readonly seed: number
  /** Of this package. */
  readonly packageVersion: string
  readonly llamaCppVersion: string
}

/** What a receipt is checked against. */
export interface ReceiptEvidence extends Pick<RenderOptions, 'tools' | 'documents' | 'templateVariables'> {
  readonly model: Model
  readonly messages: Messages
  /** The output, when it is to be checked too. */
  readonly tokenIds?: readonly number[] | undefined
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

/** How busy a model is. */
export interface ModelLoad {
  /** Requests that wait for their turn. */
  readonly waiting: number
  /** Requests that are evaluated. */
  readonly running: number
  /** Cells of the key-value cache that requests in progress use. */
  readonly usedCells: number
  /** Tokens of finished requests that are kept in host memory. */
  readonly savedTokens: number
}
