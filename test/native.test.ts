import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { GENERATED_MODELS } from '../scripts/make-model.js'

const binary = join(
  import.meta.dirname,
  '../build/Release',
  process.platform === 'win32' ? 'verbatim-native-tests.exe' : 'verbatim-native-tests',
)

test('the native tests pass', { timeout: 600_000 }, () => {
  expect(existsSync(binary), `${binary} was not built: configure with VERBATIM_BUILD_TESTS=ON`).toBe(true)
  const result = spawnSync(binary, {
    encoding: 'utf8',
    env: { ...process.env, VERBATIM_TEST_MODEL: join(GENERATED_MODELS, 'tiny-Q8_0.gguf') },
  })
  const output = `${result.stdout}${result.stderr}`
  expect(result.status, `${result.error ?? result.signal ?? 'it failed'}\n${output}`).toBe(0)
  expect(output).toMatch(/native tests: [1-9]\d* passed, 0 failed/)
})
