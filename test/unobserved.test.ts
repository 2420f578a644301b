import { describe, expect, test } from 'vitest'
import { runScript, workerScript } from './support/child.js'

/** A call that is refused, without a model. */
const REFUSED = `generateInference(user('a'), { maxTokens: 0 })`
const NODE = { warnings: true, nodeOptions: ['--expose-gc'] }
const WARNING = /\[VERBATIM_UNOBSERVED_ERROR\] Warning: A run failed, and nobody has awaited or iterated it/g

/** Runs a script, and returns the number of its warnings on stderr beside its end. */
async function warned(body: string, options: Parameters<typeof runScript>[1] = NODE) {
  const { code, stdout, stderr } = await runScript(body, options)
  return { code, stdout, stderr, warnings: [...stderr.matchAll(WARNING)].length }
}

/** The garbage collector: until a condition holds, and until it has collected and told what it had found by the call. */
const COLLECT = `
const turn = () => new Promise((resolve) => setTimeout(resolve, 1))
async function collectUntil(condition) {
  while (!condition()) {
    await turn() // what condition() has looked at stays until the end of the turn
    globalThis.gc()
    await turn()
  }
}
const told = new Set()
const finds = new FinalizationRegistry((name) => told.add(name))
async function collect() {
  const name = {}
  finds.register({}, name)
  await collectUntil(() => told.has(name))
}
const seen = []
process.on('warning', (warning) => seen.push(warning))
`

describe('the error of a run that nobody looked at is one warning', () => {
  test('when the process ends by itself', async () => {
    const { stderr, ...rest } = await warned(`globalThis.kept = ${REFUSED}`)
    expect(rest).toEqual({ code: 0, stdout: '', warnings: 1 })
    expect(stderr).toContain('InvalidOptionError: ')
    expect(stderr).toContain('generate-inference.js') // the way to the call, by its stack
  })

  test('when the process is ended, right after the call too, with its exit code', async () => {
    expect(await warned(`globalThis.kept = ${REFUSED}; process.exit(3)`)).toMatchObject({
      code: 3,
      stdout: '',
      warnings: 1,
    })
  })

  test('when the process dies of an exception', async () => {
    const { code, stderr, warnings } = await warned(`${REFUSED}; throw new Error('mine')`)
    expect({ code, warnings }).toEqual({ code: 1, warnings: 1 })
    expect(stderr).toContain('Error: mine')
  })

  test('when the run is collected, and not once more at the end', async () => {
    expect(
      await warned(`${COLLECT}
      ${REFUSED}
      await collectUntil(() => seen.length > 0)
      console.log(seen.length, seen[0]?.code, seen[0]?.name)`),
    ).toMatchObject({ code: 0, stdout: '1 VERBATIM_UNOBSERVED_ERROR Warning\n', warnings: 1 })
  })

  test('of each such run', async () => {
    expect((await warned(`for (let i = 0; i < 3; i++) ${REFUSED}`)).warnings).toBe(3)
  })

  test('of a run that failed after its start, and of a call on a model that was disposed', async () => {
    const { code, stderr, warnings } = await warned(`
      const model = await loadModel(tinyModel, quick)
      const kept = generateInference(promptOf(300), { model })
      await until(() => kept.partial() === kept.partial()) // it has ended
      await model.dispose()
      generateInference(user('a'), { model })`)
    expect({ code, warnings }).toEqual({ code: 0, warnings: 2 })
    expect(stderr).toContain('ContextOverflowError: ')
    expect(stderr).toContain('DisposedError: ')
  })

  test('of a run that was only asked for its partial output, or cancelled when it had failed', async () => {
    expect((await warned(`${REFUSED}.partial(); ${REFUSED}.cancel()`)).warnings).toBe(2)
  })

  test.each([
    ['ends by itself', ''],
    ['is ended', 'process.exit()'],
  ])('of a worker thread that %s', async (_, end) => {
    const script = workerScript(`globalThis.kept = ${REFUSED}\n${end}`)
    const { code, warnings } = await warned(
      `import { Worker } from 'node:worker_threads'
      new Worker(new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(script)})))`,
      { ...NODE, bare: true },
    )
    expect({ code, warnings }).toEqual({ code: 0, warnings: 1 })
  })
})

describe('there is no warning', () => {
  test.each([
    ['awaited', `await ${REFUSED}.then(null, () => {})`],
    ['awaited late', `const run = ${REFUSED}; await new Promise(setImmediate); await run.catch(() => {})`],
    ['handled by catch', `${REFUSED}.catch(() => {})`],
    ['handled by finally', `${REFUSED}.finally(() => {}).catch(() => {})`],
    ['used as its result', `${REFUSED}.result`],
    ['used as its stream', `${REFUSED}.stream`],
    ['iterated', `try { for await (const _ of ${REFUSED}); } catch {}`],
    ['handled at beforeExit', `const run = ${REFUSED}; process.on('beforeExit', () => run.catch(() => {}))`],
    ['one of Promise.allSettled', `await Promise.allSettled([${REFUSED}])`],
  ])('of a run that was %s, collected or not', async (_, body) => {
    expect(
      await warned(`${COLLECT}
      await (async () => { ${body} })()
      await collect()
      console.log(seen.length)`),
    ).toEqual({ code: 0, stdout: '0\n', stderr: '', warnings: 0 })
  })

  test('of runs that their caller ended: cancel(), a signal, the loop, the model’s end', async () => {
    expect(
      await warned(`${COLLECT}
      const model = await loadModel(tinyModel, { ...quick, maxSequences: 1 })
      const start = (options) => generateInference(user('a'), { model, maxTokens: 200, ...options })
      start({ signal: AbortSignal.abort() })
      const controller = new AbortController()
      start({ signal: controller.signal })
      controller.abort()
      start().cancel()
      for await (const _ of start()) break
      start()
      start()
      await model.dispose()
      await collect()
      console.log(seen.length)`),
    ).toEqual({ code: 0, stdout: '0\n', stderr: '', warnings: 0 })
  })

  test('of a run that ended well', async () => {
    expect(
      await warned(`
      const model = await loadModel(tinyModel, quick)
      const kept = generateInference(user('a'), { model, maxTokens: 1 })
      await until(() => kept.partial() === kept.partial()) // it has ended
      await model.dispose()`),
    ).toEqual({ code: 0, stdout: '', stderr: '', warnings: 0 })
  })

  test.each([
    ['--no-warnings', { nodeOptions: ['--no-warnings'] }],
    ['NODE_NO_WARNINGS', { env: { NODE_NO_WARNINGS: '1' } }],
  ])('on stderr with %s; who listens for warnings gets it', async (_, options) => {
    const listen = `process.on('warning', ({ code, message }) => console.log(code, message.includes('InvalidOptionError')))`
    for (const end of ['', 'process.exit()'])
      expect(
        await warned(`${listen}; globalThis.kept = ${REFUSED}; ${end}`, { warnings: true, ...options }),
      ).toEqual({
        code: 0,
        stdout: 'VERBATIM_UNOBSERVED_ERROR true\n',
        stderr: '',
        warnings: 0,
      })
  })
})

test('what waits to be warned of keeps neither the run nor the process, and listens once', async () => {
  expect(
    await warned(
      `${COLLECT}
    const listeners = () => [process.listenerCount('exit'), process.listenerCount('beforeExit')]
    const before = listeners()
    const runs = Array.from({ length: 1000 }, () => new WeakRef(${REFUSED}))
    console.log(...listeners().map((count, i) => count - before[i]))
    await collectUntil(() => runs.every((run) => run.deref() === undefined) && seen.length === 1000)
    console.log(runs.filter((run) => run.deref()).length, seen.length)`,
      { nodeOptions: ['--expose-gc'] },
    ),
  ).toMatchObject({ code: 0, stdout: '1 0\n0 1000\n' })
})
