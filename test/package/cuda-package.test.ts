// The CUDA package as npm packs it, with a stand-in for its library: ggml's own CPU backend, which is linked the same.
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { install, installed, manifest, model, QUIET_NPM, repository, run, tarball, work } from './support.js'

const name = 'verbatim-llama-cuda-linux-x64'
const LOAD = `
  import { readFileSync } from 'node:fs'
  import { loadModel } from 'verbatim-llama'
  try {
    const model = await loadModel(${JSON.stringify(model)}, { contextSize: 256 })
    console.log(/\\S+libggml-cuda\\.so/.exec(readFileSync('/proc/self/maps', 'utf8')))
    await model.dispose()
  } catch ({ code, message }) {
    console.log(code, message)
  }`

describe.runIf(process.platform === 'linux' && process.arch === 'x64')(name, () => {
  beforeAll(async () => {
    await pack(manifest.version)
    await pack('99.0.0')
  })

  test('has its library, its licences and nothing else', async () => {
    const folder = await application('right', manifest.version)
    expect(readdirSync(join(folder, 'node_modules', name)).sort()).toEqual(
      ['LICENSE', 'README.md', 'THIRD_PARTY_LICENSES.md', 'libggml-cuda.so', 'package.json'].sort(),
    )
  })

  test('of the same version is loaded by loadModel', async () => {
    const folder = await application('right', manifest.version)
    const { stdout } = await run(process.execPath, ['load.mjs'], { cwd: folder })
    expect(stdout).toContain(join(folder, 'node_modules', name, 'libggml-cuda.so'))
  })

  test('of another version is refused by npm, and by the loader where npm was overruled', async () => {
    await expect(application('other', '99.0.0')).rejects.toThrow(/ERESOLVE/)
    const folder = await application('forced', '99.0.0', '--legacy-peer-deps')
    const { stdout } = await run(process.execPath, ['load.mjs'], { cwd: folder })
    expect(stdout).toContain(`ADDON_LOAD`)
    expect(stdout).toContain(`npm install ${name}@${manifest.version}`)
  })
})

async function pack(version: string): Promise<void> {
  const source = join(work, `cuda-${version}`)
  cpSync(join(repository, 'packages/cuda-linux-x64'), source, { recursive: true })
  const path = join(source, 'package.json')
  writeFileSync(path, readFileSync(path, 'utf8').replaceAll(`"${manifest.version}"`, `"${version}"`))
  for (const file of ['LICENSE', 'THIRD_PARTY_LICENSES.md'])
    cpSync(join(repository, file), join(source, file))
  cpSync(join(installed, 'prebuilds/linux-x64/libggml-cpu-x64.so'), join(source, 'libggml-cuda.so'))
  await run('npm', ['pack', '--pack-destination', work, ...QUIET_NPM], { cwd: source })
}

async function application(folderName: string, version: string, ...options: string[]): Promise<string> {
  const folder = join(work, `with-cuda-${folderName}`)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n')
  writeFileSync(join(folder, 'load.mjs'), LOAD)
  await install(folder, tarball, join(work, `${name}-${version}.tgz`), ...options)
  return folder
}
