import { copyFile, mkdtemp, readdir, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { runScript } from './support/child.js'

const repository = fileURLToPath(new URL('..', import.meta.url))

describe.runIf(process.platform === 'linux')('backends', () => {
  test('are loaded from the folder of the addon and from nowhere else', async () => {
    const addonFolder = join(repository, 'build/Release')
    const libraries = (await readdir(addonFolder)).filter((name) => /^libggml-cpu.*\.so$/.test(name))
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'verbatim-llama-')))
    try {
      // Put libraries here that would load if they were looked for.
      const source = join(addonFolder, libraries[0] as string)
      const names = ['libggml-cpu.so', 'libggml-cpu-evil.so', 'libggml-evil.so', 'libggml-cuda.so']
      for (const name of names) await copyFile(source, join(folder, name))
      const { code, stdout, stderr } = await runScript(
        `process.chdir(${JSON.stringify(folder)})
        process.env.GGML_BACKEND_PATH = ${JSON.stringify(join(folder, 'libggml-evil.so'))}
        const model = await loadModel(tinyModel, quick)
        await generateInference(user('Hello'), { model, maxTokens: 2 })
        const maps = (await import('node:fs')).readFileSync('/proc/self/maps', 'utf8')
        const mapped = [...maps.matchAll(/\\S+\\/lib(?:ggml|verbatim-llama)[^/]*\\.so$/gm)].map(String)
        console.log(JSON.stringify({ mapped, variable: process.env.GGML_BACKEND_PATH }))
        await model.dispose()`,
      )
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      const { mapped, variable } = JSON.parse(stdout)
      const mappedFolders = new Set(mapped.map((path: string) => dirname(path)))
      expect([...mappedFolders]).toEqual([await realpath(addonFolder)])
      expect(variable).toBe(join(folder, 'libggml-evil.so')) // it is hidden from ggml only
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
