import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { runScript } from './support/child.js'
import { InstalledPackage, repository } from './support/installed-package.js'

const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'))
const builtAddon = join(repository, 'build/Release')
const platform = `${process.platform}-${process.arch}`

let installed: InstalledPackage
afterEach(() => installed.remove())

interface Outcome {
  readonly code?: string
  readonly message?: string
  readonly tried?: { path: string; reason: string }[]
  readonly log: string[]
  readonly mapped: string[]
}

/** Loads the tiny model with the installed package, in a process of its own, and generates a token. */
async function load(env: NodeJS.ProcessEnv = {}, options = '', prelude = ''): Promise<Outcome> {
  const { code, signal, stdout, stderr } = await runScript(
    `${prelude}
    const { loadModel, generateInference } = await import(${JSON.stringify(installed.indexUrl)})
    const log = []
    const onLog = ({ level, message }) => { if (message.startsWith('/')) log.push(level + ' ' + message) }
    let result = {}
    try {
      const model = await loadModel(tinyModel, { ...quick, onLog${options} })
      await generateInference(user('Hello'), { model, maxTokens: 1 })
      await model.dispose()
    } catch ({ code, message, tried }) {
      result = { code, message, tried }
    }
    const { readFileSync } = await import('node:fs')
    const maps = process.platform === 'linux' ? readFileSync('/proc/self/maps', 'utf8') : ''
    const mapped = [...new Set([...maps.matchAll(/\\S+\\/libggml-c[^/]*\\.so$/gm)].map(String))]
    console.log(JSON.stringify({ ...result, log, mapped }))`,
    { bare: true, env },
  )
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' })
  return JSON.parse(stdout)
}

describe('the addon', () => {
  // None of these files is an addon, so that the error tells which was tried.
  const release = 'build/Release/verbatim-llama.node'
  const debug = 'build/Debug/verbatim-llama.node'
  const prebuild = `prebuilds/${platform}/verbatim-llama.glibc.node`
  const muslPrebuild = `prebuilds/musl/prebuilds/${platform}/verbatim-llama.musl.node`

  test.each([
    { what: 'a local build', present: [release, debug, prebuild], env: {}, tried: release },
    { what: 'then a debug build', present: [debug, prebuild], env: {}, tried: debug },
    { what: 'then the prebuild', present: [prebuild, muslPrebuild], env: {}, tried: prebuild },
    {
      what: 'no build when told so',
      present: [release, prebuild],
      env: { PREBUILDS_ONLY: '1' },
      tried: prebuild,
    },
    {
      what: 'the one for musl there',
      present: [prebuild, muslPrebuild],
      env: { LIBC: 'musl' },
      tried: muslPrebuild,
    },
  ])('is looked for in this order: $what', async ({ present, env, tried }) => {
    installed = new InstalledPackage()
    for (const path of present) installed.write(path, 'not an addon')
    const error = await load(env)
    expect(error.code).toBe('ADDON_LOAD')
    expect(error.tried).toEqual([{ path: join(installed.root, tried), reason: expect.any(String) }])
    expect(error.message).toContain('npx verbatim-llama build')
  })

  test('is taken from the folder that VERBATIM_LLAMA_PREBUILD names', async () => {
    installed = new InstalledPackage()
    installed.write(release, 'not an addon')
    const other = join(installed.application, 'other')
    installed.write(join('../../other', release), 'not an addon')
    const error = await load({ VERBATIM_LLAMA_PREBUILD: other })
    expect(error.tried?.[0]?.path).toBe(join(other, release))
  })

  test('is not looked for in the current directory', async () => {
    installed = new InstalledPackage()
    installed.write(join('../..', release), 'not an addon')
    installed.write(join('../..', prebuild), 'not an addon')
    const error = await load({}, '', `process.chdir(${JSON.stringify(installed.application)})`)
    const missing = join(installed.root, 'prebuilds', platform)
    expect(error.tried).toEqual([{ path: missing, reason: 'there is no addon for this platform' }])
  })

  test('that is missing is a typed error that says how to get it', async () => {
    installed = new InstalledPackage()
    const error = await load()
    expect(error.code).toBe('ADDON_LOAD')
    expect(error.message).toContain(platform)
    expect(error.message).toContain('npx verbatim-llama build')
  })

  test('of another version is refused', async () => {
    installed = new InstalledPackage()
    const manifest = readFileSync(join(repository, 'package.json'), 'utf8')
    installed.write('package.json', manifest.replace(`"version": "${version}"`, '"version": "99.0.0"'))
    installed.copy(builtAddon, 'build/Release')
    const error = await load()
    expect(error.code).toBe('ADDON_LOAD')
    expect(error.tried?.[0]?.reason).toBe(`it is of version ${version}, this is verbatim-llama 99.0.0`)
  })

  test("is taken from beside Electron's archive", async () => {
    installed = new InstalledPackage('resources/app.asar')
    installed.write(release, 'what the archive shows')
    const unpacked = join('../../../app.asar.unpacked/node_modules/verbatim-llama/build/Release')
    installed.copy(builtAddon, unpacked)
    const versions = `{ value: { ...process.versions, electron: '40.0.0' } }`
    const loaded = await load({}, '', `Object.defineProperty(process, 'versions', ${versions})`)
    expect(loaded.code, loaded.message).toBeUndefined()
    if (process.platform === 'linux')
      expect(loaded.mapped).toEqual([join(installed.root, unpacked, 'libggml-cpu.so')])
  })
})

describe.runIf(platform === 'linux-x64')('the CUDA package', () => {
  const name = 'verbatim-llama-cuda-linux-x64'
  const library = 'libggml-cuda.so'
  // It is linked against ggml as the CUDA library is, and has devices on every machine.
  const standIn = join(builtAddon, 'libggml-cpu.so')

  function install(pluginVersion: string, pluginLibrary?: string): string {
    installed = new InstalledPackage()
    installed.copy(builtAddon, 'build/Release')
    return installed.addPlugin(name, pluginVersion, library, pluginLibrary)
  }

  test('has the version of this package, which knows of it', () => {
    installed = new InstalledPackage()
    const read = (path: string) => JSON.parse(readFileSync(join(repository, path), 'utf8'))
    const plugin = read('packages/cuda-linux-x64/package.json')
    expect(plugin).toMatchObject({ name, version, peerDependencies: { 'verbatim-llama': version } })
    expect(plugin.files).toContain(library)
    expect(read('package.json').peerDependencies).toHaveProperty(name)
  })

  test('is loaded when it is installed', async () => {
    const path = install(version, standIn)
    const loaded = await load()
    expect(loaded.code, loaded.message).toBeUndefined()
    expect(loaded.mapped.sort()).toEqual([join(installed.root, 'build/Release/libggml-cpu.so'), path].sort())
    expect(loaded.log).toEqual([])
  })

  test('of another version is refused, naming the fix', async () => {
    const path = install('99.0.0', standIn)
    const error = await load()
    expect(error.code).toBe('ADDON_LOAD')
    expect(error.tried).toEqual([
      { path, reason: `it is of version 99.0.0, this is verbatim-llama ${version}` },
    ])
    expect(error.message).toContain(`npm install ${name}@${version}`)
    expect(error.mapped).toEqual([])
  })

  test('without its library is refused', async () => {
    const path = install(version)
    const error = await load()
    expect(error.code).toBe('ADDON_LOAD')
    expect(error.tried).toEqual([{ path, reason: 'the file is missing' }])
  })

  test('that does not work here leaves the work to the CPU, and says so', async () => {
    const path = install(version)
    installed.write(join('..', name, library), 'not a library')
    const loaded = await load()
    expect(loaded.code, loaded.message).toBeUndefined()
    expect(loaded.log).toEqual([expect.stringMatching(`^warn ${path} cannot be used: .*${library}`)])
    expect((await load({}, ', gpuLayers: 0')).code).toBeUndefined()
  })

  test('that does not work here is an error for who counts on it', async () => {
    const path = install(version)
    installed.write(join('..', name, library), 'not a library')
    const error = await load({}, ', gpuLayers: 1')
    expect(error.code).toBe('ADDON_LOAD')
    expect(error.tried).toEqual([{ path, reason: expect.stringContaining(library) }])
    expect(error.message).toContain('gpuLayers')
  })

  test('is not needed where the addon was built with CUDA', async () => {
    install('99.0.0', standIn)
    installed.copy(standIn, join('build/Release', library))
    const loaded = await load()
    expect(loaded.code, loaded.message).toBeUndefined()
    expect(loaded.mapped).toContain(join(installed.root, 'build/Release', library))
  })

  test('is not looked for near the current directory', async () => {
    install(version, standIn)
    const elsewhere = new InstalledPackage()
    elsewhere.addPlugin(name, '99.0.0', library, standIn)
    try {
      const loaded = await load({}, '', `process.chdir(${JSON.stringify(elsewhere.application)})`)
      expect(loaded.code, loaded.message).toBeUndefined()
    } finally {
      elsewhere.remove()
    }
  })
})
