import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Model } from '../model.js'
import type { InferenceResult } from '../types.js'

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]

/** The worker's metrics, for Prometheus. */
export class Metrics {
  readonly registry: Registry
  readonly #requests: Counter<'endpoint' | 'status'>
  readonly #failures: Counter<'code'>
  readonly #duration: Histogram<'endpoint'>
  readonly #tokens: Counter<'kind'>
  readonly #queue: Histogram
  readonly #firstToken: Histogram
  readonly #perToken: Histogram

  constructor(registry: Registry = new Registry()) {
    this.registry = registry
    const registers = [registry]
    const counter = <L extends string>(name: string, help: string, labelNames: L[]) =>
      new Counter({ name: `verbatim_llama_${name}`, help, labelNames, registers })
    const histogram = <L extends string>(name: string, help: string, labelNames: L[] = []) =>
      new Histogram({ name: `verbatim_llama_${name}`, help, labelNames, registers, buckets: SECONDS })
    this.#requests = counter('requests_total', 'Requests answered, by endpoint and status', [
      'endpoint',
      'status',
    ])
    this.#failures = counter('failures_total', 'Requests that failed, by error code', ['code'])
    this.#duration = histogram('request_duration_seconds', 'From the request to the end of its answer', [
      'endpoint',
    ])
    this.#tokens = counter(
      'tokens_total',
      'Tokens of prompts, those of them from the cache, and generated ones',
      ['kind'],
    )
    this.#queue = histogram('queue_seconds', 'From the request until it was taken up')
    this.#firstToken = histogram('first_token_seconds', 'From the request to its first token')
    this.#perToken = histogram('token_seconds', 'Mean time between two tokens of a request')
    for (const kind of ['prompt', 'cached', 'completion']) this.#tokens.inc({ kind }, 0)
  }

  /** Adds the model's requests and cells in use to the metrics. */
  watch(model: Model): void {
    const gauge = (name: string, help: string, read: () => number) =>
      new Gauge({
        name: `verbatim_llama_${name}`,
        help,
        registers: [this.registry],
        collect() {
          this.set(read())
        },
      })
    gauge('requests_running', 'Requests that are evaluated', () => model.status.running)
    gauge('requests_waiting', 'Requests that wait for their turn', () => model.status.waiting)
    gauge(
      'kv_cells_used',
      'Cells of the key-value cache that requests in progress use',
      () => model.status.usedCells,
    )
    gauge('kv_cells', 'Cells of the key-value cache', () => model.info.cacheSize)
    gauge(
      'prefix_tokens_saved',
      'Tokens of finished requests kept in host memory',
      () => model.status.savedTokens,
    )
  }

  answered(endpoint: string, status: number, seconds: number, code: string | undefined): void {
    this.#requests.inc({ endpoint, status: String(status) })
    this.#duration.observe({ endpoint }, seconds)
    if (code !== undefined) this.#failures.inc({ code })
  }

  generated({ usage, timings }: InferenceResult): void {
    this.#tokens.inc({ kind: 'prompt' }, usage.promptTokens)
    this.#tokens.inc({ kind: 'cached' }, usage.cachedTokens)
    this.#tokens.inc({ kind: 'completion' }, usage.completionTokens)
    this.#queue.observe(timings.queueMs / 1000)
    if (usage.completionTokens > 0) this.#firstToken.observe(timings.firstTokenMs / 1000)
    if (usage.completionTokens > 1) this.#perToken.observe(timings.perTokenMs / 1000)
  }
}
