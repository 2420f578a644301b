import type { Step } from '../../scripts/gpu-kit/step.js'
import type { ModelType } from '../../scripts/make-model.js'
import { compiledStep } from './compiled.js'
import { fanOutStep } from './fan-out.js'
import { singleStreamStep } from './single-stream.js'

/** Of Transformers alone. */
export const COMPILED_STEPS: readonly Step[] = [1, 8].map(compiledStep)

export function benchSteps(type: ModelType): Step[] {
  return [singleStreamStep(type), fanOutStep(type)]
}
