// Memory: given back, given back many times, shared by two models, and missing.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { OutOfMemoryError } from 'verbatim-llama'
import { gpuMemory } from '../run/machine-programs.js'
import { blockerPath } from '../run/packed-or-built.js'
import { type KitContext, Skipped } from '../run/step-types.js'
import { benchModel } from '../run/synthetic-models.js'
import { memoryPlan } from './device-info.js'
import { answer, exactAnswer, gpuTest, load, settledGpuMemory } from './support.js'

/** Most MiB by which two looks at an idle card may differ. */
const NOISE = 64

async function useOnce(context: KitContext): Promise<void> {
  await using model = await load(context)
  await answer(model, 'Hello', 4)
}

async function cycles(context: KitContext, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await useOnce(context)
}

/** Fills the card except for `leaveMiB`, until the returned function is called. */
async function fillCard(context: KitContext, leaveMiB: number): Promise<() => Promise<void>> {
  const child = spawn(blockerPath(context), [String(leaveMiB)])
  const exited = once(child, 'exit')
  const first = await Promise.race([once(child.stdout, 'data'), exited])
  assert.equal(String(first[0]).trim(), 'full', 'the card could not be filled')
  return async () => {
    child.stdin.end()
    await exited
  }
}

/** A card that is filled, given back, and given back again and again. */
export const MEMORY_TESTS = [
  ...[0.9, 0.5, 0.05].map((share) =>
    gpuTest(
      `full-card-${share}`,
      `a card with room for ${share} of the weights: it fits fewer layers or says OutOfMemoryError, and lives on`,
      async (context) => {
        const { totalMiB } = gpuMemory() ?? assert.fail('nvidia-smi does not tell the memory of the GPU')
        const path = benchModel(context, 'Q4_K')
        const leave = Math.round((statSync(path).size / 2 ** 20) * share)
        if (leave > totalMiB * 0.9)
          throw new Skipped(`the card has ${totalMiB} MiB: too small to be filled so`)
        await useOnce(context) // takes what CUDA takes for a process, before the card is full
        const release = await fillCard(context, leave)
        let outcome: unknown
        try {
          const model = await load(context, { gpuLayers: 'auto', cacheSize: 4096 }, path)
          const { tokenIds } = await answer(model, 'Hello', 8)
          outcome = {
            loaded: true,
            tokens: tokenIds.length,
            devices: model.info.devices,
            memory: memoryPlan(model),
          }
          await model.dispose()
        } catch (error) {
          if (!(error instanceof OutOfMemoryError)) throw error
          outcome = { loaded: false, message: error.message }
        } finally {
          await release()
        }
        // Show that the same process goes on with the memory back.
        await useOnce(context)
        return { facts: { leftMiB: leave, outcome } }
      },
      {
        needsGpu: true,
        after: ['blocker', 'backend', 'model-tests', 'model-Q4_K'],
      },
    ),
  ),
  gpuTest(
    'dispose',
    'dispose() gives the memory of the device back',
    async (context) => {
      await useOnce(context) // takes what the driver keeps for the process
      const before = await settledGpuMemory()
      const model = await load(context)
      await answer(model, 'Hello')
      const loaded = await settledGpuMemory()
      await model.dispose()
      const after = await settledGpuMemory()
      const weights = model.info.sizeBytes / 2 ** 20
      const facts = { before, loaded, after, weightsMiB: weights }
      assert(loaded - before > weights * 0.9, `the weights are not on the device: ${JSON.stringify(facts)}`)
      assert(after - before <= NOISE, `${after - before} MiB stay in use`)
      return { facts }
    },
    { needsGpu: true },
  ),
  gpuTest('cycles', '20 times loaded and disposed of (10 in a dry run)', async (context) => {
    const memory = async () =>
      context.cpuOnly ? process.memoryUsage().rss / 2 ** 20 : await settledGpuMemory()
    await cycles(context, 5)
    const before = await memory()
    await cycles(context, context.cpuOnly ? 5 : 20)
    const after = await memory()
    // Allow for pages that the allocator of the C library keeps; a device keeps none.
    const limit = context.cpuOnly ? 100 : NOISE
    assert(after - before <= limit, `grew by ${after - before} MiB`)
    return { facts: { beforeMiB: before, afterMiB: after } }
  }),
]

/** Tests of two models. */
export const PAIR_TESTS = [
  gpuTest('two-models', 'two models at once, each with its own answers', async (context) => {
    await using one = await load(context)
    const alone = await exactAnswer(one, 'A question')
    await using two = await load(context, { contextSize: 1024, cacheSize: 2048 })
    const [first, second] = await Promise.all([exactAnswer(one, 'A question'), answer(two, 'A question', 24)])
    assert.deepEqual(first, alone)
    assert.equal(second.tokenIds.length, 24)
    await two.dispose()
    assert.deepEqual(await exactAnswer(one, 'A question'), alone)
    return {}
  }),
]
