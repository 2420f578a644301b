// This library, in a process of its own.
import { readFileSync } from 'node:fs'
import { generateInference, loadModel, type Model } from 'verbatim-llama'
import { runTogether, type Submit, withLoopDelay } from './measure.js'
import { serve } from './serve.js'

const nucleus = { temperature: 0.7, topP: 0.9 }
const dist = import.meta.resolve('verbatim-llama')

interface Addon {
  deliveryStatistics: () => { longestMs: number }
}

/** Imports a module that is no part of the public API. */
const internal = <T>(name: string): Promise<T> => import(new URL(name, dist).href)
const stepProfile = () => internal<typeof import('#lib/step-profile.js')>('step-profile.js')

let model: Model

const submit: Submit = async (request, arrived, signal) => {
  const run = generateInference(request.prompt.messages, {
    model,
    maxTokens: request.maxTokens,
    ...(request.sampling === 'greedy' ? { temperature: 0 } : { ...nucleus, seed: 1 }),
    ignoreEndOfSequence: true,
  })
  let tokens = 0
  if (request.stream)
    for await (const delta of run) {
      tokens += delta.tokenIds.length
      arrived(delta.tokenIds.length)
      if (signal.aborted) return { cachedTokens: null, completionTokens: tokens } // leaving the loop cancels
    }
  const { usage, timings } = await run
  return {
    cachedTokens: usage.cachedTokens,
    completionTokens: usage.completionTokens,
    firstTokenMs: timings.firstTokenMs,
    perTokenMs: timings.perTokenMs,
    prefillMs: timings.prefillMs,
  }
}

serve({
  load: async ({ modelPath, threads, contextSize, cacheSize, maxSequences, gpuLayers }) => {
    const begin = performance.now()
    model = await loadModel(modelPath, { threads, contextSize, cacheSize, maxSequences, gpuLayers })
    const loadMs = performance.now() - begin
    const root = new URL('../', dist)
    const version = (file: string) => JSON.parse(readFileSync(new URL(file, root), 'utf8')).version as string
    return { loadMs, version: version('package.json'), llamaCpp: `v${version('llama.cpp.json')}` }
  },
  run: async ({ requests, measureLoop }) => {
    if (!measureLoop) return runTogether(requests, submit)
    const { loadAddon } = await internal<{ loadAddon: () => Addon }>('addon.js')
    loadAddon().deliveryStatistics() // forgets earlier deliveries
    const [result, delay] = await withLoopDelay(() => runTogether(requests, submit))
    return { ...result, loop: { ...delay, longestDeliveryMs: loadAddon().deliveryStatistics().longestMs } }
  },
  profile: async ({ requests, most }) => {
    const { startStepProfile, takeStepProfile } = await stepProfile()
    startStepProfile(model, most)
    const result = await runTogether(requests, submit)
    return { result, steps: takeStepProfile(model) }
  },
  probe: async (options) => (await stepProfile()).probeLogits(model, options),
  render: async ({ messages }) => {
    const { text, tokenIds } = await model.renderPrompt(messages)
    return { messages, text, tokenIds }
  },
  close: () => model.dispose(),
})
