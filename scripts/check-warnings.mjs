// Compiles every C++ file of this repository for its warnings, which are errors here and never in a user's build. It takes
// a compiler and CMake, and no build: llama.cpp is not even configured.
import { spawn } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { cppFiles } from './cpp-files.mjs'
import { findTool, repositoryRoot, requireTools, run, SetupFailure, say } from './setup/tools.mjs'

const WORK = 'build-check'

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
  if (!compiler) return say('neither GCC nor Clang is on the PATH: no C++ file was checked for warnings')
  requireTools()
  const llamaCppDir = process.env.LLAMA_CPP_DIR ? resolve(process.env.LLAMA_CPP_DIR) : 'llama.cpp'
  generateArchitectures(llamaCppDir)
  const command = [...(findTool('ccache') ? ['ccache'] : []), compiler, ...compilerOptions(llamaCppDir)]
  const files = cppFiles(/\.cpp$/)
  let failures = 0
  /** @param {number} number */
  const worker = async (number) => {
    for (let file = files.pop(); file !== undefined; file = files.pop())
      if (!(await compiles(command, file, join(WORK, `${number}.o`)))) failures++
  }
  const count = files.length
  await Promise.all(Array.from({ length: availableParallelism() }, (_, number) => worker(number)))
  say(`${count} C++ files compiled, ${failures} with warnings or errors`)
  if (failures > 0) process.exitCode = 1
}

/**
 * What a build generates, by the same code.
 *
 * @param {string} llamaCppDir
 */
function generateArchitectures(llamaCppDir) {
  const script = [`-DLLAMA_CPP_DIR=${resolve(llamaCppDir)}`, '-P', resolve('cmake/architectures.cmake')]
  rmSync(WORK, { recursive: true, force: true })
  mkdirSync(WORK)
  run('cmake', ['-E', 'chdir', WORK, 'cmake', ...script], 'the list of architectures was not made')
}

/**
 * Those of all targets together: what a file takes that its target does not give it, the build itself finds.
 *
 * @param {string} llamaCppDir
 */
function compilerOptions(llamaCppDir) {
  const own = ['cpp', 'test/native', join(WORK, 'generated')]
  const foreign = ['node_modules/node-addon-api', 'node_modules/node-api-headers/include']
  const ofLlama = ['include', 'ggml/include'].map((folder) => join(llamaCppDir, folder))
  const definitions = [
    ...['NAPI_VERSION=8', 'NODE_ADDON_API_CPP_EXCEPTIONS_ALL', 'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS'],
    ...['VERBATIM_VERSION="0"', 'LLAMA_CPP_VERSION="0"'],
    ...['LLAMA_CPP_DIR="."', 'VERBATIM_OUTPUT_DIR="."', 'SOURCE_DIR="."'],
  ]
  return [
    ...['-std=c++20', '-Wall', '-Wextra', '-Werror', '-fPIC'],
    // Not -fsyntax-only: GCC then ends before it sees unused functions, missing returns and cases that fall through.
    ...['-O0', '-c'],
    ...own.map((folder) => `-I${folder}`),
    ...[...ofLlama, ...foreign].flatMap((folder) => ['-isystem', folder]),
    // Last: names there are like our own.
    ...['-idirafter', join(llamaCppDir, 'src')],
    ...definitions.map((definition) => `-D${definition}`),
  ]
}

/**
 * What the compiler says goes to stderr, one file's at a time.
 *
 * @param {readonly string[]} command
 * @param {string} file
 * @param {string} object
 * @returns {Promise<boolean>}
 */
function compiles(command, file, object) {
  return new Promise((done, reject) => {
    const [program = '', ...options] = command
    const child = spawn(program, [...options, '-o', object, file], { stdio: ['ignore', 'ignore', 'pipe'] })
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
