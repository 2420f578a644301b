// Packs all that a machine with a GPU needs to test and measure this library, without network, npm or Node.js, into one
// archive: build-gpu-kit/verbatim-gpu-kit.tar.xz. docs/gpu.md says how it is used.
//
//   npm run gpu-kit                       the machine compiles the CUDA backend and llama.cpp's programs itself
//   npm run gpu-kit -- --with-backend     they are built here, without a GPU, and packed
//   npm run gpu-kit -- --backend FILE     the same with a libggml-cuda.so that was built before
import { rmSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { run, SetupFailure } from '../../bench/tools.js'
import { architecturesIn } from '../../scripts/setup/cuda.mjs'
import { ARCHIVE, archive } from './archive.js'
import { ARCHITECTURES, buildPortable } from './portable-build.js'

const USAGE = `usage: npm run gpu-kit -- [options]

  --with-backend        builds the CUDA backend here, without a GPU (most of an hour on 2 cores, once), and packs it
  --architectures LIST  of that backend: compute capabilities such as 80-real (${ARCHITECTURES}); 90-virtual is PTX
  --backend FILE        packs a libggml-cuda.so that was built before
`

/** Largest archive that can be carried to a machine without network. */
const LIMIT_MB = 50
const repository = fileURLToPath(new URL('../..', import.meta.url))

try {
  await pack()
} catch (error) {
  if (!(error instanceof SetupFailure)) throw error
  process.stderr.write(`[gpu-kit] ${error.message}\n`)
  process.exitCode = 1
}

async function pack(): Promise<void> {
  const { withBackend, backend, architectures } = readCommandLine()
  const given = backend === undefined ? undefined : resolve(process.env.INIT_CWD ?? '.', backend)
  process.chdir(repository)
  const portable = withBackend || given !== undefined ? buildPortable(architectures, given) : null
  const steps = portable ? ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'] : ['scripts/setup.mjs']
  run(process.execPath, steps, portable ? 'TypeScript did not compile' : 'the addon was not built')
  await archive(portable)
  const megabytes = statSync(ARCHIVE).size / 1e6
  process.stderr.write(`[gpu-kit] ${ARCHIVE}: ${megabytes.toFixed(1)} MB of ${LIMIT_MB} MB\n`)
  if (portable) {
    const { needs, architectures: built } = portable.backend
    process.stderr.write(
      `[gpu-kit] for compute capability ${built ?? 'unknown'}; it needs ${needs.join(', ')} on the machine\n`,
    )
  }
  if (megabytes <= LIMIT_MB) return
  rmSync(ARCHIVE)
  const advice =
    withBackend && architectures !== ARCHITECTURES
      ? 'name fewer --architectures'
      : 'leave something out of gpu-kit/pack/archive.ts'
  throw new SetupFailure(`the kit has ${megabytes.toFixed(1)} MB: ${advice}`)
}

function readCommandLine() {
  try {
    const { values } = parseArgs({
      options: {
        'with-backend': { type: 'boolean' },
        backend: { type: 'string' },
        architectures: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
    if (values.help) throw new SetupFailure(USAGE)
    const withBackend = values['with-backend'] ?? false
    if (withBackend && values.backend !== undefined)
      throw new SetupFailure('--with-backend builds one, --backend FILE packs one: not both')
    if (values.architectures !== undefined && !withBackend)
      throw new SetupFailure('--architectures belongs to --with-backend')
    const architectures =
      values.architectures === undefined ? ARCHITECTURES : architecturesIn(process.argv.slice(2))
    return { withBackend, backend: values.backend, architectures }
  } catch (error) {
    if (error instanceof SetupFailure) throw error
    throw new SetupFailure(error instanceof Error ? error.message : String(error))
  }
}
