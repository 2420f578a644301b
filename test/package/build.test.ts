import { cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { application, manifest, model, run, work } from './support.js'

const folder = join(work, 'without-prebuild')
const root = join(folder, 'node_modules/verbatim-llama')
const LOAD = `
  import { loadModel } from 'verbatim-llama'
  try {
    const model = await loadModel(${JSON.stringify(model)}, { contextSize: 256 })
    console.log('loaded')
    await model.dispose()
  } catch ({ code, message }) {
    console.log(code, message)
  }`

const build = (options: readonly string[] = [], more = {}) =>
  run('npx', ['--no-install', 'verbatim-llama', 'build', ...options], { cwd: folder, ...more })
const load = async () => (await run(process.execPath, ['load.mjs'], { cwd: folder })).stdout

beforeAll(() => {
  cpSync(application, folder, { recursive: true, verbatimSymlinks: true })
  rmSync(join(root, 'prebuilds'), { recursive: true })
  writeFileSync(join(folder, 'load.mjs'), LOAD)
})

test('a platform without a prebuild is an error that names the command', async () => {
  expect(await load()).toMatch(/^ADDON_LOAD .*npx verbatim-llama build/)
})

test('without CMake the command says what is needed', async () => {
  const program = join(root, manifest.bin['verbatim-llama'])
  const options = { cwd: folder, status: 1, env: { PATH: folder } }
  const { stderr } = await run(process.execPath, [program, 'build'], options)
  expect(stderr).toMatch(/lacks what the build needs: CMake 3\.19 or later; a C\+\+20 compiler/)
  expect(readdirSync(root).filter((name) => name.startsWith('build'))).toEqual([])
})

test('options that make no sense are refused', async () => {
  expect((await build(['--cuda', 'maybe'], { status: 1 })).stderr).toContain("'maybe'")
  expect((await build(['--jobs', '0'], { status: 1 })).stderr).toContain("'0'")
})

test('the command builds the addon, with progress, and leaves nothing else behind', async () => {
  const { stdout, stderr } = await build(['--cuda', 'off', '--jobs', '1'])
  expect(stdout).toBe('')
  expect(stderr).toMatch(/^unpacking the sources\nconfiguring\n/)
  expect(stderr).toContain('compiling llama.cpp and the addon: 100 %')
  expect(readdirSync(root).filter((name) => name.startsWith('build'))).toEqual(['build'])
  expect(await load()).toBe('loaded\n')
})
