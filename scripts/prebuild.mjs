// Builds the native files of the packages, for this platform: the addon, the llama and ggml libraries and every CPU
// variant, into prebuilds/<platform>-<arch>/ (on Alpine Linux below prebuilds/musl/). Checks the libraries.
//
//   npm run prebuild
//   npm run prebuild -- --cuda [--architectures 80,90]
//                                 instead: the library of packages/cuda-linux-x64/ (needs the CUDA toolkit and cuBLAS)
//
// Environment: VERBATIM_JOBS=<n>
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
// @ts-expect-error it has no types
import prebuildify from 'prebuildify'
import { checkBinaries } from './package/check-binaries.mjs'
import { compileNative, configureNative } from './setup/cmake-js.mjs'
import { architecturesIn, cudaOptions } from './setup/cuda.mjs'
import { obtainLlamaSource } from './setup/llama-source.mjs'
import { fail, repositoryRoot, requireTools, run, SetupFailure, say } from './setup/tools.mjs'

const BUILD = 'build-prebuild'
const CUDA_PACKAGE = 'packages/cuda-linux-x64'
const isAlpine = process.platform === 'linux' && existsSync('/etc/alpine-release')

process.chdir(repositoryRoot)
try {
  requireTools()
  const source = await obtainLlamaSource()
  if (process.argv.includes('--cuda')) prebuildCuda(source)
  else await prebuild(source)
} catch (error) {
  if (!(error instanceof SetupFailure)) throw error
  say(error.message)
  process.exitCode = 1
}

/** @param {string} source */
async function prebuild(source) {
  build(BUILD, source, { mode: 'off', architectures: 'default' })
  // node-gyp-build does not know a platform for musl.
  const out = isAlpine ? 'prebuilds/musl' : '.'
  const folder = join(out, 'prebuilds', `${process.platform}-${process.arch}`)
  rmSync(folder, { recursive: true, force: true })
  const stage = stageBuild()
  await prebuildifyAlone({ cwd: stage, out, strip: true, tagLibc: process.platform === 'linux' })
  checkBinaries(folder)
  report(folder)
}

/** @param {string} source */
function prebuildCuda(source) {
  if (process.platform !== 'linux' || process.arch !== 'x64') fail('the CUDA package is for Linux x64')
  const cuda = { mode: 'on', architectures: architecturesIn(process.argv) }
  build('build-prebuild-cuda', source, cuda, ['--target', 'ggml-cuda'])
  const library = join(CUDA_PACKAGE, 'libggml-cuda.so')
  copyFileSync('build-prebuild-cuda/Release/libggml-cuda.so', library)
  run('strip', ['--strip-all', library], 'the library could not be stripped')
  for (const name of ['LICENSE', 'THIRD_PARTY_LICENSES.md']) copyFileSync(name, join(CUDA_PACKAGE, name))
  checkBinaries(CUDA_PACKAGE, { cuda: true })
  report(CUDA_PACKAGE)
}

/**
 * @param {string} folder
 * @param {string} source
 * @param {import('./setup/cuda.mjs').CudaChoice} cuda
 * @param {readonly string[]} [target]
 */
function build(folder, source, cuda, target = []) {
  const options = [`--CDLLAMA_CPP_DIR=${source}`, '--CDVERBATIM_PREBUILD=ON', '--CDVERBATIM_BUILD_TESTS=OFF']
  say(`configuring ${folder}`)
  configureNative(folder, [...options, ...cudaOptions(cuda)])
  say('building for every processor (ccache makes later builds fast)')
  compileNative(folder, target)
}

/** Copies the build, because prebuildify moves the addon away, and the next build would make it anew. */
function stageBuild() {
  const stage = join(BUILD, 'stage')
  rmSync(stage, { recursive: true, force: true })
  mkdirSync(join(stage, 'build'), { recursive: true })
  cpSync('package.json', join(stage, 'package.json'))
  cpSync(join(BUILD, 'Release'), join(stage, 'build/Release'), { recursive: true })
  return stage
}

/**
 * Runs prebuildify on a finished build: a command that does nothing takes the place of node-gyp.
 *
 * @param {object} options
 * @returns {Promise<void>}
 */
function prebuildifyAlone(options) {
  const nodeGyp = process.platform === 'win32' ? 'rem' : 'true'
  return new Promise((resolve, reject) => {
    prebuildify({ ...options, napi: true, nodeGyp, quiet: true }, (/** @type {Error | undefined} */ error) =>
      error ? reject(error) : resolve(),
    )
  })
}

/** @param {string} folder */
function report(folder) {
  const names = readdirSync(folder)
  const bytes = names.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
  say(`${folder}: ${names.length} files, ${(bytes / 1e6).toFixed(1)} MB`)
}
