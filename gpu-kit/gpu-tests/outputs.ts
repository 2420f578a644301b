// Answers of a model to some prompts, with log probabilities, to compare with its answers elsewhere.
import assert from 'node:assert/strict'
import { type ChosenTokenLogprob, type LoadModelOptions, loadModel, type Message } from 'verbatim-llama'

export type Prompts = readonly (readonly Message[])[]
export type Outputs = readonly (readonly ChosenTokenLogprob[])[]

/** The task of cpu-process.ts. */
export interface CpuTask {
  readonly path: string
  readonly prompts: Prompts
}

export async function outputsOf(path: string, prompts: Prompts, options: LoadModelOptions): Promise<Outputs> {
  const base = { contextSize: 1024, cacheSize: 2048, maxSequences: 1, prefixCacheSize: 0 }
  await using model = await loadModel(path, { ...base, ...options })
  const outputs: (readonly ChosenTokenLogprob[])[] = []
  for (const messages of prompts) {
    const { logprobs } = await model.generateInference(messages, {
      maxTokens: 24,
      temperature: 0,
      logprobs: 2,
      ignoreEndOfSequence: true, // an end is a token like any other here
    })
    outputs.push(logprobs ?? assert.fail('no log probabilities'))
  }
  return outputs
}
