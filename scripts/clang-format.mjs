// Formats the C++ sources, or with --check only says which are not formatted.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { repositoryRoot } from './setup/tools.mjs'

const cli = createRequire(import.meta.url).resolve('clang-format-node/build/cli.js')
const files = ['binding', 'cpp', 'gpu-kit', 'test/native'].flatMap((folder) =>
  readdirSync(join(repositoryRoot, folder), { recursive: true })
    .filter((name) => /\.(h|cpp)$/.test(name))
    .map((name) => join(folder, name)),
)
const mode = process.argv.includes('--check') ? ['--dry-run', '--Werror'] : ['-i']
const result = spawnSync(process.execPath, [cli, ...mode, ...files], {
  cwd: repositoryRoot,
  stdio: 'inherit',
})
process.exitCode = result.status ?? 1
