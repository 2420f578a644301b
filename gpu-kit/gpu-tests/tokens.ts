// The same tokens as the CPU chooses, as far as two processors can agree.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Findings, KitContext, Progress } from '../run/step-types.js'
import { testModel, trainedModel } from '../run/synthetic-models.js'
import { compareOutputs, judge, type Limits } from './comparison.js'
import { gpusOf, layersOnGpus, memoryPlan } from './device-info.js'
import { type CpuTask, type Outputs, outputsOf, type Prompts } from './outputs.js'
import { gpuTest, load, placement, user, words } from './support.js'

/**
 * A random model has not learned to be sure or to bear rounding: there even one thread and two differ by tenths. Its limits
 * are a guess until a GPU has told the figures of all prompts.
 */
const TRAINED: Limits = { nearTie: 0.1, tolerance: 0.02, leastTokens: 60 }
const RANDOM: Limits = { nearTie: 0.4, tolerance: 0.1, leastTokens: 24 }

const PROMPTS: Prompts = [
  ...['What is the capital of France?', 'Who are you?', 'Hello!', 'What colour is the sky?'].map(user),
  ...['a red fox in the snow', 'an old ship in a storm', 'fresh bread on a table'].map((content) => [
    { role: 'system', content: 'Enhance the picture idea with details.' },
    { role: 'user', content },
  ]),
]

async function compare(
  context: KitContext,
  { tell }: Progress,
  path: string,
  prompts: Prompts,
  limits: Limits,
): Promise<Findings> {
  // Compare one thread with two in the dry run.
  const expected = await outputsOfCpu(path, prompts)
  const actual = await outputsOf(path, prompts, placement(context))
  return judge(compareOutputs(expected, actual), limits, tell)
}

/** Outputs of a process that sees no GPU, so that none of it can be computed on one. */
async function outputsOfCpu(path: string, prompts: Prompts): Promise<Outputs> {
  const script = fileURLToPath(new URL('./cpu-process.js', import.meta.url))
  const child = fork(script, { env: { ...process.env, CUDA_VISIBLE_DEVICES: '-1' } })
  child.send({ path, prompts } satisfies CpuTask)
  const [outputs] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => assert.fail(`the process for the CPU ended with ${code}`)),
  ])
  return outputs as Outputs
}

/** The most important test: a trained model answers as it does on the CPU. */
export const tokens = gpuTest(
  'tokens',
  'greedy tokens of a trained model are those of the CPU, up to the first near-tie',
  (context, progress) => compare(context, progress, trainedModel(context.root), PROMPTS, TRAINED),
  { after: ['addon', 'backend'] },
)

export const TOKEN_TESTS = [
  gpuTest('tokens-random', 'the same with random weights in the shape of Qwen2.5', (context, progress) => {
    const prompts = Array.from({ length: 12 }, (_, i) => user(words(20 + 30 * i, `Text ${i}`)))
    return compare(context, progress, testModel(context), prompts, RANDOM)
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
      assert(layers >= model.info.layerCount, `only ${layers} layers are on the GPU`)
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
