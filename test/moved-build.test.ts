// A clone that was moved: its build folders are configured anew, where CMake would end with an error.
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { configureNative } from '../scripts/setup/cmake-js.mjs'
import { forgetFormerPlace, formerPlace } from '../scripts/setup/moved-build.mjs'

const nodeModules = fileURLToPath(new URL('../node_modules', import.meta.url))

let folder: string
let said: string
const before = process.cwd()
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'moved-')))
  mkdirSync(join(folder, 'clone'))
  process.chdir(join(folder, 'clone'))
  said = ''
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += text
    return true
  })
})
afterEach(() => {
  vi.restoreAllMocks()
  process.chdir(before)
  rmSync(folder, { recursive: true })
})

/** Moves the clone, in which this process works. */
function move(name: string): void {
  process.chdir(folder)
  renameSync('clone', name)
  process.chdir(name)
}

function cache(build: string, source: string): void {
  mkdirSync('build', { recursive: true })
  writeFileSync(
    'build/CMakeCache.txt',
    `CMAKE_BUILD_TYPE:STRING=Release\nCMAKE_CACHEFILE_DIR:INTERNAL=${build}\nCMAKE_HOME_DIRECTORY:INTERNAL=${source}\n`,
  )
}

test('a folder at its place, or without a cache, is left as it is', () => {
  expect(formerPlace('build')).toBeUndefined()
  cache(join(folder, 'clone/build'), join(folder, 'clone'))
  symlinkSync(join(folder, 'clone'), join(folder, 'link'))
  for (const place of [join(folder, 'clone'), join(folder, 'link')]) {
    process.chdir(place)
    forgetFormerPlace('build')
  }
  expect(existsSync('build/CMakeCache.txt')).toBe(true)
  expect(said).toBe('')
})

test.each([
  ['that was moved', '/nowhere/clone/build', '/nowhere/clone'],
  ['of which this is a copy', tmpdir(), tmpdir()],
])('a folder %s loses its cache, nothing else, and one line says so', (_, build, source) => {
  cache(build, source)
  mkdirSync('build/CMakeFiles')
  writeFileSync('build/.verbatim-llama-cuda', '{}')
  forgetFormerPlace('build')
  expect(existsSync('build/CMakeCache.txt')).toBe(false)
  expect(existsSync('build/CMakeFiles')).toBe(false)
  expect(existsSync('build/.verbatim-llama-cuda')).toBe(true)
  expect(said).toBe(
    `[setup] build/ was configured for ${build}, and the folder has been moved or copied since: configuring it anew\n`,
  )
})

test('CMake refuses a moved folder, and set-up configures it', () => {
  writeFileSync(
    'package.json',
    JSON.stringify({ name: 'tiny', version: '1.0.0', binary: { napi_versions: [8] } }),
  )
  writeFileSync(
    'CMakeLists.txt',
    'cmake_minimum_required(VERSION 3.19...3.28)\nproject(tiny LANGUAGES NONE)\n' +
      'file(WRITE configured "")',
  )
  symlinkSync(nodeModules, 'node_modules')
  configureNative('build', [])
  expect(said).toBe('')
  move('moved')
  const { status, stderr } = spawnSync('cmake', ['-S', '.', '-B', 'build'], { encoding: 'utf8' })
  expect(status).toBe(1)
  expect(stderr).toContain('is different than the directory')
  configureNative('build', [])
  expect(said).toBe(
    `[setup] build/ was configured for ${join(folder, 'clone/build')}, and the folder has been moved or copied since: configuring it anew\n`,
  )
  expect(formerPlace('build')).toBeUndefined()
})

test('a refusal of our own CMake files is the last word', () => {
  writeFileSync(
    'package.json',
    JSON.stringify({ name: 'tiny', version: '1.0.0', binary: { napi_versions: [8] } }),
  )
  writeFileSync(
    'CMakeLists.txt',
    `cmake_minimum_required(VERSION 3.19...3.28)\nproject(tiny LANGUAGES NONE)\n` +
      `include(${join(before, 'cmake/refuse.cmake')})\nverbatim_refuse("Missing: nvcc, " "and cuBLAS; both")`,
  )
  symlinkSync(nodeModules, 'node_modules')
  expect(() => configureNative('build', [])).toThrow(/^Missing: nvcc, and cuBLAS; both$/)
})
