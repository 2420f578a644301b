import { TYPES } from '../../scripts/gpu-kit/models.js'
import type { Step } from '../../scripts/gpu-kit/step.js'
import { fanOutStep } from './fan-out.js'
import { singleStreamStep } from './single-stream.js'

export const BENCH_STEPS: readonly Step[] = TYPES.flatMap((type) => [
  singleStreamStep(type),
  fanOutStep(type),
])
