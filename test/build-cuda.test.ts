// `npm run build:cuda` is a choice that later set-ups keep: they must neither rebuild nor lose the backend.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { architecturesIn, chooseCuda, cudaOptions, dropCuda, rememberCuda } from '../scripts/setup/cuda.mjs'

const AUTO = { mode: 'auto', architectures: 'default' }
const BUILD = ['--cuda', '--architectures', '80,90']
const library = 'build/Release/libggml-cuda.so'

let folder: string
const before = process.cwd()
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'build-cuda-'))
  process.chdir(folder)
  mkdirSync('build/Release', { recursive: true })
  vi.stubEnv('VERBATIM_CUDA', undefined)
})
afterEach(() => {
  vi.unstubAllEnvs()
  process.chdir(before)
  rmSync(folder, { recursive: true })
})

test('what was built is what later set-ups want; without it the machine decides', () => {
  expect(chooseCuda([])).toEqual(AUTO)
  const choice = chooseCuda(BUILD)
  expect(choice).toEqual({ mode: 'on', architectures: '80;90' })
  expect(chooseCuda([])).toEqual(AUTO) // a build that failed is not remembered
  rememberCuda(BUILD, choice)
  expect(chooseCuda([])).toEqual(choice)
  expect(cudaOptions(choice)).toEqual(['--CDVERBATIM_CUDA=on', '--CDVERBATIM_CUDA_ARCHITECTURES=80;90'])
  rememberCuda([], AUTO) // a set-up does not forget it
  expect(chooseCuda([])).toEqual(choice)
})

test('VERBATIM_CUDA=off takes the backend away, and with it the choice', () => {
  rememberCuda(BUILD, chooseCuda(BUILD))
  writeFileSync(library, '')
  vi.stubEnv('VERBATIM_CUDA', 'off')
  expect(chooseCuda([])).toEqual({ mode: 'off', architectures: 'default' })
  dropCuda()
  vi.stubEnv('VERBATIM_CUDA', undefined)
  expect(existsSync(library)).toBe(false)
  expect(chooseCuda([])).toEqual(AUTO)
})

test('another VERBATIM_CUDA is refused before anything is configured', () => {
  vi.stubEnv('VERBATIM_CUDA', 'yes')
  expect(() => chooseCuda([])).toThrow(/^VERBATIM_CUDA must be auto, on or off, not 'yes'$/)
})

test.each([
  [[], 'default'],
  [['--architectures', 'native'], 'native'],
  [['--architectures=90a-real,120'], '90a-real;120'],
])('the arguments %j mean the architectures %s', (args, expected) => {
  expect(architecturesIn(args)).toBe(expected)
})

test.each([['9.0'], ['sm_90'], [''], [undefined]])('--architectures %j is refused', (given) => {
  const args = given === undefined ? ['--architectures'] : ['--architectures', given]
  expect(() => architecturesIn(args)).toThrow(/takes native, or compute capabilities such as 80,90/)
})
