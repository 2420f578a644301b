// Runs before `npm pack` and `npm publish`: compiles the TypeScript anew and packs the sources. The addons are made
// before, on every platform: npm run prebuild.
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { packSources } from './package/sources.mjs'
import { obtainLlamaSource } from './setup/llama-source.mjs'
import { fail, repositoryRoot, run, SetupFailure, say } from './setup/tools.mjs'

process.chdir(repositoryRoot)
try {
  const prebuilds = readdirSync('prebuilds').filter((name) => name !== 'README.md')
  if (prebuilds.length === 0) fail('prebuilds/ is empty: npm run prebuild')
  say(`packing with prebuilds for ${prebuilds.join(', ')}`)
  // Remove files that an earlier version left there.
  rmSync('dist', { recursive: true, force: true })
  const tsc = join(repositoryRoot, 'node_modules/typescript/bin/tsc')
  run(process.execPath, [tsc, '-p', 'tsconfig.json'], 'TypeScript did not compile')
  packSources(await obtainLlamaSource())
  if (!existsSync('sources.tar.xz')) fail('sources.tar.xz was not made')
} catch (error) {
  if (!(error instanceof SetupFailure)) throw error
  say(error.message)
  process.exitCode = 1
}
