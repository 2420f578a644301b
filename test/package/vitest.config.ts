import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/package/*.test.ts'],
    pool: 'forks',
    maxWorkers: 1,
    globalSetup: ['test/package/global-setup.ts'],
    // Allow for a source build, which takes minutes.
    testTimeout: 30 * 60_000,
    hookTimeout: 30 * 60_000,
  },
})
