// Packs sources.tar.xz for `npx verbatim-llama build`: our sources, those of llama.cpp that the build reads, and the
// headers of Node-API. CMake packs and unpacks it, since every machine that builds has CMake.
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fail, repositoryRoot, requireTools, run } from '../setup/tools.mjs'

const ARCHIVE = 'sources.tar.xz'
const STAGE = 'build-sources'
const BACKENDS = ['ggml-cpu', 'ggml-cuda', 'ggml-metal']

/** @param {string} llamaCppDir */
export function packSources(llamaCppDir) {
  requireTools()
  rmSync(STAGE, { recursive: true, force: true })
  stageSources(join(STAGE, 'sources'), llamaCppDir)
  rmSync(ARCHIVE, { force: true })
  // Give all files one time, so that the same sources make the same archive.
  const tar = ['-E', 'tar', 'cJf', join('..', ARCHIVE), '--mtime=2000-01-01 00:00:00', 'sources']
  run('cmake', ['-E', 'chdir', STAGE, 'cmake', ...tar], 'the sources could not be packed')
  rmSync(STAGE, { recursive: true })
}

/**
 * Copies everything that the addon and its backends are built from.
 *
 * @param {string} stage
 * @param {string} llamaCppDir
 */
export function stageSources(stage, llamaCppDir) {
  const modules = join(repositoryRoot, 'node_modules')
  copyAll('.', stage, [
    'CMakeLists.txt',
    'LICENSE',
    'package.json',
    'llama.cpp.json',
    'cmake',
    'cpp',
    'binding',
  ])
  copyAll(llamaCppDir, join(stage, 'llama.cpp'), llamaFiles(llamaCppDir))
  copyAll(join(modules, 'node-addon-api'), join(stage, 'node-addon-api'), [
    ...['LICENSE.md', 'napi.h', 'napi-inl.h', 'napi-inl.deprecated.h'],
  ])
  copyAll(join(modules, 'node-api-headers'), join(stage, 'node-api'), ['LICENSE', 'include', 'def'])
  copyAll(join(modules, 'cmake-js/lib/cpp'), join(stage, 'node-api'), ['win_delay_load_hook.cc'])
  cpSync(join(modules, 'cmake-js/LICENSE'), join(stage, 'node-api/win_delay_load_hook.LICENSE'))
}

/**
 * Files that CMake reads when the library is built, and no others: no tools, tests, web pages, models.
 *
 * @param {string} folder
 */
function llamaFiles(folder) {
  const ggml = readdirSync(join(folder, 'ggml/src'), { withFileTypes: true })
    .filter((entry) => entry.isFile() || BACKENDS.includes(entry.name))
    .map(({ name }) => `ggml/src/${name}`)
  const vendor = readdirSync(join(folder, 'vendor'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `vendor/${name}/CMakeLists.txt`)
  return [
    ...['CMakeLists.txt', 'LICENSE', 'AUTHORS', 'cmake', 'include', 'src'],
    ...['ggml/CMakeLists.txt', 'ggml/cmake', 'ggml/include', ...ggml],
    // Keep vendor/: its targets are declared even where nothing uses them.
    ...['vendor/CMakeLists.txt', 'vendor/hash', ...vendor],
  ]
}

/**
 * Copies files and folders, which must be there, to the same places below another folder.
 *
 * @param {string} from
 * @param {string} to
 * @param {readonly string[]} names
 */
export function copyAll(from, to, names) {
  for (const name of names) {
    if (!existsSync(join(from, name))) fail(`${relative('.', join(from, name))} is missing`)
    mkdirSync(dirname(join(to, name)), { recursive: true })
    cpSync(join(from, name), join(to, name), { recursive: true })
  }
}
