// Build folders of a clone that was moved or copied since. CMake refuses them: their cache names the places of before.
import { existsSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { say } from './tools.mjs'

/**
 * The place for which a build folder was configured, where that is another one than now.
 *
 * @param {string} folder
 * @param {string} [source] folder of the CMakeLists.txt
 * @returns {string | undefined}
 */
export function formerPlace(folder, source = '.') {
  const path = join(folder, 'CMakeCache.txt')
  if (!existsSync(path)) return undefined
  const cache = readFileSync(path, 'utf8')
  const places = { CMAKE_CACHEFILE_DIR: folder, CMAKE_HOME_DIRECTORY: source }
  for (const [name, now] of Object.entries(places)) {
    const before = new RegExp(`^${name}:INTERNAL=(.*)$`, 'm').exec(cache)?.[1]?.trim()
    if (before !== undefined && !isSame(before, now)) return before
  }
  return undefined
}

/**
 * Lets the next configuration of a moved build folder begin anew, and tells so in a line.
 *
 * @param {string} folder
 * @param {string} [source] folder of the CMakeLists.txt
 */
export function forgetFormerPlace(folder, source = '.') {
  const before = formerPlace(folder, source)
  if (before === undefined) return
  say(
    `${folder}/ was configured for ${before}, and the folder has been moved or copied since: configuring it anew`,
  )
  for (const name of ['CMakeCache.txt', 'CMakeFiles'])
    rmSync(join(folder, name), { recursive: true, force: true })
}

/**
 * @param {string} before
 * @param {string} now
 */
function isSame(before, now) {
  return existsSync(before) && realpathSync.native(before) === realpathSync.native(now)
}
