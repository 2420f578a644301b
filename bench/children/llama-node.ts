// @fugood/llama.node, in a process of its own, through its queue of parallel requests. It is given the rendered text.
import { runTogether, type Submit } from './measure.js'
import { importPeer, readPeerFile } from './peer.js'
import { serve } from './serve.js'

interface Result {
  readonly tokens_predicted: number
  readonly timings: {
    readonly cache_n: number
    readonly prompt_ms: number
    readonly predicted_n: number
    readonly predicted_ms: number
  }
}

interface Context {
  readonly parallel: {
    enable(options: object): Promise<boolean>
    completion(options: object, onToken?: () => void): Promise<{ promise: Promise<Result>; stop: () => void }>
  }
  getSystemInfo(): string
  release(): Promise<void>
}

interface Package {
  loadModel(options: object): Promise<Context>
}

let context: Context

const submit: Submit = async ({ prompt, maxTokens, sampling, stream }, arrived, signal) => {
  let tokens = 0
  const { promise, stop } = await context.parallel.completion(
    {
      prompt: prompt.text,
      n_predict: maxTokens,
      ignore_eos: true,
      // Switch off its defaults, which would add penalties and more.
      penalty_repeat: 1,
      min_p: 0,
      ...(sampling === 'greedy'
        ? { temperature: 0, top_k: 1, top_p: 1 }
        : { temperature: 0.7, top_k: 0, top_p: 0.9, seed: 1 }),
    },
    stream
      ? () => {
          tokens++
          arrived(1)
        }
      : undefined,
  )
  signal.addEventListener('abort', stop)
  try {
    const { tokens_predicted: completionTokens, timings } = await promise
    return {
      cachedTokens: timings.cache_n,
      completionTokens,
      perTokenMs: completionTokens > 1 ? timings.predicted_ms / timings.predicted_n : null,
      prefillMs: timings.prompt_ms,
    }
  } catch (error) {
    if (signal.aborted) return { cachedTokens: null, completionTokens: tokens }
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

serve({
  load: async ({ modelPath, threads, contextSize, maxSequences }) => {
    const { loadModel } = await importPeer<Package>('@fugood/llama.node')
    const begin = performance.now()
    context = await loadModel({
      model: modelPath,
      n_ctx: contextSize * maxSequences, // which it divides among the sequences
      n_batch: 2048,
      n_ubatch: 512,
      n_threads: threads,
      n_gpu_layers: 0,
      n_parallel: maxSequences,
    })
    if (!(await context.parallel.enable({ n_parallel: maxSequences, n_batch: 2048 })))
      throw new Error('it refuses parallel requests')
    const loadMs = performance.now() - begin
    const { version } = JSON.parse(readPeerFile('@fugood/llama.node/package.json')) as { version: string }
    const build = /BUILD_NUMBER = '(\d+)'/.exec(readPeerFile('@fugood/llama.node/lib/version.js'))?.[1]
    // Note the features its binary was built for: without AVX and the like it is many times slower than the others.
    const features = [...context.getSystemInfo().matchAll(/([A-Z]\w*) = 1/g)].map(([, name]) => name)
    return { loadMs, version, llamaCpp: `b${build ?? '?'} built for ${features.join(', ')}` }
  },
  run: ({ requests }) => runTogether(requests, submit),
  close: () => context.release(),
})
