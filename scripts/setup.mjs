// Brings a fresh clone to a state where the demo and the tests can run, doing only what is missing or
// stale: npm packages, the llama.cpp source, the native build, the TypeScript build. Everything it
// prints goes to stderr.
//
//   node scripts/setup.mjs            all of it
//   node scripts/setup.mjs --no-build npm packages and the llama.cpp source only
//
// Environment: LLAMA_CPP_DIR=<existing checkout>   VERBATIM_CUDA=auto|on|off   VERBATIM_JOBS=<n>
import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { hashFiles, hasStamp, writeStamp } from './setup/stamp.mjs'
import {
  fail,
  findTool,
  repositoryRoot,
  requireNode,
  requireTools,
  run,
  SetupFailure,
  say,
} from './setup/tools.mjs'

process.chdir(repositoryRoot)
try {
  await setUp(!process.argv.includes('--no-build'))
} catch (error) {
  if (!(error instanceof SetupFailure)) throw error
  say(error.message)
  process.exitCode = 1
}

async function setUp(build) {
  requireNode()
  installPackages()
  // Needs packages that the step above may just have installed.
  const { obtainLlamaSource } = await import('./setup/llama-source.mjs')
  const llamaCppDir = await obtainLlamaSource()
  if (!build) return
  buildNative(llamaCppDir)
  buildTypeScript()
}

function installPackages() {
  const wanted = hashFiles(['package.json', 'package-lock.json'])
  const stamp = 'node_modules/.verbatim-llama-packages'
  if (hasStamp(stamp, wanted)) return
  say('installing npm packages')
  run('npm', ['ci', '--no-audit', '--no-fund'], 'npm packages could not be installed')
  writeStamp(stamp, wanted)
}

function buildNative(sourceDir) {
  const cuda = process.env.VERBATIM_CUDA ?? 'auto'
  const stamp = 'build/.verbatim-llama-native'
  const wanted = `${hashFiles(['package.json', 'llama.cpp.json', 'CMakeLists.txt', 'cmake', 'cpp', 'binding', 'test/native'])} ${sourceDir} ${cuda}`
  if (hasStamp(stamp, wanted) && existsSync('build/Release/verbatim-llama.node')) return
  requireTools()
  const cmakeJs = join(repositoryRoot, 'node_modules/cmake-js/bin/cmake-js')
  const options = [`--CDLLAMA_CPP_DIR=${sourceDir}`, `--CDVERBATIM_CUDA=${cuda}`]
  say('configuring the native build')
  run(
    process.execPath,
    [cmakeJs, 'configure', '--log-level', 'warn', ...options],
    'CMake could not configure',
  )
  say(
    `building llama.cpp and the addon (a few minutes the first time${findTool('ccache') ? '' : '; ccache makes later builds fast'})`,
  )
  run(process.execPath, [cmakeJs, 'build', '--log-level', 'warn', ...jobs()], 'the native build failed')
  if (!existsSync('build/Release/verbatim-llama.node')) fail('the build ended without verbatim-llama.node')
  writeStamp(stamp, wanted)
}

/** Ninja uses every core unasked; Make must be told. */
function jobs() {
  const wanted = process.env.VERBATIM_JOBS
  if (wanted) return ['--parallel', wanted]
  const cache = readFileSync('build/CMakeCache.txt', 'utf8')
  return cache.includes('CMAKE_GENERATOR:INTERNAL=Ninja')
    ? []
    : ['--parallel', String(availableParallelism())]
}

function buildTypeScript() {
  const wanted = hashFiles(['lib', 'tsconfig.json', 'package.json'])
  const stamp = 'dist/.verbatim-llama-typescript'
  if (hasStamp(stamp, wanted)) return
  say('compiling TypeScript')
  run(
    process.execPath,
    [join(repositoryRoot, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json'],
    'TypeScript did not compile',
  )
  writeStamp(stamp, wanted)
}
