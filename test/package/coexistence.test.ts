import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { installed, repository, run } from './support.js'

test.runIf(process.platform === 'linux' && process.arch === 'x64')(
  'shares a process with the real node-llama-cpp, whichever comes first',
  async () => {
    expect(existsSync(join(installed, 'build'))).toBe(false)
    const { stdout } = await run(process.execPath, ['--import', 'tsx', 'test/peers/coexistence.mjs'], {
      cwd: repository,
      env: { VERBATIM_LLAMA_PACKAGE: installed },
    })
    expect(stdout.match(/^ok {2}/gm)).toHaveLength(4)
  },
)
