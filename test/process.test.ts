import { describe, expect, test } from 'vitest'
import { expectScript, runScript, workerScript } from './support/child.js'

/** Scripts that bring a model into a state, and leave it in \`model\` and \`run\`. */
const STATES: Readonly<Record<string, string>> = {
  loading: `loadModel(tinyModel, quick).catch(() => {})`,
  'loading, further on': `await new Promise((resolve) => {
    loadModel(tinyModel, { ...quick, onProgress: resolve }).catch(() => {})
  })`,
  idle: `const model = await loadModel(spmModel, quick)`,
  'idle after a run': `const model = await loadModel(spmModel, quick)
    await generateInference(user('a'), { model, maxTokens: 2 })`,
  'right after the call': `const model = await loadModel(spmModel, quick)
    generateInference(user('a'), { model, maxTokens: 200, ignoreEndOfSequence: true })`,
  queued: `const model = await loadModel(spmModel, { ...quick, maxSequences: 1, contextSize: 4096 })
    const start = () => generateInference(user('a'), { model, maxTokens: 4000, ignoreEndOfSequence: true })
    for (let i = 0; i < 5; i++) start()
    await until(() => model.status.waiting === 4)`,
  prefill: `const model = await loadModel(longModel, long)
    const run = generateInference(promptOf(30000), { model, maxTokens: 1 })
    await until(() => model.status.running === 1)`,
  decoding: `const model = await loadModel(spmModel, { ...quick, contextSize: 4096 })
    const run = generateInference(user('a'), { model, maxTokens: 4000, ignoreEndOfSequence: true })
    await run[Symbol.asyncIterator]().next()`,
  streaming: `const model = await loadModel(spmModel, { ...quick, contextSize: 4096 })
    const run = generateInference(user('a'), { model, maxTokens: 4000, ignoreEndOfSequence: true })
    let pieces = 0
    await new Promise((resolve) => {
      (async () => { for await (const delta of run) if (++pieces === 3) resolve() })().catch(() => {})
    })`,
  disposing: `const model = await loadModel(spmModel, quick)
    generateInference(user('a'), { model, maxTokens: 200, ignoreEndOfSequence: true })
    model.dispose()`,
  'after a disposal': `const model = await loadModel(spmModel, quick)
    await model.dispose()`,
}
const states = Object.entries(STATES)

/** The script of a worker that loads, generates and disposes without end, and says so at every step. */
const busyWorker = workerScript(`for (;;) {
  parentPort.postMessage('turn')
  const model = await loadModel(spmModel, quick)
  const runs = [1, 2, 3].map((seed) => generateInference(user('a'), { model, maxTokens: 20, seed }))
  parentPort.postMessage('started')
  for await (const delta of runs[0]) parentPort.postMessage('delta')
  await Promise.all(runs)
  if (Math.random() < 0.5) await model.dispose()
}`)

describe('a process ends by itself', () => {
  test('with a loaded model that is idle', async () => {
    await expectScript(
      `const model = await loadModel(spmModel, quick)
      await generateInference(user('a'), { model, maxTokens: 2 })
      process.on('exit', () => console.log('exit'))
      globalThis.kept = model`,
      { stdout: 'exit\n' },
    )
  })

  test('not before what it asked for is done', async () => {
    await expectScript(
      `loadModel(spmModel, quick).then((model) => {
        generateInference(user('a'), { model, maxTokens: 50, ignoreEndOfSequence: true })
          .then(({ tokenIds }) => console.log('run', tokenIds.length))
        model.renderPrompt(user('a')).then(() => console.log('prompt'))
      })`,
      { stdout: 'prompt\nrun 50\n' },
    )
  })

  test('also when nobody waits for the run', async () => {
    await expectScript(
      `const model = await loadModel(spmModel, quick)
      generateInference(user('a'), { model, maxTokens: 20 })
      const run = generateInference(user('a'), { model, maxTokens: 200 })
      run.cancel()
      model.dispose()
      process.on('exit', () => console.log(JSON.stringify(model.status)))`,
      { stdout: '{"waiting":0,"running":0,"usedCells":0,"savedTokens":0}\n' },
    )
  })
})

describe('process.exit()', () => {
  test.each(states)('ends the process in the state: %s', async (_, state) => {
    await expectScript(`${state}\nconsole.log('exits')\nprocess.exit(7)`, { stdout: 'exits\n', code: 7 })
  })

  test('ends a worker, and the process while workers are at work', async () => {
    await expectScript(
      `import { Worker } from 'node:worker_threads'
      const script = ${JSON.stringify(
        workerScript(`${STATES.decoding}\nparentPort.postMessage('ready')\nif (workerData) process.exit(5)`),
      )}
      const start = (workerData) => new Worker(script, { eval: true, workerData })
      const code = await new Promise((resolve) => start(true).on('exit', resolve))
      const workers = [start(false), start(false)]
      await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))))
      console.log('worker', code)
      process.exit(3)`,
      { stdout: 'worker 5\n', code: 3 },
    )
  })
})

test('process.exit() ends the process at any moment, while workers are at work', async () => {
  const exitAfter = (messages: number) =>
    expectScript(
      `import { Worker } from 'node:worker_threads'
      let seen = 0
      for (let i = 0; i < 3; i++) {
        new Worker(${JSON.stringify(busyWorker)}, { eval: true })
          .on('message', () => { if (++seen >= ${messages}) process.exit(3) })
      }`,
      { stdout: '', code: 3 },
    )
  for (let messages = 1; messages < 50; messages += 15) {
    await Promise.all([exitAfter(messages), exitAfter(messages + 7)])
  }
})

describe('an uncaught exception', () => {
  test.each([
    ['while it decodes', STATES.decoding],
    ['while a prompt is evaluated', STATES.prefill],
    ['while it loads', STATES.loading],
  ])('%s ends the process as usual', async (_, state) => {
    const { code, signal, stderr } = await runScript(
      `${state}\nsetImmediate(() => { throw new Error('mine') })`,
    )
    expect({ code, signal }).toEqual({ code: 1, signal: null })
    expect(stderr).toContain('Error: mine')
    expect(stderr).not.toContain('verbatim-llama: ')
  })

  test('in the loop over a run ends the process as usual', async () => {
    const { code, signal, stderr } = await runScript(
      `const model = await loadModel(spmModel, quick)
      for await (const delta of generateInference(user('a'), { model })) throw new Error('mine')`,
    )
    expect({ code, signal }).toEqual({ code: 1, signal: null })
    expect(stderr).toContain('Error: mine')
  })
})

describe('worker threads', () => {
  const answer = workerScript(`const model = await loadModel(spmModel, quick)
    const { text } = await generateInference(user('Hello'), { model, maxTokens: 30, seed: workerData })
    parentPort.postMessage(text)`)

  test('load and generate at the same time, and end by themselves with idle models', async () => {
    await expectScript(
      `import { Worker } from 'node:worker_threads'
      const start = (workerData) => new Promise((resolve, reject) => {
        let text
        new Worker(${JSON.stringify(answer)}, { eval: true, workerData })
          .on('message', (message) => { text = message }).on('error', reject)
          .on('exit', (code) => resolve({ code, text }))
      })
      const results = await Promise.all([start(1), start(1), start(2)])
      console.log(results.map(({ code }) => code), results[0].text === results[1].text,
        results[0].text !== results[2].text)`,
      { stdout: '[ 0, 0, 0 ] true true\n' },
    )
  })

  test('give the same text as the main thread, whoever loads the addon first', async () => {
    await expectScript(
      `import { Worker } from 'node:worker_threads'
      const inWorker = () => new Promise((resolve, reject) => {
        let text
        new Worker(${JSON.stringify(answer)}, { eval: true, workerData: 1 })
          .on('message', (message) => { text = message }).on('error', reject).on('exit', () => resolve(text))
      })
      const first = await inWorker()
      const model = await loadModel(spmModel, quick)
      const ask = async () => (await generateInference(user('Hello'), { model, maxTokens: 30, seed: 1 })).text
      const here = await ask()
      const last = await inWorker()
      console.log(first.length > 0, here === first, last === first, (await ask()) === first)`,
      { stdout: 'true true true true\n' },
    )
  })

  test.each(states)('can be terminated in the state: %s', async (_, state) => {
    await expectScript(
      `import { Worker } from 'node:worker_threads'
      const script = ${JSON.stringify(workerScript(`${state}\nparentPort.postMessage('ready')\nsetInterval(() => {}, 1000)`))}
      const codes = await Promise.all([1, 2].map(async () => {
        const worker = new Worker(script, { eval: true })
        await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
        return worker.terminate()
      }))
      const model = await loadModel(spmModel, quick)
      console.log(codes, (await generateInference(user('a'), { model, maxTokens: 1 })).tokenIds.length)`,
      { stdout: '[ 1, 1 ] 1\n' },
    )
  })

  test('can be terminated at any moment', async () => {
    await expectScript(
      `import { Worker } from 'node:worker_threads'
      const script = ${JSON.stringify(busyWorker)}
      for (let i = 0; i < 25; i++) {
        const worker = new Worker(script, { eval: true })
        let seen = 0
        await new Promise((resolve) => worker.on('message', () => { if (++seen === i + 1) resolve() }))
        await worker.terminate()
      }
      console.log('done')`,
      { stdout: 'done\n' },
    )
  })
})

test('models and runs are collected as garbage in every state', async () => {
  await expectScript(
    `const collect = async () => {
      for (let i = 0; i < 3; i++) { global.gc(); await new Promise((resolve) => setImmediate(resolve)) }
    }
    const options = { ...quick, contextSize: 4096 }
    const weak = []
    const make = async (prepare) => {
      const model = await loadModel(spmModel, options)
      weak.push(new WeakRef(model))
      await prepare((maxTokens) =>
        generateInference(user('a'), { model, maxTokens, seed: 1, ignoreEndOfSequence: true }), model)
    }
    loadModel(spmModel, options); await collect()
    await make(async () => {}); await collect()
    await make(async (start) => { await start(3) }); await collect()
    await make(async (start) => { start(50) }); await collect()
    await make(async (start) => { await start(50)[Symbol.asyncIterator]().next() }); await collect()
    await make(async (start) => { start(4000).cancel() }); await collect()
    await make(async (start) => { for (let i = 0; i < 20; i++) start(3) }); await collect()
    await make(async (start, model) => { start(4000); model.dispose() }); await collect()
    await make(async (start, model) => { model.renderPrompt(user('a')); model.tokenize('a') }); await collect()
    await make(async (start) => { for await (const delta of start(4000)) break }); await collect()
    // Check that a run keeps its model alive, and its result comes, although nothing else refers to either.
    let run
    await make(async (start) => { run = start(100) })
    await collect()
    console.log((await run).tokenIds.length)
    run = undefined
    await until(() => { global.gc(); return weak.every((ref) => ref.deref() === undefined) })
    console.log('collected')`,
    { stdout: '100\ncollected\n' },
    { nodeOptions: ['--expose-gc'] },
  )
})

describe('importing', () => {
  test('loads no addon', async () => {
    await expectScript(
      `await import(indexUrl)
      const loaded = () => process.report.getReport().sharedObjects.filter((path) => path.includes('verbatim-llama.node')).length
      process.report.excludeNetwork = true
      console.log(loaded())
      const { loadModel } = await import(indexUrl)
      await loadModel(spmModel, quick)
      console.log(loaded())`,
      { stdout: '0\n1\n' },
      { bare: true },
    )
  })

  test('by require() gives the same classes as by import', async () => {
    await expectScript(
      `import { createRequire } from 'node:module'
      const { loadModel, generateInference, Model } = createRequire(indexPath)(indexPath)
      const model = await loadModel(spmModel, quick)
      console.log(model instanceof Model, Model === (await import(indexUrl)).Model)`,
      { stdout: 'true true\n' },
      { bare: true },
    )
  })

  test('changes no environment variable and no listener', async () => {
    await expectScript(
      `const snapshot = () => JSON.stringify([process.env, process.eventNames(), process.cwd(), process.title])
      const before = snapshot()
      await (await loadModel(spmModel, quick)).dispose()
      console.log(snapshot() === before)`,
      { stdout: 'true\n' },
    )
  })
})

test('many requests in the smallest context do not make a batch that llama.cpp aborts at', async () => {
  await expectScript(
    `const model = await loadModel(spmModel, { ...quick, contextSize: 16, maxSequences: 32 })
    const run = (i) => generateInference(user(String.fromCharCode(65 + i) + 'bcdefghijkl'), { model, maxTokens: 2 })
    const results = await Promise.all(Array.from({ length: 32 }, (_, i) => run(i)))
    console.log(results.length)`,
    { stdout: '32\n' },
  )
})
