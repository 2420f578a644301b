// The programs of README.md and docs/ run as they are printed, as .mjs and as .ts, on the Node.js that runs the tests. A
// program has imports. Other code is a piece that goes on from one: it runs with the names that the text around it has.
import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { loadModel, type Model } from 'verbatim-llama'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { repository } from './support/installed-package.js'
import { longModel } from './support/model.js'
import { type RunningWorker, startWorker } from './support/worker.js'

const boxModel = join(repository, 'models/verbatim-tiny.gguf')
const ADDRESS = 'localhost:8080'

interface Block {
  /** Place, such as `README.md:10`. */
  readonly name: string
  readonly language: string
  readonly code: string
}

function blocksOf(page: string): Block[] {
  const text = readFileSync(join(repository, page), 'utf8')
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(({ 1: language = '', 2: code = '', index }) => ({
    name: `${page}:${text.slice(0, index).split('\n').length}`,
    language,
    code,
  }))
}

const pages = ['docs', 'docs/api'].flatMap((parent) =>
  readdirSync(join(repository, parent))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${parent}/${name}`),
)
const blocks = ['README.md', ...pages].flatMap(blocksOf)
const scripts = blocks.filter(({ language }) =>
  ['js', 'mjs', 'ts', 'javascript', 'typescript'].includes(language),
)
const programs = scripts.filter(({ code }) => /^import /m.test(code))
const pieces = scripts.filter((block) => !programs.includes(block))
const commands = blocks.filter(({ language, code }) => language === 'sh' && /^curl /m.test(code))

/** A declaration of a resource, which is a SyntaxError in JavaScript before Node.js 24. */
const USING = /(?:^|[;{}(])\s*(?:await\s+)?using\s+[\w$]+\s*(?:=|of\b)/m

// The names that the pieces go on from.
const NAMES = `
  const library = await import('verbatim-llama')
  const worker = await import('verbatim-llama/worker')
  Object.assign(globalThis, library, worker, {
    model: await library.loadModel(${JSON.stringify(boxModel)}, { threads: 1 }),
    messages: [{ role: 'user', content: 'Hello' }],
    tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }],
    path: ${JSON.stringify(longModel)},
    source: '{{ messages[0].content }}',
    signal: new AbortController().signal,
    enough: () => true,
  })
  const outcomes = {}
  for (const file of process.argv.slice(2))
    outcomes[file] = await import(file).then(() => 'ran', (error) => String(error))
  console.log('\\n' + JSON.stringify(outcomes))
  process.exit()`
const DECLARATIONS = `
  import type * as library from 'verbatim-llama'
  declare global {
    const model: library.Model
    const messages: readonly library.Message[]
    const tools: readonly { readonly [name: string]: unknown }[]
    const path: string
    const source: string
    const signal: AbortSignal
    const enough: (text: string) => boolean
    const loadModel: typeof library.loadModel
    const generateInference: typeof library.generateInference
    const estimateMemory: typeof library.estimateMemory
    const verifyReceipt: typeof library.verifyReceipt
    const ChatTemplate: typeof library.ChatTemplate
  }`
const TSCONFIG = {
  extends: join(repository, 'tsconfig.json'),
  compilerOptions: {
    noEmit: true,
    rootDir: '/',
    noUnusedLocals: false,
    noUnusedParameters: false,
    moduleDetection: 'force',
    allowJs: true,
  },
  include: ['*.ts', 'globals.d.ts'],
}

// Inside the repository, where the package finds itself by its name and the packages that are used beside it.
let folder: string
let model: Model
let worker: RunningWorker
beforeAll(async () => {
  mkdirSync(join(repository, 'build'), { recursive: true })
  folder = mkdtempSync(join(repository, 'build/readme-'))
  symlinkSync(boxModel, join(folder, 'qwen2.5-7b-instruct-q4_k_m.gguf'))
  symlinkSync(boxModel, join(folder, 'model.gguf'))
  model = await loadModel(boxModel, { threads: 1 })
  worker = await startWorker({ model, modelId: 'model' })
  for (const block of scripts)
    for (const ending of ['mjs', 'ts'])
      writeFileSync(join(folder, fileOf(block, ending)), atWorker(block.code))
  writeFileSync(join(folder, 'names.mjs'), NAMES)
  writeFileSync(join(folder, 'globals.d.ts'), DECLARATIONS)
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(TSCONFIG))
})
afterAll(async () => {
  await worker.close()
  await model.dispose()
  rmSync(folder, { recursive: true })
})

const fileOf = ({ name }: Block, ending: string) => `${name.replace(/\W+/g, '-')}.${ending}`

/** The code with the test's worker in place of the one that the text has started. */
const atWorker = (code: string) => code.replaceAll(ADDRESS, new URL(worker.url).host)

/** Runs a program without blocking: the worker answers in this process. */
async function run(program: string, args: readonly string[]) {
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text))
  const status = await new Promise((resolve) =>
    child.once('close', (code, signal) => resolve(code ?? signal)),
  )
  return { status, stdout, stderr }
}

/** Arguments of Node.js for a file of this ending. */
const argumentsFor = (ending: string) => (ending === 'ts' ? ['--import', 'tsx'] : [])

test('there are programs, pieces and commands to be checked', () => {
  const names = (list: readonly Block[]) => new Set(list.map(({ name }) => name.replace(/:.*/, '')))
  expect(names(programs)).toEqual(new Set(['README.md', 'docs/worker.md']))
  expect(names(pieces)).toEqual(
    new Set(['README.md', 'docs/api/verbatim-llama.md', 'docs/installing.md', 'docs/verbatim.md']),
  )
  expect(names(commands)).toEqual(new Set(['docs/worker.md']))
})

// The tests may run on a later Node.js, which has these declarations.
test.each(scripts)(
  'the JavaScript of $name has no declaration that Node.js 20 and 22 do not parse',
  ({ code }) => {
    expect(code).not.toMatch(USING)
  },
)

test('such a declaration is known by its text', () => {
  for (const code of ['await using model = f()', '  using model = f()', 'for (await using model of f()) g()'])
    expect(code).toMatch(USING)
  for (const code of ['// using the model', "import { using } from 'x'", 'model.using(1)'])
    expect(code).not.toMatch(USING)
})

describe.each(['mjs', 'ts'])('as .%s', (ending) => {
  test.each(programs)('the program $name runs', async (block) => {
    const { status, stdout, stderr } = await run(process.execPath, [
      ...argumentsFor(ending),
      fileOf(block, ending),
    ])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    if (block.code.includes('process.stdout.write')) expect(stdout).not.toBe('')
  })

  test('the pieces run', async () => {
    const files = pieces.map((block) => `./${fileOf(block, ending)}`)
    const { stdout, stderr } = await run(process.execPath, [...argumentsFor(ending), 'names.mjs', ...files])
    expect(stderr).toBe('')
    expect(JSON.parse(stdout.split('\n').findLast((line) => line.startsWith('{')) ?? '{}')).toEqual(
      Object.fromEntries(files.map((file) => [file, 'ran'])),
    )
  })
})

test('as TypeScript they have no error of types', () => {
  const tsc = join(repository, 'node_modules/typescript/bin/tsc')
  const { stdout, status }: SpawnSyncReturns<string> = spawnSync(process.execPath, [tsc, '-p', folder], {
    encoding: 'utf8',
  })
  expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
})

const hasCurl = spawnSync('curl', ['--version']).status === 0
test.skipIf(!hasCurl).each(commands)('the commands $name are answered by a worker', async ({ code }) => {
  const strict = 'set -e; curl() { command curl --silent --show-error --fail-with-body "$@"; echo; }\n'
  const { status, stdout, stderr } = await run('bash', ['-c', strict + atWorker(code)])
  expect({ status, stderr, stdout: status === 0 ? '' : stdout }).toEqual({
    status: 0,
    stderr: '',
    stdout: '',
  })
  const answers = code.match(/^curl /gm) ?? []
  if (code.includes('"stream": true')) expect(stdout).toMatch(/^event: delta\n[\s\S]*\nevent: done\n/)
  else
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => typeof JSON.parse(line)),
    ).toEqual(answers.map(() => 'object'))
})
