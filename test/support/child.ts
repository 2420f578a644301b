import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { longModel, plainModel, spmModel, tinyModel } from './model.js'

const indexUrl = new URL('../../dist/index.js', import.meta.url)

/** The end of a child process, and its output. */
export interface ChildResult {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** Constants for scripts of {@link runScript}, and for those of workers with {@link workerScript}. */
const CONSTANTS = `
const indexUrl = ${JSON.stringify(indexUrl.href)}
const indexPath = ${JSON.stringify(fileURLToPath(indexUrl))}
const [tinyModel, longModel, plainModel, spmModel] = ${JSON.stringify([tinyModel, longModel, plainModel, spmModel])}
const user = (content) => [{ role: 'user', content }]
const promptOf = (tokens) => user(' a'.repeat(tokens))
const quick = { contextSize: 256, threads: 1, chatTemplate: '{{ messages[0].content }}' }
const long = { ...quick, contextSize: 32768 }
async function until(condition) {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1))
}
`

const IMPORT = `const { loadModel, generateInference } = await import(indexUrl)
`

/**
 * The text of a script for `new Worker(text, { eval: true })` in a script of {@link runScript}, whose worker threads
 * are ES modules like itself. It has `parentPort` and `workerData`.
 */
export function workerScript(body: string): string {
  return `import { parentPort, workerData } from 'node:worker_threads'
${CONSTANTS}${IMPORT}${body}`
}

/**
 * Runs a script (an ES module) in a Node.js process of its own. `loadModel` and `generateInference` are there
 * unless `bare`; a child that does not end by itself within a minute (or `limitMs`) is killed, which shows in `signal`.
 */
export function runScript(
  body: string,
  options: {
    nodeOptions?: readonly string[]
    bare?: boolean
    /** True shows the warnings of Node.js on stderr. */
    warnings?: boolean
    env?: NodeJS.ProcessEnv
    limitMs?: number
  } = {},
): Promise<ChildResult> {
  const script = `${CONSTANTS}${options.bare ? '' : IMPORT}${body}`
  const child = spawn(
    process.execPath,
    [
      ...(options.warnings ? [] : ['--no-warnings']),
      ...(options.nodeOptions ?? []),
      '--input-type=module',
      '--eval',
      script,
    ],
    { env: { ...process.env, NODE_OPTIONS: '', ...options.env }, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const killer = setTimeout(() => child.kill('SIGKILL'), options.limitMs ?? 55_000)
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(killer)
      resolve({ code, signal, stdout, stderr })
    })
  })
}

/** Runs a script that must end by itself, with this exit code and this output, and nothing on stderr. */
export async function expectScript(
  body: string,
  expected: { readonly stdout: string; readonly code?: number },
  options?: Parameters<typeof runScript>[1],
): Promise<void> {
  const result = await runScript(body, options)
  expect(result).toEqual({ code: expected.code ?? 0, signal: null, stdout: expected.stdout, stderr: '' })
}
