// What stands in the way of `verbatim-llama build` is told before it begins, and by its name. The build itself is tested
// with the packed package: test/package/build.test.ts.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hasNvcc, missingTools } from '#lib/cli/build-tools.js'
import { findTool } from '../scripts/setup/tools.mjs'
import { InstalledPackage, repository } from './support/installed-package.js'

const installed = new InstalledPackage()
const { root, application } = installed
afterAll(() => installed.remove())

// Our own CUDA part, in a project that builds nothing else.
const PROJECT = `
  cmake_minimum_required(VERSION 3.19...3.28)
  project(tiny LANGUAGES CXX)
  include(cmake/cuda.cmake)
  file(WRITE "\${CMAKE_BINARY_DIR}/Release/verbatim-llama.node" "")`

beforeAll(() => {
  const sources = join(application, 'sources')
  mkdirSync(join(sources, 'cmake'), { recursive: true })
  writeFileSync(join(sources, 'CMakeLists.txt'), PROJECT)
  for (const name of ['cuda.cmake', 'refuse.cmake'])
    cpSync(join(repository, 'cmake', name), join(sources, 'cmake', name))
  const archive = join(root, 'sources.tar.xz')
  const { status } = spawnSync('cmake', ['-E', 'tar', 'cJf', archive, 'sources'], { cwd: application })
  expect(status).toBe(0)
})

/** A folder with these programs of this machine, and no others. */
function pathOf(...programs: readonly string[]): string {
  const folder = join(application, `path-${programs.join('-')}`)
  if (existsSync(folder)) return folder
  mkdirSync(folder)
  for (const name of programs) symlinkSync(findTool(name) as string, join(folder, name))
  return folder
}

function build(cuda: string, env: NodeJS.ProcessEnv = {}, user: { uid?: number; gid?: number } = {}) {
  const script = `
    import { buildFromSource } from ${JSON.stringify(pathToFileURL(join(root, 'dist/cli/build.js')).href)}
    console.log(await buildFromSource({ cuda: ${JSON.stringify(cuda)} }).catch((error) => error.constructor.name + ' ' + error.message))`
  const { CXX: _, CC: __, CUDACXX: ___, ...rest } = process.env
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
    env: { ...rest, ...env },
    ...user,
  })
  expect(stderr).toBe('')
  // It leaves no work behind.
  expect(readdirSync(root).filter((name) => name.startsWith('build-'))).toEqual([])
  return stdout
}

test('all programs that are missing are named at once', () => {
  const nothing = build('off', { PATH: application })
  expect(nothing).toMatch(
    /^BuildFailure This machine lacks what the build needs: CMake 3\.19 or later; a C\+\+20 compiler \(GCC 11, Clang 14\); a C compiler; make or Ninja\. /,
  )
  expect(build('off', { PATH: pathOf('cmake', 'ninja', 'cc') })).toMatch(
    /^BuildFailure This machine lacks what the build needs: a C\+\+20 compiler \(GCC 11, Clang 14\)\. /,
  )
  expect(build('off', { CXX: '/nowhere/g++-99' })).toMatch(
    /needs: \/nowhere\/g\+\+-99, which the variable CXX names\. /,
  )
})

test('what is there is not named', () => {
  expect(missingTools()).toEqual([])
  expect(missingTools({ PATH: pathOf('cmake', 'ninja', 'cc', 'c++') })).toEqual([])
  expect(missingTools({ PATH: pathOf('cmake', 'ninja', 'cc'), CXX: `${findTool('c++')} -O1` })).toEqual([])
})

test('nvcc is found wherever CMake looks, and nowhere else', () => {
  const toolkit = join(application, 'toolkits/cuda-13')
  mkdirSync(join(toolkit, 'bin'), { recursive: true })
  expect(hasNvcc({ PATH: application }, [join(application, 'toolkits'), '/nowhere'])).toBe(false)
  writeFileSync(join(toolkit, 'bin/nvcc'), '')
  expect(hasNvcc({ PATH: application }, [])).toBe(false)
  expect(hasNvcc({ PATH: application }, [join(application, 'toolkits')])).toBe(true)
  for (const env of [
    { PATH: join(toolkit, 'bin') },
    { CUDAToolkit_ROOT: toolkit },
    { CUDA_PATH: toolkit },
    { CMAKE_PREFIX_PATH: `/nowhere:${toolkit}` },
    { CUDACXX: join(toolkit, 'bin/nvcc') },
  ])
    expect([env, hasNvcc(env, [])]).toEqual([env, true])
})

test('--cuda on without the whole toolkit says what is missing, and speaks of no CMake', () => {
  // A toolkit of an nvcc alone, which is none for CMake.
  const toolkit = join(application, 'toolkits/empty')
  mkdirSync(join(toolkit, 'bin'), { recursive: true })
  writeFileSync(join(toolkit, 'bin/nvcc'), '#!/bin/sh\nexit 1\n', { mode: 0o755 })
  const message = build('on', { CUDAToolkit_ROOT: toolkit })
  expect(message).toMatch(/^BuildFailure The CUDA backend cannot be built here\. Missing: .*(nvcc|cuBLAS)/)
  expect(message).toMatch(/For the CPU alone: .*verbatim-llama build --cuda off/)
  expect(message).not.toMatch(/CMake/)
  expect(message.trim().split('\n')).toHaveLength(1)
})

test('a package that this user may not write to is refused, also below its folder', () => {
  const isRoot = process.getuid?.() === 0
  // Root may write anywhere: be nobody.
  const user = isRoot ? { uid: 65534, gid: 65534 } : {}
  for (const folder of [application, join(application, 'node_modules'), root]) chmodSync(folder, 0o755)
  if (!isRoot) chmodSync(root, 0o555)
  try {
    expect(build('off', {}, user)).toBe(
      `BuildFailure This user may not write to ${root}, where the addon belongs. Build as the user who installed the package.\n`,
    )
    mkdirSync(join(root, 'build/Release'), { recursive: true })
    chmodSync(root, 0o777)
    chmodSync(join(root, 'build'), 0o777)
    chmodSync(join(root, 'build/Release'), 0o555)
    expect(build('off', {}, user)).toContain(`may not write to ${join(root, 'build/Release')}, `)
  } finally {
    chmodSync(root, 0o755)
    rmSync(join(root, 'build'), { recursive: true, force: true })
  }
})

test('in a clone it names the script that builds there', () => {
  installed.write('scripts/setup.mjs', '')
  expect(build('on')).toMatch(/: run npm run build:cuda\.\n$/)
  expect(build('auto')).toMatch(/: run npm run setup\.\n$/)
  rmSync(join(root, 'scripts'), { recursive: true })
})

test('where all is there, the build goes to its end', () => {
  expect(build('off')).toBe(`${join(root, 'build/Release/verbatim-llama.node')}\n`)
})
