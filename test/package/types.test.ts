import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { application, repository, run, tools } from './support.js'

const RIGHT = `
import {
  ContextOverflowError, generateInference, type Inference, type InferenceResult, loadModel, type Message, type Model,
  VerbatimError, verifyReceipt,
} from 'verbatim-llama'

const messages: readonly Message[] = [{ role: 'user', content: 'Hello' }]
export async function ask(path: string, signal: AbortSignal): Promise<string> {
  await using model: Model = await loadModel(path, { contextSize: 512, signal, onLog: ({ level, message }) => void (level + message) })
  const run: Inference = generateInference(messages, { model, maxTokens: 8, temperature: 0.7, topP: 0.9 })
  for await (const { text } of run) text.toUpperCase()
  const result: InferenceResult = await run
  const { ok } = await verifyReceipt(result.receipt, { model, messages })
  return ok ? result.text : result.finishReason
}
export function excess(error: unknown): number {
  if (error instanceof VerbatimError && error.code === 'CONTEXT_OVERFLOW') return 1
  return error instanceof ContextOverflowError ? error.overflowBy : 0
}
`

/** Each line after the import must be an error. */
const WRONG = `
import { generateInference, loadModel, type Model } from 'verbatim-llama'
declare const model: Model
loadModel('x', { contextsize: 1 })
loadModel(1)
generateInference([{ role: 'user', content: 'x' }], { maxTokens: 1 })
generateInference(1, { model })
generateInference([{ role: 'user', content: 'x' }], { model, maxTokens: '1' })
model.info.threads = 2
`

describe.each([
  { compiler: 'TypeScript 5', tsc: join(tools, 'typescript/bin/tsc') },
  { compiler: "this repository's TypeScript", tsc: join(repository, 'node_modules/typescript/bin/tsc') },
])('$compiler', ({ tsc }) => {
  describe.each([
    { module: 'nodenext', moduleResolution: 'nodenext' },
    { module: 'esnext', moduleResolution: 'bundler' },
  ])('resolving like $moduleResolution', (options) => {
    const folder = join(application, `types-${options.moduleResolution}`)
    const compile = (name: string, text: string, status?: number | null) => {
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, name), text)
      const compilerOptions = {
        ...options,
        ...{
          target: 'es2022',
          lib: ['es2023', 'esnext.disposable'],
          strict: true,
          skipLibCheck: false,
          noEmit: true,
        },
        ...{ types: ['node'], typeRoots: [join(tools, '@types')] },
      }
      writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [name] }))
      return run(process.execPath, [tsc, '-p', folder], { cwd: folder, status })
    }

    test('accepts what is right', async () => {
      await compile('right.ts', RIGHT)
    })

    test('refuses what is wrong', async () => {
      const { stdout } = await compile('wrong.ts', WRONG, null)
      const lines = [...stdout.matchAll(/^.*wrong\.ts\((\d+),\d+\)/gm)].map(([, line]) => Number(line))
      expect([...new Set(lines)].sort()).toEqual([4, 5, 6, 7, 8, 9])
    })
  })
})
