import type { Step } from '../../scripts/gpu-kit/step.js'
import type { ModelType } from '../../scripts/make-model.js'
import { fanOutStep } from './fan-out.js'
import { singleStreamStep } from './single-stream.js'

export function benchSteps(type: ModelType): Step[] {
  return [singleStreamStep(type), fanOutStep(type)]
}
