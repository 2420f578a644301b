// Compiles every C++ file of this repository for its warnings, which are errors here and never in a user's build. It takes
// a compiler and CMake, and no build: llama.cpp is not even configured. What has passed is not compiled again before it,
// a header of it or the compiler changes.
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { PassedFiles } from './check-warnings/passed-files.mjs'
import { cppFiles } from './cpp-files.mjs'
import { hashFiles } from './setup/stamp.mjs'
import { findTool, repositoryRoot, requireTools, run, SetupFailure, say } from './setup/tools.mjs'

const WORK = 'build-check'
/** Includes every header that is not ours. Compiled once for all: they are most of what there is to read. */
const FOREIGN = join(WORK, 'foreign-headers.h')
const DEFINITIONS = [
  ...['NAPI_VERSION=8', 'NODE_ADDON_API_CPP_EXCEPTIONS_ALL', 'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS'],
  ...['VERBATIM_VERSION="0"', 'LLAMA_CPP_VERSION="0"'],
  ...['LLAMA_CPP_DIR="."', 'VERBATIM_OUTPUT_DIR="."', 'SOURCE_DIR="."'],
]

process.chdir(repositoryRoot)
try {
  await checkWarnings()
} catch (error) {
  if (!(error instanceof SetupFailure)) throw error
  say(error.message)
  process.exitCode = 1
}

async function checkWarnings() {
  const compiler = process.env.CXX || ['c++', 'g++', 'clang++'].find(findTool)
  if (!compiler) throw new SetupFailure('neither GCC nor Clang is on the PATH')
  requireTools()
  const llamaCppDir = process.env.LLAMA_CPP_DIR ? resolve(process.env.LLAMA_CPP_DIR) : 'llama.cpp'
  mkdirSync(WORK, { recursive: true })
  generateArchitectures(llamaCppDir)
  const version = spawnSync(compiler, ['--version'], { encoding: 'utf8' }).stdout
  const command = [compiler, ...compilerOptions(llamaCppDir)]
  const common = `${version} ${command} ${hashFiles(['llama.cpp.json', 'package-lock.json'])}`
  const passed = new PassedFiles(join(WORK, 'passed.json'), common)
  const files = cppFiles(/\.cpp$/)
  const stale = files.filter((file) => !passed.has(file))
  if (stale.length > 0) {
    const mode = version.includes('clang') ? ['-fsyntax-only'] : prepareGcc(command)
    await compileAll([...command, ...mode], stale, passed)
    passed.write()
  }
  const failures = stale.filter((file) => !passed.has(file)).length
  say(`${files.length} C++ files, ${stale.length} of them compiled, ${failures} with warnings or errors`)
  if (failures > 0) process.exitCode = 1
}

/**
 * Generates the file that a build generates, by the same code.
 *
 * @param {string} llamaCppDir
 */
function generateArchitectures(llamaCppDir) {
  const script = [`-DLLAMA_CPP_DIR=${resolve(llamaCppDir)}`, '-P', resolve('cmake/architectures.cmake')]
  run('cmake', ['-E', 'chdir', WORK, 'cmake', ...script], 'the list of architectures was not made')
}

/**
 * Options of all targets together; a file that uses more than its own target has fails in the build itself.
 *
 * @param {string} llamaCppDir
 */
function compilerOptions(llamaCppDir) {
  const own = ['cpp', 'test/native', join(WORK, 'generated')]
  const foreign = [
    ...['include', 'ggml/include'].map((folder) => join(llamaCppDir, folder)),
    ...['node_modules/node-addon-api', 'node_modules/node-api-headers/include'],
  ]
  return [
    ...['-std=c++20', '-Wall', '-Wextra', '-Werror', '-fPIC'],
    ...own.map((folder) => `-I${folder}`),
    ...foreign.flatMap((folder) => ['-isystem', folder]),
    // Last: it has names that are like our own.
    ...['-idirafter', join(llamaCppDir, 'src')],
    ...DEFINITIONS.map((definition) => `-D${definition}`),
  ]
}

/**
 * GCC's -fsyntax-only ends before it sees unused functions, missing returns and cases that fall through. For link-time
 * optimization it goes on to that, and makes no machine code, which takes as long again.
 *
 * @param {readonly string[]} command
 */
function prepareGcc([compiler = '', ...options]) {
  const mode = ['-O0', '-flto']
  writeFileSync(FOREIGN, foreignHeaders())
  const compile = [...options, ...mode, '-x', 'c++-header', FOREIGN, '-o', `${FOREIGN}.gch`]
  run(compiler, compile, 'the headers that are not ours were not compiled')
  return [...mode, '-S', '-include', FOREIGN]
}

/** Includes of the foreign headers that exist here. */
function foreignHeaders() {
  const names = cppFiles(/\.(h|cpp)$/).flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/^#include (<.*>)/gm)].map(([, name]) => name),
  )
  return [...new Set(names)]
    .sort()
    .map((name) => `#if __has_include(${name})\n#include ${name}\n#endif\n`)
    .join('')
}

/**
 * @param {readonly string[]} command
 * @param {readonly string[]} files
 * @param {PassedFiles} passed
 */
async function compileAll(command, files, passed) {
  const waiting = [...files]
  /** @param {number} number */
  const worker = async (number) => {
    const dependencies = join(WORK, `${number}.d`)
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift())
      if (await compiles([...command, '-MMD', '-MF', dependencies, '-o', join(WORK, `${number}.s`), file]))
        passed.add(file, inputsIn(readFileSync(dependencies, 'utf8')))
  }
  await Promise.all(Array.from({ length: availableParallelism() }, (_, number) => worker(number)))
  rmSync(`${FOREIGN}.gch`, { force: true })
}

/**
 * Compiles one file; prints its messages together.
 *
 * @param {readonly string[]} command
 * @returns {Promise<boolean>}
 */
function compiles([compiler = '', ...options]) {
  return new Promise((done, reject) => {
    const child = spawn(compiler, options, { stdio: ['ignore', 'ignore', 'pipe'] })
    let output = ''
    child.stderr.setEncoding('utf8').on('data', (text) => {
      output += text
    })
    child.once('error', reject)
    child.once('close', (status) => {
      process.stderr.write(output)
      done(status === 0)
    })
  })
}

/**
 * Returns the files that a Make rule names.
 *
 * @param {string} rule
 */
function inputsIn(rule) {
  return rule
    .replace(/^[^:]*:/, '')
    .split(/[\s\\]+/)
    .filter((path) => path !== '' && !path.endsWith('.gch'))
}
