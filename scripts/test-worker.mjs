// Runs the long tests of the worker at full size: 2000 requests of 64 clients, and every way to kill its process twenty
// times.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url))
const { status } = spawnSync(
  process.execPath,
  [vitest, 'run', 'test/worker/soak.test.ts', 'test/worker/supervise.test.ts', '--no-file-parallelism'],
  { stdio: 'inherit', env: { ...process.env, WORKER_SOAK: '2000', WORKER_KILLS: '20' } },
)
process.exitCode = status ?? 1
