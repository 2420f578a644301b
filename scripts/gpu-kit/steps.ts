// Everything the kit does, in the order it is done.
import { BENCH_STEPS } from '../../bench/gpu/steps.js'
import { TEST_STEPS } from '../../test/gpu/steps.js'
import { BUILD_STEPS } from './build.js'
import { check } from './check.js'
import { benchModelSteps, testModelStep } from './models.js'
import type { Step } from './step.js'

export const STEPS: readonly Step[] = [
  check,
  ...BUILD_STEPS,
  testModelStep,
  ...benchModelSteps,
  ...TEST_STEPS,
  ...BENCH_STEPS,
]
