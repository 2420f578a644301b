import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const windows = process.platform === 'win32' ? '.exe' : ''
const binary = fileURLToPath(new URL(`../build/Release/verbatim-native-tests${windows}`, import.meta.url))

// Run them under the sanitizers with npm run test:native.
test('the native tests pass', { timeout: 1_200_000 }, () => {
  const { status, signal, stdout, stderr } = spawnSync(binary, { encoding: 'utf8' })
  expect({ status, signal }, stdout + stderr).toEqual({ status: 0, signal: null })
  expect(stdout).toMatch(/native tests: \d+ passed, 0 failed/)
})
