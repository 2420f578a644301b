// Packs all that a machine with a GPU needs to build, test and measure, without network, npm or Node.js, into one
// archive: build-gpu-kit/verbatim-gpu-kit.tar.xz. docs/gpu.md says how it is used.
//
//   npm run gpu-kit
import { rmSync, statSync } from 'node:fs'
import { SetupFailure } from '../bench/tools.js'
import { ARCHIVE, archive } from './gpu-kit/pack.js'

/** So that it can be carried to where there is no network. */
const LIMIT_MB = 45

try {
  await archive()
  const megabytes = statSync(ARCHIVE).size / 1e6
  process.stderr.write(`[gpu-kit] ${ARCHIVE}: ${megabytes.toFixed(1)} MB of ${LIMIT_MB} MB\n`)
  if (megabytes > LIMIT_MB) {
    rmSync(ARCHIVE)
    throw new SetupFailure(
      `the kit has ${megabytes.toFixed(1)} MB: leave something out of scripts/gpu-kit/pack.ts`,
    )
  }
} catch (error) {
  if (!(error instanceof SetupFailure)) throw error
  process.stderr.write(`[gpu-kit] ${error.message}\n`)
  process.exitCode = 1
}
