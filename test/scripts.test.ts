// The demonstration and the examples that are scripts, which newcomers run first, on the model in the box.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const repository = fileURLToPath(new URL('..', import.meta.url))

function runScript(...args: readonly string[]) {
  const tsx = ['--import', 'tsx', ...args]
  return spawnSync(process.execPath, tsx, { cwd: repository, encoding: 'utf8', timeout: 55_000 })
}

test('the demonstration shows messages, prompt, reply and speed of three jobs', () => {
  const { status, stdout, stderr } = runScript('scripts/demo.ts')
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  for (const job of ['chat', 'enhance', 'generate']) expect(stdout).toContain(`── ${job} `)
  expect(stdout).toContain('<|im_start|>user\n  «What is the capital of France?»<|im_end|>')
  expect(stdout).toContain('  The capital of France is Paris.\n')
  expect(stdout).toMatch(/ {2}a red fox in the snow, \w/)
  expect(stdout).toMatch(/ended by: stop; first token after \d+ ms, then \d+ tokens\/s/)
  expect(stdout).not.toContain('\x1b') // no colours where nobody sees them
})

test('a MODEL that is not there fails with an error and its code', () => {
  const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', 'scripts/demo.ts'], {
    cwd: repository,
    encoding: 'utf8',
    env: { ...process.env, MODEL: 'nowhere.gguf' },
  })
  expect(status).toBe(1)
  expect(stderr).toMatch(/^MODEL_NOT_FOUND: .*nowhere\.gguf/)
})

test.each([
  ['basic', /finishReason: '(stop|length)'/],
  ['streaming', /\d+ tokens in \d+\.\d s/],
  ['prompts-from-database', /shout: A SMALL BOAT ON A WIDE LAKE\n/],
  ['benchmark', /first token +\d+\.\d ms\none stream +\d+ tokens\/s\n8 +requests +\d+ tokens\/s in all/],
])('examples/%s.ts runs and prints what it promises', (name, output) => {
  const { status, stdout, stderr } = runScript(`examples/${name}.ts`)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout).toMatch(output)
})
