// Devices of a model, as the GPU tests read them: the one place to follow changes of `model.info`.
import type { DeviceUse, MemoryAttempt, Model } from 'verbatim-llama'

/** The GPUs a model is on. */
export function gpusOf(model: Model): readonly DeviceUse[] {
  return model.info.devices.filter(({ type }) => type !== 'cpu')
}

/** Number of layers on GPUs, the output counted as one. */
export function layersOnGpus(model: Model): number {
  return model.info.gpuLayers
}

/** Plans that were tried to fit the model into memory. */
export function memoryPlan(model: Model): readonly MemoryAttempt[] {
  return model.info.memory.attempts
}
