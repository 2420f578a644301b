import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'gpu-kit/test/*.test.ts'],
    exclude: ['test/package/**', '**/node_modules/**'], // npm run test:package
    // Every file loads models of its own in a process of its own; two at a time suit a small machine.
    pool: 'forks',
    maxWorkers: 2,
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    env: { TZ: 'UTC' },
  },
})
