import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { application, installed, repository, run, tarball, tools } from './support.js'

const MEGABYTE = 1e6
const files = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

test('is at most 15 MB packed, and 45 MB installed', () => {
  const packed = statSync(tarball).size / MEGABYTE
  const unpacked =
    files(join(application, 'node_modules')).reduce((sum, path) => sum + statSync(path).size, 0) / MEGABYTE
  console.log(`packed ${packed.toFixed(1)} MB, installed with its dependencies ${unpacked.toFixed(1)} MB`)
  expect(packed).toBeLessThanOrEqual(15)
  expect(unpacked).toBeLessThanOrEqual(45)
})

test('runs nothing when it is installed', () => {
  const { scripts } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
  for (const name of ['preinstall', 'install', 'postinstall', 'prepare', 'preprepare', 'postprepare'])
    expect(scripts).not.toHaveProperty(name)
  // Refuse binding.gyp, for which npm would run node-gyp.
  expect(readdirSync(installed)).not.toContain('binding.gyp')
})

test('has what it needs and nothing else', () => {
  expect(readdirSync(installed).sort()).toEqual(
    [
      ...['CHANGELOG.md', 'LICENSE', 'README.md', 'THIRD_PARTY_LICENSES.md'],
      ...['dist', 'package.json', 'prebuilds', 'sources.tar.xz'],
    ].sort(),
  )
  const stray = files(installed).filter(
    (path) => !/\.(js|d\.ts|md|json|node|so|dylib|dll|xz)$|\/LICENSE$/.test(path),
  )
  expect(stray).toEqual([])
})

test('has the licences of all that is compiled into it', () => {
  const licences = readFileSync(join(installed, 'THIRD_PARTY_LICENSES.md'), 'utf8')
  for (const name of [
    'ggml authors',
    'Mozilla Foundation',
    'Jeffrey Quesnelle',
    'Unicode, Inc.',
    'node-addon-api',
  ])
    expect(licences).toContain(name)
  expect(readFileSync(join(installed, 'LICENSE'), 'utf8')).toBe(
    readFileSync(join(repository, 'LICENSE'), 'utf8'),
  )
})

test('names no folder of the machine that built it', () => {
  const naming = files(installed).filter((path) => readFileSync(path).includes(repository))
  expect(naming).toEqual([])
})

test('publint has no complaint', async () => {
  await run(process.execPath, [
    join(tools, 'publint/src/cli.js'),
    'run',
    installed,
    '--strict',
    '--pack',
    'false',
  ])
})

test('attw has no complaint', async () => {
  const attw = join(tools, '@arethetypeswrong/cli/dist/index.js')
  await run(process.execPath, [attw, tarball, '--profile', 'esm-only'])
})
