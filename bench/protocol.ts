// What the benchmark and the processes that it measures say to each other.
import type { LogitsProbe, LogitsProbeOptions, StepTimes } from '#lib/step-profile.js'

/** How a contender is loaded; the same for all of them, as far as each can be told. */
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

/** One chat message. */
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

/** One request. It generates exactly `maxTokens` tokens: an end of sequence is ignored. */
export interface BenchRequest {
  readonly prompt: Prompt
  readonly maxTokens: number
  readonly sampling: Sampling
  /** Whether the tokens are delivered as they come, or all together at the end. */
  readonly stream: boolean
  /** Submitted this long after the others. */
  readonly startAfterMs?: number
  /** When its first token is there, the other requests are cancelled. */
  readonly stopsOthers?: boolean
}

/** Some tokens that were delivered together: when (in ms from the start of the run), and how many. */
export type Arrival = readonly [atMs: number, tokens: number]

/** What became of one request. Times in ms. */
export interface Outcome {
  readonly promptTokens: number
  /** How much of the prompt was not evaluated again; null where the contender does not say. */
  readonly cachedTokens: number | null
  readonly completionTokens: number
  /** When it was submitted, from the start of the run. */
  readonly startedMs: number
  /** From the submission; for a stream by the consumer's clock. Null where unknown. */
  readonly firstTokenMs: number | null
  /** Mean time between two tokens; for a stream by the consumer's clock. Null where unknown. */
  readonly perTokenMs: number | null
  /** Evaluating the prompt, as the contender says; null where it does not. */
  readonly prefillMs: number | null
  readonly totalMs: number
  /** Of a stream; empty otherwise. */
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

/** What became of requests that were submitted together. */
export interface RunResult {
  readonly wallMs: number
  readonly outcomes: readonly Outcome[]
  readonly loop: LoopDelay | null
}

/** What a loaded contender says of itself. */
export interface Loaded {
  readonly loadMs: number
  /** Of the contender, and of the llama.cpp in it. */
  readonly version: string
  readonly llamaCpp: string
}

/** The calls that a measured process answers. */
export interface ChildMethods {
  load: (options: LoadOptions) => Promise<Loaded>
  run: (options: { requests: readonly BenchRequest[]; measureLoop: boolean }) => Promise<RunResult>
  /** Of this library's process only: the requests, and where the time of the engine's steps went meanwhile. */
  profile: (options: {
    requests: readonly BenchRequest[]
    most: number
  }) => Promise<{ result: RunResult; steps: StepTimes[] }>
  /** Of this library's process only: a step with and without logits. */
  probe: (options: LogitsProbeOptions) => Promise<LogitsProbe>
  /** Of this library's process only. */
  render: (options: { messages: readonly BenchMessage[] }) => Promise<Prompt>
  /** Of the idle process only: samples the delay of its event loop. */
  idle: (options: { ms: number }) => Promise<LoopDelay>
  close: (options: Record<string, never>) => Promise<void>
}
