// Runs the native tests under the sanitizers: AddressSanitizer + UndefinedBehaviorSanitizer on cpp/, then
// ThreadSanitizer on cpp/ and llama.cpp (which is built a second time for it: minutes). Where clang is installed, the
// template engine is fuzzed for a minute under AddressSanitizer + UndefinedBehaviorSanitizer too.
//
//   node scripts/test-native.mjs [address] [thread] [fuzz] [-- name of a test ...]
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { forgetFormerPlace } from './setup/moved-build.mjs'
import { findTool, repositoryRoot, requireTools, run, SetupFailure, say } from './setup/tools.mjs'

const separator = process.argv.indexOf('--')
const chosen = process.argv.slice(2, separator < 0 ? undefined : separator)
const tests = separator < 0 ? [] : process.argv.slice(separator + 1)

process.chdir(repositoryRoot)
try {
  requireTools()
  const tsx = join(repositoryRoot, 'node_modules/tsx/dist/cli.mjs')
  for (const shape of ['tiny', 'tiny-mamba', 'tiny-lfm2', 'tiny-cohere2'])
    run(process.execPath, [tsx, 'scripts/make-model.ts', shape], 'the test models could not be made')
  for (const sanitizer of ['address', 'thread']) {
    if (chosen.length > 0 && !chosen.includes(sanitizer)) continue
    testUnder(sanitizer)
  }
  if (chosen.length === 0 || chosen.includes('fuzz')) fuzzTemplates()
} catch (error) {
  if (!(error instanceof SetupFailure)) throw error
  say(error.message)
  process.exitCode = 1
}

/** @param {string} sanitizer */
function testUnder(sanitizer) {
  const build = `build-${sanitizer}`
  const source = process.env.LLAMA_CPP_DIR
    ? resolve(process.env.LLAMA_CPP_DIR)
    : join(repositoryRoot, 'llama.cpp')
  const generator = findTool('ninja') ? ['-G', 'Ninja'] : []
  say(`building for the ${sanitizer} sanitizer`)
  forgetFormerPlace(build)
  if (!existsSync(join(build, 'CMakeCache.txt')))
    run(
      'cmake',
      [
        ...['-S', '.', '-B', build, ...generator, '-DCMAKE_BUILD_TYPE=Release', '-DVERBATIM_CUDA=off'],
        ...[`-DVERBATIM_SANITIZE=${sanitizer}`, '-DVERBATIM_BUILD_ADDON=OFF', `-DLLAMA_CPP_DIR=${source}`],
      ],
      'CMake could not configure',
    )
  run('cmake', ['--build', build, '--parallel', '2', '--target', 'verbatim-native-tests'], 'the build failed')
  say(`native tests under the ${sanitizer} sanitizer`)
  process.env.TSAN_OPTIONS ??= `suppressions=${join(repositoryRoot, 'test/native/tsan.supp')} halt_on_error=1`
  process.env.ASAN_OPTIONS ??= 'detect_leaks=1'
  run(join(repositoryRoot, build, 'Release/verbatim-native-tests'), tests, `tests failed under ${sanitizer}`)
}

function fuzzTemplates() {
  if (!findTool('clang++')) return say('no clang++ on the PATH: the template engine is not fuzzed')
  const generator = findTool('ninja') ? ['-G', 'Ninja'] : []
  say('building the fuzzer of the template engine')
  forgetFormerPlace('build-fuzz')
  const compilers = ['-DCMAKE_C_COMPILER=clang', '-DCMAKE_CXX_COMPILER=clang++']
  const options = ['-DVERBATIM_CUDA=off', '-DVERBATIM_BUILD_ADDON=OFF', ...compilers]
  run('cmake', ['-S', '.', '-B', 'build-fuzz', ...generator, ...options], 'CMake could not configure')
  run('cmake', ['--build', 'build-fuzz', '--parallel', '2', '--target', 'jinja-fuzz'], 'the build failed')
  say('fuzzing the template engine for a minute')
  const limits = ['-max_total_time=60', '-max_len=6000', '-timeout=20', '-print_final_stats=1']
  const program = join(repositoryRoot, 'build-fuzz/test/native/jinja-fuzz')
  run(program, limits, 'the fuzzer found something')
}
