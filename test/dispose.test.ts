import {
  CancelledError,
  DisposedError,
  type GenerateOptions,
  type Inference,
  type LoadModelOptions,
  loadModel,
  type Model,
} from 'verbatim-llama'
import { describe, expect, test } from 'vitest'
import { runScript } from './support/child.js'
import { contentOnly, longModel, promptOf, rejection, spmModel, until, user } from './support/model.js'

const quick: LoadModelOptions = { contextSize: 4096, maxSequences: 1, threads: 1, chatTemplate: contentOnly }

const startLong = (model: Model, options: GenerateOptions = {}) =>
  model.generateInference(user('Hello'), { maxTokens: 4000, ignoreEndOfSequence: true, ...options })

async function expectDead(model: Model): Promise<void> {
  for (const call of [
    () => model.generateInference(user('a')),
    () => model.renderPrompt(user('a')),
    () => model.tokenize('a'),
    () => model.detokenize([1]),
    () => model.generateInference(user('a')).result,
    () => model.generateInference(user('a')).stream[Symbol.asyncIterator]().next(),
  ]) {
    expect(await rejection(call())).toBeInstanceOf(DisposedError)
  }
  expect(model.info.architecture).toMatch(/^(llama|qwen2)$/)
  expect(model.status).toEqual({ waiting: 0, running: 0, usedCells: 0, savedTokens: 0 })
}

describe('dispose()', () => {
  test('ends an idle model, also when called twice and at once', async () => {
    const model = await loadModel(spmModel, quick)
    const [first, second] = [model.dispose(), model.dispose()]
    expect(second).toBe(first)
    expect(await Promise.all([first, second, model[Symbol.asyncDispose]()])).toEqual([
      undefined,
      undefined,
      undefined,
    ])
    await model.dispose()
    await expectDead(model)
  })

  test('refuses at once what is called before it is done', async () => {
    const model = await loadModel(spmModel, quick)
    const disposal = model.dispose()
    expect(await rejection(model.generateInference(user('a')))).toBeInstanceOf(DisposedError)
    expect(await rejection(model.tokenize('a'))).toBeInstanceOf(DisposedError)
    await disposal
  })

  test('ends calls of every kind right after they were made', async () => {
    const model = await loadModel(spmModel, quick)
    const run = startLong(model)
    const rest = Promise.allSettled([
      model.renderPrompt(user('a')),
      model.tokenize('a b c'),
      model.detokenize([1, 2]),
    ])
    await model.dispose()
    expect(await rejection(run)).toBeInstanceOf(DisposedError)
    // Require that all settle: these may have been done already or not.
    for (const settled of await rest) {
      if (settled.status === 'rejected') expect(settled.reason).toBeInstanceOf(DisposedError)
    }
    await expectDead(model)
  })

  test('ends runs that wait and runs that generate', async () => {
    const model = await loadModel(spmModel, quick)
    const runs = Array.from({ length: 5 }, () => startLong(model))
    const [first] = runs as [Inference]
    const pieces = first[Symbol.asyncIterator]()
    expect(await pieces.next()).toMatchObject({ done: false })
    await until('the others wait', () => model.status.waiting === 4)
    await model.dispose()
    for (const run of runs) expect(await rejection(run)).toBeInstanceOf(DisposedError)
    await expectDead(model)
  })

  test('ends a run whose prompt is evaluated', async () => {
    const model = await loadModel(longModel, { ...quick, contextSize: 16384 })
    const run = model.generateInference(promptOf(16_000), { maxTokens: 1 })
    await until('it is evaluated', () => model.status.running === 1)
    expect(model.status.usedCells).toBeLessThan(16_000)
    await model.dispose()
    expect(await rejection(run)).toBeInstanceOf(DisposedError)
    await expectDead(model)
  })

  test('ends an iteration in the middle', async () => {
    const model = await loadModel(spmModel, quick)
    const run = startLong(model)
    let text = ''
    let disposal: Promise<void> | undefined
    const loop = async () => {
      for await (const delta of run) {
        text += delta.text
        disposal ??= model.dispose()
      }
    }
    expect(await rejection(loop())).toBeInstanceOf(DisposedError)
    expect(text).not.toBe('')
    await disposal
    expect(await rejection(run)).toBeInstanceOf(DisposedError)
  })

  test('leaves finished runs as they are', async () => {
    const model = await loadModel(spmModel, quick)
    const run = startLong(model, { maxTokens: 5 })
    const result = await run
    const cancelled = startLong(model)
    cancelled.cancel()
    await rejection(cancelled)
    await model.dispose()
    expect(await run).toBe(result)
    expect(await rejection(cancelled)).toBeInstanceOf(CancelledError)
    const pieces = []
    for await (const { tokenIds } of run) pieces.push(...tokenIds)
    expect(pieces).toEqual(result.tokenIds)
    run.cancel()
    cancelled.cancel()
  })

  test('and cancelling end a run once, whichever is first', async () => {
    const model = await loadModel(spmModel, quick)
    const controller = new AbortController()
    const runs = [startLong(model), startLong(model, { signal: controller.signal })]
    await runs[0]?.[Symbol.asyncIterator]().next()
    const disposal = model.dispose()
    runs[0]?.cancel()
    controller.abort('mine')
    await disposal
    for (const run of runs) {
      const error = await rejection(run)
      expect(error instanceof DisposedError || error instanceof CancelledError || error === 'mine').toBe(true)
    }
  })

  test('is what await using calls, also when the block throws', async () => {
    let kept: Model | undefined
    const mine = new Error('mine')
    const block = async () => {
      await using model = await loadModel(spmModel, quick)
      kept = model
      throw mine
    }
    expect(await rejection(block())).toBe(mine)
    await expectDead(kept as unknown as Model)
  })

  test('of one model leaves others of the same file alone', async () => {
    await using other = await loadModel(spmModel, quick)
    const model = await loadModel(spmModel, quick)
    const run = startLong(other, { maxTokens: 200, seed: 1 })
    await model.dispose()
    expect((await run).tokenIds).toHaveLength(200)
  })
})

test('200 models one after the other leave no memory behind', async () => {
  const { code, stdout, stderr } = await runScript(
    `const rss = () => { for (let i = 0; i < 4; i++) global.gc(); return process.memoryUsage.rss() }
    let before = 0
    for (let i = 1; i <= 200; i++) {
      const model = await loadModel(spmModel, { ...quick, contextSize: 64 })
      await model.generateInference(user('Hello'), { maxTokens: 2 })
      await model.dispose()
      if (i === 50) before = rss()
    }
    console.log(((rss() - before) / 2 ** 20).toFixed(1))`,
    { nodeOptions: ['--expose-gc'], limitMs: 230_000 },
  )
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const growth = Number(stdout)
  console.log(`resident memory grew by ${growth} MiB from model 50 to model 200`)
  expect(growth).toBeLessThan(10)
}, 240_000)
