import assert from 'node:assert/strict'
import { type LoadModelOptions, loadModel, type Message, type Model } from 'verbatim-llama'
import { gpuMemory } from '../run/machine-programs.js'
import type { KitContext, Step } from '../run/step-types.js'
import { testModel } from '../run/synthetic-models.js'

/** A step of the kit that is a test. */
export function gpuTest(name: string, title: string, run: Step['run'], more: Partial<Step> = {}): Step {
  return {
    name: `test-${name}`,
    group: 'test',
    title,
    after: ['addon', 'backend', 'model-tests'],
    usualSeconds: 12,
    limitSeconds: 300,
    run,
    ...more,
  }
}

/** Options that place a test's model wholly on the GPU, in the dry run on the CPU. */
export function placement({ cpuOnly }: KitContext): LoadModelOptions {
  return cpuOnly ? { gpuLayers: 0, threads: 1 } : { gpuLayers: 999 }
}

export function load(context: KitContext, options: LoadModelOptions = {}, path = testModel(context)) {
  return loadModel(path, { contextSize: 2048, cacheSize: 8192, ...placement(context), ...options })
}

export function user(content: string): Message[] {
  return [{ role: 'user', content }]
}

/** Words that no tokenizer joins to fewer tokens than there are words. */
export function words(count: number, first = 'Case'): string {
  const list = ['river', 'stone', 'paper', 'cloud', 'garden', 'window', 'market', 'winter']
  return [first, ...Array.from({ length: count - 1 }, (_, i) => list[(i * 5 + (i >> 3)) % list.length])].join(
    ' ',
  )
}

/** A short greedy answer. */
export async function answer(model: Model, content: string, maxTokens = 16) {
  const options = { maxTokens, temperature: 0, ignoreEndOfSequence: true }
  return model.generateInference(user(content), options)
}

/** A greedy answer to compare: the same whatever else runs and has run. */
export async function exactAnswer(model: Model, content: string): Promise<number[]> {
  const options = { maxTokens: 24, temperature: 0, ignoreEndOfSequence: true, reproducible: true }
  return [...(await model.generateInference(user(content), options)).tokenIds]
}

/** Used memory of the GPU in MiB, once two looks a moment apart agree: drivers give memory back a little later. */
export async function settledGpuMemory(): Promise<number> {
  let last = Number.NaN
  for (let look = 0; look < 50; look++) {
    const { usedMiB } = gpuMemory() ?? assert.fail('nvidia-smi does not tell the memory of the GPU')
    if (usedMiB === last) return usedMiB
    last = usedMiB
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  return last
}
