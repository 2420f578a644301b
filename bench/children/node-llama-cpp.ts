// node-llama-cpp, in a process of its own: one context with a sequence for every request, which it evaluates in
// batches. It is given the tokens, so it need not render or tokenize.
import { runTogether, type Submit } from './measure.js'
import { importPeer, readPeerFile } from './peer.js'
import { serve } from './serve.js'

interface Sequence {
  readonly contextTokens: readonly number[]
  adaptStateToTokens(tokens: readonly number[], allowShift: boolean): Promise<void>
  compareContextTokens(tokens: readonly number[]): { firstDifferentIndex: number }
  evaluate(tokens: readonly number[], options: object): AsyncGenerator<number>
}

interface Llama {
  readonly llamaCppRelease: { readonly release: string }
  loadModel(options: object): Promise<{
    createContext(options: object): Promise<{ getSequence(): Sequence }>
  }>
  dispose(): Promise<void>
}

interface Package {
  getLlama(options: object): Promise<Llama>
  readonly LlamaLogLevel: { readonly error: string }
}

let llama: Llama
let idle: Sequence[] = []

/** Takes the idle sequence that begins most like the prompt; among equals, the one that was idle longest. */
function takeSequence(tokens: readonly number[]): Sequence {
  const shared = (sequence: Sequence) => sequence.compareContextTokens([...tokens]).firstDifferentIndex
  const best = idle.reduce((a, b) => (shared(b) > shared(a) ? b : a))
  idle = idle.filter((sequence) => sequence !== best)
  return best
}

const submit: Submit = async ({ prompt, maxTokens, sampling }, arrived, signal) => {
  const sequence = takeSequence(prompt.tokenIds)
  // Do as its own chat session does: keep the known tokens, but the last one, which gives the logits.
  await sequence.adaptStateToTokens(prompt.tokenIds.slice(0, -1), false)
  const cachedTokens = sequence.contextTokens.length
  const options =
    sampling === 'greedy'
      ? { temperature: 0, yieldEogToken: true }
      : { temperature: 0.7, topP: 0.9, topK: 0, minP: 0, seed: 1, yieldEogToken: true }
  let completionTokens = 0
  for await (const _ of sequence.evaluate(prompt.tokenIds.slice(cachedTokens), options)) {
    completionTokens++
    arrived(1)
    if (completionTokens === maxTokens || signal.aborted) break
  }
  idle.push(sequence)
  return { cachedTokens, completionTokens }
}

serve({
  load: async ({ modelPath, threads, contextSize, maxSequences }) => {
    const { getLlama, LlamaLogLevel } = await importPeer<Package>('node-llama-cpp')
    const begin = performance.now()
    llama = await getLlama({ gpu: false, build: 'never', maxThreads: threads, logLevel: LlamaLogLevel.error })
    const model = await llama.loadModel({ modelPath, gpuLayers: 0 })
    const context = await model.createContext({
      contextSize, // of each sequence: they share no cells
      sequences: maxSequences,
      batchSize: 512,
      threads,
    })
    const loadMs = performance.now() - begin
    idle = Array.from({ length: maxSequences }, () => context.getSequence())
    const { version } = JSON.parse(readPeerFile('node-llama-cpp/package.json')) as { version: string }
    return { loadMs, version, llamaCpp: llama.llamaCppRelease.release }
  },
  run: ({ requests }) => runTogether(requests, submit),
  close: () => llama.dispose(),
})
