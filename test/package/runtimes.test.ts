import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'
import { application, model, NODE_VERSIONS, nodeOf, run, tools } from './support.js'

const require = createRequire(join(tools, 'x.js'))

/** Generates the same tokens in every way to load the package. */
const GENERATE = `
  const model = await loadModel(${JSON.stringify(model)}, { contextSize: 512, threads: 1 })
  const messages = [{ role: 'user', content: 'One package, many ways to load it.' }]
  const { tokenIds } = await generateInference(messages, { model, maxTokens: 16, temperature: 0 })
  await model.dispose()`
const SCRIPTS = {
  'import.mjs': `
    import { generateInference, loadModel } from 'verbatim-llama'
    ${GENERATE}
    console.log(JSON.stringify([...tokenIds]))`,
  'require.cjs': `
    const { generateInference, loadModel } = require('verbatim-llama')
    void (async () => {
      ${GENERATE}
      console.log(JSON.stringify([...tokenIds]))
    })()`,
  'worker-thread.mjs': `
    import { Worker, isMainThread, parentPort } from 'node:worker_threads'
    import { fileURLToPath } from 'node:url'
    import { generateInference, loadModel } from 'verbatim-llama'
    if (isMainThread) {
      const ask = () => new Promise((resolve, reject) => {
        const worker = new Worker(fileURLToPath(import.meta.url))
        worker.once('message', resolve).once('error', reject)
      })
      const [first, second] = await Promise.all([ask(), ask()])
      if (first !== second) throw new Error(first + ' is not ' + second)
      console.log(first)
    } else {
      ${GENERATE}
      parentPort.postMessage(JSON.stringify([...tokenIds]))
    }`,
}

let expected: string
beforeAll(async () => {
  for (const [name, text] of Object.entries(SCRIPTS)) writeFileSync(join(application, name), text)
  expected = (await run(nodeOf(20), ['import.mjs'])).stdout
  expect(JSON.parse(expected).length).toBeGreaterThan(0)
})

describe.each(NODE_VERSIONS)('Node.js %i', (major) => {
  test.each(Object.keys(SCRIPTS))('runs %s', async (script) => {
    expect(await run(nodeOf(major), [script])).toEqual({ stdout: expected, stderr: '' })
  })
})

describe('a bundle', () => {
  const source = join(application, 'bundled.mjs')
  const bundles = join(application, 'bundles')
  const moved = join(application, 'deployed')
  beforeAll(() => {
    rmSync(bundles, { recursive: true, force: true })
    rmSync(moved, { recursive: true, force: true })
    mkdirSync(moved)
    writeFileSync(source, SCRIPTS['import.mjs'])
  })

  /** Runs a bundle from another folder than the one it was made in. */
  async function expectBundle(name: string): Promise<void> {
    expect(readdirSync(bundles)).toContain(name)
    renameSync(join(bundles, name), join(moved, name))
    for (const major of [20, 26])
      expect(await run(nodeOf(major), [join(moved, name)])).toEqual({ stdout: expected, stderr: '' })
  }

  test.each([
    { what: 'the package external', external: ['verbatim-llama'], format: 'esm', extension: 'mjs' },
    { what: 'the package external, CommonJS', external: ['verbatim-llama'], format: 'cjs', extension: 'cjs' },
    { what: 'only what is native external', external: [], format: 'esm', extension: 'mjs' },
  ])('by esbuild runs from another folder, $what', async ({ external, format, extension }) => {
    const name = `esbuild-${external.length}.${extension}`
    const entry = format === 'cjs' ? join(application, 'require.cjs') : source
    const { warnings } = await require('esbuild').build({
      ...{
        entryPoints: [entry],
        outfile: join(bundles, name),
        bundle: true,
        platform: 'node',
        format,
        external,
      },
    })
    expect(warnings).toEqual([])
    await expectBundle(name)
  })

  test.each([
    { what: 'the package external', externals: { 'verbatim-llama': 'module verbatim-llama' } },
    { what: 'only what is native external', externals: {} },
  ])('by webpack runs from another folder, $what', async ({ externals }) => {
    const name = `webpack-${Object.keys(externals).length}.mjs`
    const stats = await promisify(require('webpack'))({
      ...{ mode: 'production', target: 'node20', entry: source, externals },
      ...{ experiments: { outputModule: true }, output: { path: bundles, filename: name, module: true } },
      // Keep paths of this machine out of the bundle, which may run on another.
      module: { parser: { javascript: { importMeta: false, createRequire: false } } },
    })
    expect(stats.toJson({ all: false, errors: true, warnings: true })).toMatchObject({
      errors: [],
      warnings: [],
    })
    await expectBundle(name)
  })
})
