// Configures and builds the addon and its backends: CMake with the headers of Node-API.
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { forgetFormerPlace } from './moved-build.mjs'
import { fail, repositoryRoot, run } from './tools.mjs'

const cmakeJs = join(repositoryRoot, 'node_modules/cmake-js/bin/cmake-js')

/**
 * Configures a build. Call it before every one: cmake-js would go on with the options of the last time.
 *
 * @param {string} folder
 * @param {readonly string[]} options
 */
export function configureNative(folder, options) {
  forgetFormerPlace(folder)
  const refusal = join(folder, 'verbatim-refusal.txt')
  rmSync(refusal, { force: true })
  try {
    runCmakeJs('configure', folder, options, 'CMake could not configure')
  } catch (error) {
    // Where our own files refused, say why, last.
    if (existsSync(refusal)) fail(readFileSync(refusal, 'utf8'))
    throw error
  }
}

/**
 * Builds everything, or the targets that `options` name.
 *
 * @param {string} folder
 * @param {readonly string[]} [options]
 */
export function compileNative(folder, options = []) {
  runCmakeJs('build', folder, [...jobs(folder), ...options], 'the native build failed')
}

/**
 * @param {string} command
 * @param {string} folder
 * @param {readonly string[]} options
 * @param {string} reason
 */
function runCmakeJs(command, folder, options, reason) {
  run(process.execPath, [cmakeJs, command, '--out', folder, '--log-level', 'warn', ...options], reason)
}

/**
 * Options for the number of jobs: Ninja uses every core by itself, Make does not.
 *
 * @param {string} folder
 */
function jobs(folder) {
  const wanted = process.env.VERBATIM_JOBS
  if (wanted && !/^[1-9]\d*$/.test(wanted)) fail(`VERBATIM_JOBS must be an integer from 1, not '${wanted}'`)
  if (wanted) return ['--parallel', wanted]
  const cache = readFileSync(join(folder, 'CMakeCache.txt'), 'utf8')
  return cache.includes('CMAKE_GENERATOR:INTERNAL=Ninja')
    ? []
    : ['--parallel', String(availableParallelism())]
}
