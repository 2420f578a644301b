// Checks the sources without building them. The first step that fails ends the check.
//
//   npm run check                     all steps
//   npm run check -- types warnings   these steps
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { repositoryRoot } from './setup/tools.mjs'

/** @param {string} path */
const tool = (path) => join('node_modules', path)

/** The steps, the quick ones first. */
const STEPS = [
  { name: 'lint', args: [tool('@biomejs/biome/bin/biome'), 'ci', '.'] },
  { name: 'format', args: ['scripts/clang-format.mjs', '--check'] },
  { name: 'options', args: [tool('tsx/dist/cli.mjs'), 'scripts/make-option-types.ts', '--check'] },
  { name: 'structure', args: [tool('tsx/dist/cli.mjs'), 'scripts/check-structure.ts'] },
  { name: 'types', args: [tool('typescript/bin/tsc'), '-p', 'tsconfig.check.json'] },
  { name: 'warnings', args: ['scripts/check-warnings.mjs'] },
]

const chosen = process.argv.slice(2)
const unknown = chosen.find((name) => !STEPS.some((step) => step.name === name))
process.exitCode = unknown === undefined ? check() : misused(unknown)

function check() {
  for (const { name, args } of STEPS.filter((step) => chosen.length === 0 || chosen.includes(step.name))) {
    const start = performance.now()
    const { status, signal } = spawnSync(process.execPath, args, {
      cwd: repositoryRoot,
      stdio: ['ignore', 2, 2],
    })
    const seconds = ((performance.now() - start) / 1000).toFixed(1)
    if (status !== 0) {
      say(`${name} FAILED after ${seconds} s (${signal ?? `status ${status}`})`)
      return 1
    }
    say(`${name}: ${seconds} s`)
  }
  return 0
}

/** @param {string} name */
function misused(name) {
  say(`there is no step '${name}', only ${STEPS.map((step) => step.name).join(', ')}`)
  return 2
}

/** @param {string} text */
function say(text) {
  process.stderr.write(`[check] ${text}\n`)
}
