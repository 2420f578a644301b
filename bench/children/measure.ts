// Runs requests together and notes when their tokens come. The processes that are measured use it, and so does the
// client of llama-server, so that all are measured alike.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Arrival, BenchRequest, LoopDelay, Outcome, RunResult } from '../protocol.js'

/** A contender's own report of a request that has ended. */
export interface Report {
  readonly cachedTokens: number | null
  readonly completionTokens: number
  readonly firstTokenMs?: number | null
  readonly perTokenMs?: number | null
  readonly prefillMs?: number | null
}

/** Submits a request; calls `arrived` for tokens as they come when it is a stream; stops early at the signal. */
export type Submit = (
  request: BenchRequest,
  arrived: (tokens: number) => void,
  signal: AbortSignal,
) => Promise<Report>

/** Submits all requests at once, except those with `startAfterMs`, and waits for all of them. */
export async function runTogether(requests: readonly BenchRequest[], submit: Submit): Promise<RunResult> {
  const stop = new AbortController()
  const never = new AbortController()
  const begin = performance.now()
  const outcomes = await Promise.all(
    requests.map(async (request): Promise<Outcome> => {
      if (request.startAfterMs) await sleep(request.startAfterMs)
      const arrivals: Arrival[] = []
      const startedMs = performance.now() - begin
      const report = await submit(
        request,
        (tokens) => {
          if (tokens > 0) arrivals.push([performance.now() - begin, tokens])
          if (request.stopsOthers) stop.abort()
        },
        request.stopsOthers ? never.signal : stop.signal,
      )
      const totalMs = performance.now() - begin - startedMs
      if (report.completionTokens < request.maxTokens && !stop.signal.aborted)
        throw new Error(`it generated ${report.completionTokens} of ${request.maxTokens} tokens`)
      const first = arrivals[0]
      const last = arrivals.at(-1)
      const later = report.completionTokens - (first?.[1] ?? 0)
      return {
        promptTokens: request.prompt.tokenIds.length,
        cachedTokens: report.cachedTokens,
        completionTokens: report.completionTokens,
        startedMs,
        firstTokenMs: first ? first[0] - startedMs : (report.firstTokenMs ?? null),
        perTokenMs: first && last && later > 0 ? (last[0] - first[0]) / later : (report.perTokenMs ?? null),
        prefillMs: report.prefillMs ?? null,
        totalMs,
        arrivals,
      }
    }),
  )
  return { wallMs: performance.now() - begin, outcomes, loop: null }
}

/** Samples the delay of the event loop while some work is in progress. */
export async function withLoopDelay<T>(work: () => Promise<T>): Promise<[T, LoopDelay]> {
  const histogram = monitorEventLoopDelay({ resolution: 1 })
  histogram.enable()
  const result = await work()
  histogram.disable()
  const ms = (nanoseconds: number) => nanoseconds / 1e6
  const delay = {
    medianMs: ms(histogram.percentile(50)),
    p99Ms: ms(histogram.percentile(99)),
    maxMs: ms(histogram.max),
    longestDeliveryMs: null,
  }
  return [result, delay]
}
