// Two llama.cpp bindings in one process: ours and node-llama-cpp. Every scenario runs in a process of its own, in which
// each library must generate the same greedy tokens as alone.
//
//   npm run test:peers    (installs node-llama-cpp here when it is missing: about 85 MB)
//
// Environment: VERBATIM_LLAMA_PACKAGE=<folder of an installed package> to take instead of this repository's build
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const ourPackage = process.env.VERBATIM_LLAMA_PACKAGE ?? join(here, '../..')
const modelPath = join(here, '../../models/generated/tiny-Q8_0.gguf')
const messages = [{ role: 'user', content: 'How many bindings of llama.cpp fit into one process?' }]
const maxTokens = 48
const threads = 1 // their threads spin, which on a busy machine takes minutes

/** Each step runs everything in it at once; `exit` calls process.exit() meanwhile. */
const alone = { ours: [['ours']], theirs: [['theirs']] }
const together = {
  'ours first': [['ours'], ['theirs'], ['ours']],
  'theirs first': [['theirs'], ['ours'], ['theirs']],
  'loaded and run at once': [
    ['ours', 'theirs'],
    ['ours', 'theirs'],
  ],
  'exit while generating': [['ours'], ['theirs'], ['ours', 'exit']],
}

if (process.platform !== 'linux' || process.arch !== 'x64') {
  console.log('only for Linux x64: nothing was checked')
} else if (process.argv[2] === undefined) {
  await checkAll()
} else {
  await runScenario({ ...alone, ...together }[process.argv[2]])
}

async function checkAll() {
  install()
  const { makeModel } = await import('../../scripts/make-model.ts')
  await makeModel({ shape: 'tiny' })
  const expected = { ours: runApart('ours').ours[0], theirs: runApart('theirs').theirs[0] }
  for (const scenario of Object.keys(together)) {
    const { ours, theirs, libraries } = runApart(scenario)
    for (const tokens of ours) equal(tokens, expected.ours, `${scenario}: our tokens`)
    for (const tokens of theirs) equal(tokens, expected.theirs, `${scenario}: their tokens`)
    for (const name of [
      /^verbatim-llama\.(glibc\.)?node$/,
      /^libverbatim-llama-.*-llama\.so$/,
      'llama-addon.node',
      /^libllama\./,
    ])
      if (!libraries.some((library) => library.match(name)))
        throw new Error(`${scenario}: ${name} is not mapped; mapped are ${libraries.join(', ')}`)
    console.log(
      `ok  ${scenario}: ${ours.length + theirs.length} runs, ${libraries.length} libraries of llama.cpp`,
    )
  }
}

function install() {
  if (existsSync(join(here, 'node_modules/node-llama-cpp/package.json'))) return
  // Leave out other platforms' binaries, and the script that would build llama.cpp when no binary suits it.
  const options = [
    'install',
    '--no-package-lock',
    '--omit=optional',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
  ]
  const { status } = spawnSync('npm', options, { cwd: here, stdio: ['ignore', 2, 2] })
  if (status !== 0) throw new Error('node-llama-cpp could not be installed')
}

function runApart(scenario) {
  const child = spawnSync(process.execPath, [fileURLToPath(import.meta.url), scenario], {
    encoding: 'utf8',
    timeout: 120_000,
  })
  const report = child.stdout.split('\n').find((line) => line.startsWith('{'))
  if (child.status !== 0 || child.signal !== null || report === undefined)
    throw new Error(`${scenario}: ended with ${child.signal ?? `status ${child.status}`}\n${child.stderr}`)
  return JSON.parse(report)
}

async function runScenario(steps) {
  const open = { ours: openOurs, theirs: openTheirs }
  const opened = {}
  const results = { ours: [], theirs: [] }
  const run = async (name) => {
    opened[name] ??= open[name]()
    results[name].push(await (await opened[name]).generate())
  }
  const report = () =>
    process.stdout.write(`${JSON.stringify({ ...results, libraries: mappedLibraries() })}\n`)
  for (const step of steps) {
    if (step.at(-1) === 'exit') {
      for (const name of step.slice(0, -1)) run(name)
      report()
      setTimeout(() => process.exit(0), 5)
      return
    }
    await Promise.all(step.map(run))
  }
  report()
  for (const library of Object.values(opened)) await (await library).close()
}

async function openOurs() {
  const { loadModel, generateInference } = await import(pathToFileURL(join(ourPackage, 'dist/index.js')).href)
  const model = await loadModel(modelPath, { contextSize: 512, threads })
  const generate = async () => {
    const options = { model, maxTokens, temperature: 0, ignoreEndOfSequence: true }
    return [...(await generateInference(messages, options)).tokenIds]
  }
  return { generate, close: () => model.dispose() }
}

async function openTheirs() {
  const { getLlama, LlamaLogLevel } = await import('node-llama-cpp')
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    maxThreads: threads,
    logLevel: LlamaLogLevel.error,
  })
  const model = await llama.loadModel({ modelPath })
  const context = await model.createContext({ contextSize: 512, sequences: 4, threads })
  const generate = async () => {
    const sequence = context.getSequence()
    const tokens = []
    for await (const token of sequence.evaluate(model.tokenize(messages[0].content), { temperature: 0 })) {
      tokens.push(token)
      if (tokens.length === maxTokens) break
    }
    sequence.dispose()
    return tokens
  }
  return { generate, close: () => llama.dispose() }
}

function mappedLibraries() {
  const paths = readFileSync('/proc/self/maps', 'utf8').matchAll(
    /\/\S*\/([^/\s]*(?:llama|ggml)[^/\s]*\.(?:so|node))$/gm,
  )
  return [...new Set([...paths].map(([, name]) => name))].sort()
}

function equal(tokens, expected, what) {
  if (tokens.length !== maxTokens || JSON.stringify(tokens) !== JSON.stringify(expected))
    throw new Error(`${what} are not the same as alone:\n  ${tokens}\n  ${expected}`)
}
