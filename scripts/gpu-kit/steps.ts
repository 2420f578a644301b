// Everything the kit does, in the order it is done: what is worth most first, for when time on the GPU is short.
import { benchSteps, COMPILED_STEPS } from '../../bench/gpu/steps.js'
import { memcheck } from '../../test/gpu/sanitizer.js'
import { TEST_STEPS } from '../../test/gpu/steps.js'
import { BUILD_STEPS } from './build.js'
import { check } from './check.js'
import { benchModelStep, testModelStep } from './models.js'
import type { Step } from './step.js'

export const STEPS: readonly Step[] = [
  check,
  ...BUILD_STEPS,
  testModelStep,
  benchModelStep('Q4_K'),
  ...TEST_STEPS,
  benchModelStep('F16'),
  ...benchSteps('F16'),
  ...benchSteps('Q4_K'),
  benchModelStep('Q8_0'),
  ...benchSteps('Q8_0'),
  memcheck,
  ...COMPILED_STEPS,
]
