import { fileURLToPath } from 'node:url'
import { findCudaTool, runProgram } from '../run/machine-programs.js'
import { Skipped } from '../run/step-types.js'
import { gpuTest } from './support.js'

const ERROR_STATUS = 99

export const memcheck = gpuTest(
  'memcheck',
  'a short run under compute-sanitizer memcheck',
  async ({ root }) => {
    const sanitizer = findCudaTool('compute-sanitizer')
    if (sanitizer === undefined)
      throw new Skipped('compute-sanitizer is not installed (it comes with the CUDA toolkit)')
    const script = fileURLToPath(new URL('./short-run.js', import.meta.url))
    const options = ['--tool=memcheck', `--error-exitcode=${ERROR_STATUS}`, '--target-processes=all']
    runProgram(sanitizer, [...options, process.execPath, script, root])
    return {}
  },
  { needsGpu: true, usualSeconds: 120, limitSeconds: 500 },
)
