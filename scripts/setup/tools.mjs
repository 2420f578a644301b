// Programs that the set-up runs and looks for.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const repositoryRoot = resolve(dirname(fileURLToPath(import.meta.url)), '../..')

/** @param {string} message */
export function say(message) {
  process.stderr.write(`[setup] ${message}\n`)
}

/** A failure with a message for the user; setup.mjs prints it and ends with status 1. */
export class SetupFailure extends Error {}

/**
 * @param {string} message
 * @returns {never}
 */
export function fail(message) {
  throw new SetupFailure(message)
}

/**
 * Runs a command with its output on stderr; fails with the reason.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {string} reason
 */
export function run(command, args, reason) {
  const windowsShell = process.platform === 'win32' && command === 'npm'
  const result = spawnSync(command, args, { stdio: ['ignore', 2, 2], shell: windowsShell })
  if (result.error) fail(`${reason}: ${result.error.message}`)
  if (result.status !== 0)
    fail(`${reason} (${command} ended with ${result.signal ?? `status ${result.status}`})`)
}

/**
 * The path of a program on the PATH, or undefined.
 *
 * @param {string} name
 */
export function findTool(name) {
  const endings = process.platform === 'win32' ? ['.exe', '.cmd', '.bat'] : ['']
  for (const folder of (process.env.PATH ?? '').split(delimiter))
    for (const ending of endings)
      if (folder && existsSync(join(folder, name + ending))) return join(folder, name + ending)
  return undefined
}

export function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19))
    fail(
      `Node ${process.versions.node} is too old: verbatim-llama needs Node 20.19 or later (https://nodejs.org)`,
    )
}

const remedies = {
  git: { debian: 'git', macos: 'xcode-select --install', windows: 'winget install Git.Git' },
  cmake: { debian: 'cmake', macos: 'brew install cmake', windows: 'winget install Kitware.CMake' },
  'a C++20 compiler': {
    debian: 'g++',
    macos: 'xcode-select --install',
    windows: 'winget install Microsoft.VisualStudio.2022.BuildTools',
  },
}

/** Names every missing build tool at once, each with the way to get it on this system. */
export function requireTools() {
  /** @type {(keyof typeof remedies)[]} */
  const missing = []
  if (!findTool('git')) missing.push('git')
  if (!findTool('cmake')) missing.push('cmake')
  // CMake finds Visual Studio by itself; on other systems the compiler is on the PATH or in $CXX.
  const compilers = [process.env.CXX || 'c++', 'g++', 'clang++']
  if (process.platform !== 'win32' && !compilers.some((name) => existsSync(name) || findTool(name)))
    missing.push('a C++20 compiler')
  if (missing.length === 0) return
  const lines = missing.map((name) => {
    const { debian, macos, windows } = remedies[name]
    if (process.platform === 'darwin') return `  ${name}: ${macos}`
    if (process.platform === 'win32') return `  ${name}: ${windows}`
    return `  ${name}: apt-get install ${debian} (Debian, Ubuntu), or your distribution's package`
  })
  fail(`missing on this machine:\n${lines.join('\n')}`)
}
