// The same tokens as the CPU chooses, as far as two processors can agree.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { loadModel, type Message, type Model } from '../../dist/index.js'
import { testModel, trainedModel } from '../../scripts/gpu-kit/models.js'
import type { KitContext } from '../../scripts/gpu-kit/step.js'
import { gpusOf, layersOnGpus, memoryPlan } from './device-info.js'
import { gpuTest, load, placement, user, words } from './support.js'

/** Natural logarithm: where the likeliest token leads by less, rounding may decide. */
const NEAR_TIE = 0.25
/** How far log probabilities of the same token may lie apart. */
const TOLERANCE = 0.25

const PROMPTS: readonly (readonly Message[])[] = [
  ...['What is the capital of France?', 'Who are you?', 'Hello!', 'What colour is the sky?'].map(user),
  ...['a red fox in the snow', 'an old ship in a storm', 'fresh bread on a table'].map((content) => [
    { role: 'system', content: 'Enhance the picture idea with details.' },
    { role: 'user', content },
  ]),
]

async function compare(context: KitContext, path: string, prompts: readonly (readonly Message[])[]) {
  const base = { contextSize: 1024, cacheSize: 2048, maxSequences: 1, prefixCacheSize: 0 }
  const outputs: Awaited<ReturnType<typeof outputsOf>>[] = []
  // The dry run compares one thread with two.
  for (const options of [{ gpuLayers: 0, threads: 2 }, placement(context)]) {
    const model = await loadModel(path, { ...base, ...options })
    outputs.push(await outputsOf(model, prompts))
    await model.dispose()
  }
  const [expected = [], actual = []] = outputs
  let compared = 0
  let farthest = 0
  const nearTies: number[] = []
  for (const [index, tokens] of expected.entries())
    for (const [at, token] of tokens.entries()) {
      const other = actual[index]?.[at] ?? assert.fail(`prompt ${index} ends after ${at} tokens`)
      const gap = (token.top[0]?.logprob ?? 0) - (token.top[1]?.logprob ?? Number.NEGATIVE_INFINITY)
      if (other.tokenId !== token.tokenId) {
        assert(
          gap < NEAR_TIE,
          `prompt ${index}, token ${at}: ${token.tokenId} leads by ${gap.toFixed(3)}, but ${other.tokenId} was chosen`,
        )
        nearTies.push(gap)
        break // from here on the texts differ
      }
      compared++
      farthest = Math.max(farthest, Math.abs(other.logprob - token.logprob))
    }
  assert(farthest < TOLERANCE, `log probabilities lie up to ${farthest.toFixed(3)} apart`)
  return { compared, nearTies, farthestLogprob: farthest }
}

async function outputsOf(model: Model, prompts: readonly (readonly Message[])[]) {
  const outputs = []
  for (const messages of prompts) {
    const { logprobs } = await model.generateInference(messages, {
      maxTokens: 48,
      temperature: 0,
      logprobs: 3,
    })
    outputs.push(logprobs ?? assert.fail('no log probabilities'))
  }
  return outputs
}

export const TOKEN_TESTS = [
  gpuTest(
    'tokens',
    'greedy tokens of a trained model are those of the CPU, up to the first near-tie',
    async (context) => {
      const facts = await compare(context, trainedModel(context), PROMPTS)
      assert(facts.compared >= 40, `only ${facts.compared} tokens could be compared`)
      return { facts }
    },
  ),
  gpuTest('tokens-random', 'the same with random weights in the shape of Qwen2.5', async (context) => {
    const prompts = Array.from({ length: 12 }, (_, i) => user(words(20 + 30 * i, `Text ${i}`)))
    const facts = await compare(context, testModel(context), prompts)
    assert(facts.compared >= 12, `only ${facts.compared} tokens could be compared`)
    return { facts }
  }),
  gpuTest(
    'layers',
    'all layers are on the GPU',
    async (context) => {
      const model = await load(context)
      const layers = layersOnGpus(model)
      const facts = {
        devices: model.info.devices,
        layers,
        layerCount: model.info.layerCount,
        memory: memoryPlan(model),
      }
      assert(gpusOf(model).length > 0, `no GPU among the devices: ${JSON.stringify(model.info.devices)}`)
      if (layers !== null) assert(layers >= model.info.layerCount, `only ${layers} layers are on the GPU`)
      await model.dispose()
      return { facts }
    },
    { needsGpu: true },
  ),
  gpuTest('kv-types', 'a quantized cache, with and without flash attention', async (context) => {
    const facts: Record<string, string> = {}
    for (const [kvCacheType, flashAttention] of [
      ['f16', true],
      ['f16', false],
      ['q8_0', true],
      ['q4_0', true],
    ] as const) {
      const model = await load(context, { kvCacheType, flashAttention })
      const { tokenIds } = await model.generateInference(user(words(300)), {
        maxTokens: 16,
        temperature: 0,
        ignoreEndOfSequence: true,
      })
      assert.equal(tokenIds.length, 16)
      facts[`${kvCacheType}, flash attention ${flashAttention}`] = tokenIds.join(' ')
      await model.dispose()
    }
    return { facts }
  }),
]

/** For the sanitizer, which makes everything a hundred times slower. */
export async function shortRun(root: string): Promise<void> {
  const model = await loadModel(join(root, 'models/verbatim-tiny.gguf'), { contextSize: 256, cacheSize: 512 })
  const runs = ['Hello!', 'Who are you?'].map((text) =>
    model.generateInference(user(text), { maxTokens: 8, seed: 1 }),
  )
  for (const { tokenIds } of await Promise.all(runs)) assert(tokenIds.length > 0)
  await model.dispose()
}
