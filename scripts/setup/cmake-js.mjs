// CMake with the headers of Node-API: how the addon and its backends are configured and built.
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { repositoryRoot, run } from './tools.mjs'

const cmakeJs = join(repositoryRoot, 'node_modules/cmake-js/bin/cmake-js')

/**
 * Always before a build: cmake-js would go on with the options of the last time.
 *
 * @param {string} folder
 * @param {readonly string[]} options
 */
export function configureNative(folder, options) {
  runCmakeJs('configure', folder, options, 'CMake could not configure')
}

/**
 * Builds everything, or what `options` name.
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
 * Ninja uses every core unasked; Make must be told.
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
