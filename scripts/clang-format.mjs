// Formats the C++ sources, or with --check only names those that are not formatted.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { cppFiles } from './cpp-files.mjs'
import { repositoryRoot } from './setup/tools.mjs'

const cli = createRequire(import.meta.url).resolve('clang-format-node/build/cli.js')
const mode = process.argv.includes('--check') ? ['--dry-run', '--Werror'] : ['-i']
const result = spawnSync(process.execPath, [cli, ...mode, ...cppFiles(/\.(h|cpp)$/)], {
  cwd: repositoryRoot,
  stdio: 'inherit',
})
process.exitCode = result.status ?? 1
