import { fileURLToPath } from 'node:url'
import { ask, runProgram } from '../../scripts/gpu-kit/commands.js'
import { Skipped } from '../../scripts/gpu-kit/step.js'
import { gpuTest } from './support.js'

const ERROR_STATUS = 99

export const SANITIZER_TESTS = [
  gpuTest(
    'memcheck',
    'a short run under compute-sanitizer memcheck',
    async ({ root }) => {
      if (ask('compute-sanitizer', ['--version']) === undefined)
        throw new Skipped('compute-sanitizer is not installed (it comes with the CUDA toolkit)')
      const script = fileURLToPath(new URL('./short-run.js', import.meta.url))
      const options = [
        '--tool',
        'memcheck',
        '--error-exitcode',
        String(ERROR_STATUS),
        '--target-processes',
        'all',
      ]
      runProgram('compute-sanitizer', [...options, process.execPath, script, root])
      return {}
    },
    { needsGpu: true, limitSeconds: 500 },
  ),
]
