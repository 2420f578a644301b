// Made from lib/options/ by scripts/make-option-types.ts: change the rows there, then npm run format.
import type { ChatTemplateFile, ControlTokens, JsonValue, LoadProgress, LogEntry, NamedChatTemplate, SpecialTokens, Tool } from './input-types.js'

/** Number type of the key-value cache; the quantized types need less memory and are less exact. */
export type KvCacheType = 'f32' | 'f16' | 'bf16' | 'q8_0' | 'q5_1' | 'q5_0' | 'q4_1' | 'q4_0' | 'iq4_nl'

/** Options of `model.renderPrompt`. */
export interface RenderOptions {
  /**
   * The tools offered to the model, as its chat template takes them. An array, or its JSON text. Default: none,
   * and the template sees none.
   */
  readonly tools?: readonly Tool[] | string | undefined
  /** Documents for retrieval templates. An array of JSON values, or its JSON text. Default: none. */
  readonly documents?: readonly JsonValue[] | readonly Tool[] | string | undefined
  /**
   * Further variables of the chat template, such as `{ enable_thinking: false }`. An object, or its JSON text.
   * `messages`, `tools`, `documents` and `add_generation_prompt` are refused: they are given on their own.
   * Default: none.
   */
  readonly templateVariables?: { readonly [key: string]: JsonValue } | string | undefined
  /** End the prompt with the start of the assistant’s message. Default: true. */
  readonly addGenerationPrompt?: boolean | undefined
  /** The time that templates with a date see. Default: the time of the call. */
  readonly now?: Date | undefined
  /**
   * Places where the spelling of a control token becomes that token; elsewhere it stays text. Default: `template`.
   */
  readonly controlTokens?: ControlTokens | undefined
  /**
   * Refuse tools, documents and template variables that the chat template ignores (`refuse`), or `allow` them.
   * Ignored is what the template does not test, and of whose value no character is in the prompt. Such messages
   * are refused in any case. Default: `refuse`.
   */
  readonly ignoredInputs?: 'refuse' | 'allow' | undefined
}

/** Options of `model.generateInference`. */
export interface GenerateOptions extends RenderOptions {
  /** The most tokens to generate. An integer from 1 to 2147483647. Default: 512. */
  readonly maxTokens?: number | undefined
  /**
   * The message does not end before this many tokens; `stop` texts still end it. As in Transformers: until then
   * the tokens that end a message cannot be chosen. More than `maxTokens` is refused, and so is any with
   * `ignoreEndOfSequence`; a full context ends the message earlier. A model that has nothing more to say may begin
   * another turn: its control tokens are in `tokenIds`, not in `text`. An integer from 0 to 2147483647. Default:
   * 0.
   */
  readonly minTokens?: number | undefined
  /**
   * Divide the logits by this; 0 always takes the most likely token. A number from 0 to 100. Default: 0.7.
   */
  readonly temperature?: number | undefined
  /**
   * Keep the most likely tokens that together have this probability; 1 is off. A number above 0 and at most 1.
   * Default: 0.9.
   */
  readonly topP?: number | undefined
  /** Keep this many of the most likely tokens; 0 is off. An integer from 0 to 2147483647. Default: 0. */
  readonly topK?: number | undefined
  /**
   * Drop tokens less likely than this share of the most likely one; 0 is off. A number from 0 to 1. Default: 0.
   */
  readonly minP?: number | undefined
  /**
   * Divide the scores of tokens that occurred before by this; 1 is off. A number above 0 and at most 100. Default:
   * 1.
   */
  readonly repetitionPenalty?: number | undefined
  /**
   * Take this from the score of every token that was generated before; 0 is off. A number from -100 to 100.
   * Default: 0.
   */
  readonly presencePenalty?: number | undefined
  /**
   * Take this from the score of a token for each time it was generated before; 0 is off. A number from -100 to
   * 100. Default: 0.
   */
  readonly frequencyPenalty?: number | undefined
  /**
   * Seed of the random choices. An integer from 0 to 9007199254740991. Default: drawn anew, and returned with the
   * result.
   */
  readonly seed?: number | undefined
  /**
   * Texts that end the generation and are not part of the result: one, or up to 16, none of them empty. Default:
   * none.
   */
  readonly stop?: string | readonly string[] | undefined
  /** Cancels the request: it rejects with the signal’s reason. Default: none. */
  readonly signal?: AbortSignal | undefined
  /**
   * Report the log probability of each chosen token, and of this many of the most likely ones. An integer from 0
   * to 20. Default: log probabilities are not reported.
   */
  readonly logprobs?: number | undefined
  /** Generate on when the model ends its message, up to `maxTokens`. Default: false. */
  readonly ignoreEndOfSequence?: boolean | undefined
  /**
   * The same messages, options and seed give the same tokens whatever else is running, on the same machine and
   * build: slower. Without it, requests are computed together, and rounding depends on who shares a batch: where
   * two tokens are almost equally likely, the choice may differ. With it a request is computed by itself, in a
   * context of its own (made at the first such request: more memory for its cache of `contextSize` cells), one
   * after the other, and nothing is taken from the prefix cache. Default: false.
   */
  readonly reproducible?: boolean | undefined
  /**
   * `prompt-lookup` drafts what the text repeats of itself or of the prompt, and checks the drafts in one batch.
   * The distribution of the output is unchanged. Faster for texts that repeat their prompt (summaries,
   * corrections, code), slower for others: see `timings.draftedTokens`. Needs a model whose cache can be cut at
   * any token (`info.prefixSharing`). Default: false.
   */
  readonly speculative?: 'prompt-lookup' | false | undefined
}

/** Options of `model.tokenize`. */
export interface TokenizeOptions {
  /**
   * Meaning of the spelling of a control token, such as `<|im_end|>`: those characters (`text`), or the token
   * (`parse`). Default: `text`.
   */
  readonly controlTokens?: 'text' | 'parse' | undefined
}

/** Options of `template.render`. */
export interface TemplateRenderOptions {
  /** The time that `strftime_now` sees. Default: the time of the call. */
  readonly now?: Date | undefined
  /**
   * Special tokens as the template sees them; their text counts as the template’s. Default: the template’s own.
   */
  readonly specialTokens?: SpecialTokens<string | null | undefined> | undefined
}

/** The option `ropeScaling` of `loadModel`. */
export interface RopeScalingOptions {
  /**
   * The method: `linear` and `yarn` extend a model beyond the length it was trained for; `none` does not scale,
   * whatever the file says. Default: must be given.
   */
  readonly type: 'none' | 'linear' | 'yarn'
  /**
   * How many times longer the context becomes. A number from 1 to 1024. Default: the file’s; must be given where
   * it has none.
   */
  readonly factor?: number | undefined
  /**
   * The context length before scaling; times `factor`, rounded down, it is the largest `contextSize`. An integer
   * from 16 to 2147483647. Default: the file’s, else the length the model was trained for.
   */
  readonly originalContextSize?: number | undefined
  /**
   * The base of the frequencies, often called theta. A number above 1 and at most 1000000000000. Default: the
   * file’s.
   */
  readonly frequencyBase?: number | undefined
  /**
   * Of `yarn`: how much of the high frequencies stays as it is; 0 scales all alike. A number from 0 to 1. Default:
   * 1; the file’s where llama.cpp reads it (grok).
   */
  readonly extrapolationFactor?: number | undefined
  /**
   * Of `yarn` with `extrapolationFactor` 0: factor of the rotated queries and keys. With another
   * `extrapolationFactor` llama.cpp computes it from `factor`, and would ignore what it is given. A number above 0
   * and at most 100. Default: 1, or computed from `factor`; the file’s where llama.cpp reads it (grok).
   */
  readonly attentionFactor?: number | undefined
  /**
   * Of `yarn`: rotations within the original context from which a frequency stays as it is. A number above 0 and
   * at most 1000000. Default: 32; the file’s where llama.cpp reads it (grok, mistral3).
   */
  readonly betaFast?: number | undefined
  /**
   * Of `yarn`: rotations within the original context up to which a frequency is scaled fully. A number above 0 and
   * at most 1000000. Default: 1; the file’s where llama.cpp reads it (grok, mistral3).
   */
  readonly betaSlow?: number | undefined
}

/** The options of `loadModel` that decide what memory the model takes, and where. */
export interface MemoryOptions {
  /**
   * The most tokens one request can hold, prompt and output together. An integer from 16 to 2147483647. Default:
   * the length the model was trained for or `ropeScaling` extends it to, at most 8192.
   */
  readonly contextSize?: number | undefined
  /**
   * The scaling of RoPE in place of the model file’s, for contexts beyond the trained length. What is in effect,
   * by the file or this option, is `model.info.ropeScaling`. Refused for models that rotate nothing, and for those
   * with two factors for each frequency (longrope). Layers with a sliding window keep the values of the file, and
   * the factors of Llama 3.1’s `rope_freqs` apply besides, as in llama.cpp. A larger `frequencyBase` alone does
   * not raise the largest `contextSize`; a larger `originalContextSize` does. Default: the file’s.
   */
  readonly ropeScaling?: RopeScalingOptions | undefined
  /**
   * Cells of the key-value cache that all requests share, one a token. An integer from 16 to 2147483647. Default:
   * `contextSize`, rounded up to a multiple of 256.
   */
  readonly cacheSize?: number | undefined
  /**
   * The most requests that are evaluated together; more wait in line. An integer from 1 to 240. Default: 8.
   */
  readonly maxSequences?: number | undefined
  /**
   * Layers to put on GPUs, the output counted as one; `auto` for as many as fit, 0 leaves the GPUs alone. More
   * than 0 where there is no GPU that can be used is an `InvalidOptionError`. `auto` or an integer from 0 to
   * 2147483647. Default: `auto`.
   */
  readonly gpuLayers?: number | 'auto' | undefined
  /** The GPUs to use, by their names in `model.info.devices`, such as `CUDA0`. Default: all. */
  readonly devices?: readonly string[] | undefined
  /**
   * Spread the layers over all of these GPUs (`layer`), or put all on one of them (`none`). Default: `layer`.
   */
  readonly splitMode?: 'layer' | 'none' | undefined
  /**
   * The GPU for `splitMode` `none`, counted from 0 in the order of `devices`. An integer from 0 to 15. Default: 0.
   */
  readonly mainGpu?: number | undefined
  /** The part of the layers that each GPU gets, in any unit, such as 3 and 1. Default: by free memory. */
  readonly tensorSplit?: readonly number[] | undefined
  /** Use flash attention; `auto` where the model and the device allow it. Default: `auto`. */
  readonly flashAttention?: boolean | 'auto' | undefined
  /**
   * Number type of the key-value cache; the quantized types need less memory and are less exact. Default: `f16`,
   * or `q8_0` where that does not fit.
   */
  readonly kvCacheType?: KvCacheType | undefined
  /**
   * Try smaller plans when there is not enough memory (`fit`), or refuse (`throw`). Smaller plans, in this order:
   * a `q8_0` cache, smaller batches (down to 128 tokens), fewer cells (down to `contextSize`, or where that is not
   * given to 2048), fewer layers on the GPU. An option that was given stays as it is, but for `cacheSize`, which
   * may become as small as `contextSize`. `model.info` has the choice, and `model.info.memory.attempts` why.
   * `'throw'` reduces no more than the layers of `gpuLayers: 'auto'`, and `OutOfMemoryError.wouldFit` names
   * options that would fit. Default: `fit`.
   */
  readonly onOutOfMemory?: 'fit' | 'throw' | undefined
}

/** Options of `estimateMemory`. */
export interface EstimateMemoryOptions extends MemoryOptions {
  /** Cancels the download of a remote file’s header: it rejects with the signal’s reason. Default: none. */
  readonly signal?: AbortSignal | undefined
}

/** Options of `loadModel`. */
export interface LoadModelOptions extends MemoryOptions {
  /**
   * The most further requests that may wait in line; one more is refused with `QueueFullError`. An integer from 0
   * to 2147483647. Default: 1000.
   */
  readonly maxQueue?: number | undefined
  /**
   * Tokens of finished requests to keep for requests that begin the same way; 0 keeps nothing. The latest few stay
   * in the cache, the others in host memory, where they take as much room as the same number of cells. An integer
   * from 0 to 2147483647. Default: `cacheSize`.
   */
  readonly prefixCacheSize?: number | undefined
  /**
   * CPU threads for evaluation. They wait for each other by spinning, so one that has to share its processor holds
   * up all. A process that mostly waits for the model is faster with all of its cores. An integer from 1 to 512.
   * Default: one per physical core, at most 16, with one processor left for the rest of the process.
   */
  readonly threads?: number | undefined
  /**
   * The chat template (Jinja) to use in place of the one in the model file. An object names one in the file, such
   * as `{ name: 'tool_use' }`, or a file that holds one, such as `{ path: './chat_template.jinja' }`. It is used
   * for all requests. Default: the file’s own, and where tools are given the one named `tool_use`, if the file has
   * it.
   */
  readonly chatTemplate?: string | NamedChatTemplate | ChatTemplateFile | undefined
  /**
   * Special tokens as the template sees them, in place of the model file’s; null for none. Default: the file’s.
   */
  readonly specialTokens?: SpecialTokens<string | null | undefined> | undefined
  /** Cancels the loading: it rejects with the signal’s reason. Default: none. */
  readonly signal?: AbortSignal | undefined
  /**
   * Called with the part that is loaded, from 0 to 1; throwing cancels the loading, which rejects with it.
   * Default: not called.
   */
  readonly onProgress?: ((fraction: LoadProgress) => void) | undefined
  /**
   * Called with each line the engine logs. What it throws becomes an uncaught exception, as in an event listener.
   * Default: not called, and the engine logs nowhere else.
   */
  readonly onLog?: ((entry: LogEntry) => void) | undefined
}

/** The values of a receipt’s options that were in effect, defaults included. */
export interface ReceiptSampling {
  /** The most tokens to generate. */
  readonly maxTokens: number
  /** The message does not end before this many tokens; `stop` texts still end it. */
  readonly minTokens: number
  /** Divide the logits by this; 0 always takes the most likely token. */
  readonly temperature: number
  /** Keep the most likely tokens that together have this probability; 1 is off. */
  readonly topP: number
  /** Keep this many of the most likely tokens; 0 is off. */
  readonly topK: number
  /** Drop tokens less likely than this share of the most likely one; 0 is off. */
  readonly minP: number
  /** Divide the scores of tokens that occurred before by this; 1 is off. */
  readonly repetitionPenalty: number
  /** Take this from the score of every token that was generated before; 0 is off. */
  readonly presencePenalty: number
  /** Take this from the score of a token for each time it was generated before; 0 is off. */
  readonly frequencyPenalty: number
  /** Texts that end the generation and are not part of the result: one, or up to 16, none of them empty. */
  readonly stop: readonly string[]
  /** Generate on when the model ends its message, up to `maxTokens`. */
  readonly ignoreEndOfSequence: boolean
  /** The same messages, options and seed give the same tokens whatever else is running, on the same machine and build: slower. */
  readonly reproducible: boolean
  /** `prompt-lookup` drafts what the text repeats of itself or of the prompt, and checks the drafts in one batch. */
  readonly speculative: 'prompt-lookup' | false
}
