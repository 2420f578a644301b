// Messages between the benchmark and the processes that it measures.
import type { LogitsProbe, LogitsProbeOptions, StepTimes } from '#lib/step-profile.js'

/** Options that every contender is loaded with, as far as it has them. */
export interface LoadOptions {
  readonly modelPath: string
  readonly threads: number
  /** The most tokens of one request. */
  readonly contextSize: number
  /** Cells of the key-value cache, for all requests together. */
  readonly cacheSize: number
  /** Requests that are evaluated together. */
  readonly maxSequences: number
  /** Sequence ids of the context (n_seq_max): this library takes 16 more than it evaluates together. */
  readonly sequences: number
  readonly gpuLayers: number
}

export interface BenchMessage {
  readonly role: string
  readonly content: string
}

/** A prompt in every form that a contender may want it in; rendered once, by the model's own chat template. */
export interface Prompt {
  readonly messages: readonly BenchMessage[]
  readonly text: string
  readonly tokenIds: readonly number[]
}

/** Always the most likely token, or temperature 0.7 with top-p 0.9 and nothing else. */
export type Sampling = 'greedy' | 'nucleus'

/** A request. It generates exactly `maxTokens` tokens: an end of sequence is ignored. */
export interface BenchRequest {
  readonly prompt: Prompt
  readonly maxTokens: number
  readonly sampling: Sampling
  /** True delivers the tokens as they come, false all together at the end. */
  readonly stream: boolean
  /** Delay of its submission after the others'. */
  readonly startAfterMs?: number
  /** True cancels the other requests at its first token. */
  readonly stopsOthers?: boolean
}

/** Tokens that were delivered together: the time in ms from the start of the run, and their number. */
export type Arrival = readonly [atMs: number, tokens: number]

/** The outcome of a request. Times in ms. */
export interface Outcome {
  readonly promptTokens: number
  /** Tokens of the prompt that were not evaluated again; null where the contender does not say. */
  readonly cachedTokens: number | null
  readonly completionTokens: number
  /** Time of its submission, from the start of the run. */
  readonly startedMs: number
  /** Time from the submission; for a stream by the consumer's clock. Null where unknown. */
  readonly firstTokenMs: number | null
  /** Mean time between two tokens; for a stream by the consumer's clock. Null where unknown. */
  readonly perTokenMs: number | null
  /** Time of the prompt's evaluation, as the contender says; null where it does not. */
  readonly prefillMs: number | null
  readonly totalMs: number
  /** Deliveries of a stream; empty without one. */
  readonly arrivals: readonly Arrival[]
}

/** The delay of a process's event loop, in ms, as Node.js samples it every millisecond. */
export interface LoopDelay {
  readonly medianMs: number
  readonly p99Ms: number
  readonly maxMs: number
  /** The longest time that one delivery of the addon held the JavaScript thread; null without the addon. */
  readonly longestDeliveryMs: number | null
}

/** The outcome of requests that were submitted together. */
export interface RunResult {
  readonly wallMs: number
  readonly outcomes: readonly Outcome[]
  readonly loop: LoopDelay | null
}

/** Facts about a loaded contender. */
export interface Loaded {
  readonly loadMs: number
  /** Version of the contender. */
  readonly version: string
  /** Version of the llama.cpp in it. */
  readonly llamaCpp: string
}

/** The calls that a measured process answers. */
export interface ChildMethods {
  load: (options: LoadOptions) => Promise<Loaded>
  run: (options: { requests: readonly BenchRequest[]; measureLoop: boolean }) => Promise<RunResult>
  /** Runs the requests, and records the times of at most `most` steps; only in this library's process. */
  profile: (options: {
    requests: readonly BenchRequest[]
    most: number
  }) => Promise<{ result: RunResult; steps: StepTimes[] }>
  /** Times a step with and without logits; only in this library's process. */
  probe: (options: LogitsProbeOptions) => Promise<LogitsProbe>
  /** Renders and tokenizes a prompt; only in this library's process. */
  render: (options: { messages: readonly BenchMessage[] }) => Promise<Prompt>
  /** Samples the delay of the event loop; only in the idle process. */
  idle: (options: { ms: number }) => Promise<LoopDelay>
  close: (options: Record<string, never>) => Promise<void>
}
