// Brings a fresh clone to a state where the demo and the tests can run, doing only missing or stale
// steps: npm packages, the llama.cpp source, the native build, the TypeScript build. All output goes
// to stderr.
//
//   node scripts/setup.mjs            all that a user of the library needs
//   node scripts/setup.mjs --with-native-tests
//                                     and the native tests
//   node scripts/setup.mjs --no-build npm packages and the llama.cpp source only
//   npm run build:cuda [-- --architectures 80,90]
//                                     all of it with the CUDA backend, for these GPUs (or native: those of this machine);
//                                     it is remembered, so that later set-ups keep the backend
//
// Environment: LLAMA_CPP_DIR=<existing checkout>   VERBATIM_CUDA=auto|on|off   VERBATIM_JOBS=<n>
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { compileNative, configureNative } from './setup/cmake-js.mjs'
import { chooseCuda, cudaOptions, dropCuda, rememberCuda } from './setup/cuda.mjs'
import { formerPlace } from './setup/moved-build.mjs'
import { hashFiles, hasStamp, removeStamp, writeStamp } from './setup/stamp.mjs'
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
  await setUp()
} catch (error) {
  if (!(error instanceof SetupFailure)) throw error
  say(error.message)
  process.exitCode = 1
}

async function setUp() {
  requireNode()
  installPackages()
  // Import it only now: it needs packages that the step above may just have installed.
  const { obtainLlamaSource } = await import('./setup/llama-source.mjs')
  const llamaCppDir = await obtainLlamaSource()
  if (process.argv.includes('--no-build')) return
  const cuda = chooseCuda(process.argv)
  const addon = buildAddon(llamaCppDir, cuda)
  if (process.argv.includes('--with-native-tests')) buildNativeTests(addon)
  rememberCuda(process.argv, cuda)
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

/**
 * @param {string} sourceDir
 * @param {import('./setup/cuda.mjs').CudaChoice} cuda
 * @returns {string} identity of the build's inputs
 */
function buildAddon(sourceDir, cuda) {
  const stamp = 'build/.verbatim-llama-native'
  const sources = hashFiles(['package.json', 'llama.cpp.json', 'CMakeLists.txt', 'cmake', 'cpp', 'binding'])
  const wanted = `${sources} ${sourceDir} ${cuda.mode} ${cuda.architectures}`
  if (hasStamp(stamp, wanted) && existsSync('build/Release/verbatim-llama.node') && !formerPlace('build'))
    return wanted
  requireTools()
  removeStamp(stamp) // a build that is ended early leaves no valid stamp
  if (cuda.mode === 'off') dropCuda()
  say('configuring the native build')
  configureNative('build', [`--CDLLAMA_CPP_DIR=${sourceDir}`, ...cudaOptions(cuda)])
  say(
    `building llama.cpp and the addon (a few minutes the first time${findTool('ccache') ? '' : '; ccache makes later builds fast'})`,
  )
  compileNative('build')
  if (!existsSync('build/Release/verbatim-llama.node')) fail('the build ended without verbatim-llama.node')
  writeStamp(stamp, wanted)
  return wanted
}

/**
 * Builds the native tests beside the addon, with the options of its configuration.
 *
 * @param {string} addon
 */
function buildNativeTests(addon) {
  const stamp = 'build/.verbatim-llama-native-tests'
  const wanted = `${hashFiles(['test/native'])} ${addon}`
  if (hasStamp(stamp, wanted)) return
  requireTools()
  say('building the native tests')
  compileNative('build', ['--target', 'verbatim-native-tests'])
  writeStamp(stamp, wanted)
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
