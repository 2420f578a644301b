// Configures and builds the addon and its backends: CMake with the headers of Node-API.
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { repositoryRoot, run } from './tools.mjs'

const cmakeJs = join(repositoryRoot, 'node_modules/cmake-js/bin/cmake-js')

/**
 * Configures a build. Call it before every one: cmake-js would go on with the options of the last time.
 *
 * @param {string} folder
 * @param {readonly string[]} options
 */
export function configureNative(folder, options) {
  runCmakeJs('configure', folder, options, 'CMake could not configure')
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
  if (wanted) return ['--parallel', wanted]
  const cache = readFileSync(join(folder, 'CMakeCache.txt'), 'utf8')
  return cache.includes('CMAKE_GENERATOR:INTERNAL=Ninja')
    ? []
    : ['--parallel', String(availableParallelism())]
}
