// All that the GPU tests read of where a model is computed: the one place to follow changes of `model.info`.
import type { Model } from '../../dist/index.js'

interface Device {
  readonly name: string
  readonly type: string
  readonly layers?: number
}

/** The devices of a model. Of one that is only described, the description has to tell what it is. */
function devicesOf(model: Model): readonly Device[] {
  return (model.info.devices as readonly unknown[]).map((device) =>
    typeof device === 'string'
      ? { name: device, type: /nvidia|cuda/i.test(device) ? 'gpu' : 'cpu' }
      : (device as Device),
  )
}

/** Those that are GPUs. */
export function gpusOf(model: Model): readonly Device[] {
  return devicesOf(model).filter(({ type }) => /gpu/i.test(type))
}

/** How many layers are on GPUs; null where the library does not say. */
export function layersOnGpus(model: Model): number | null {
  const layers = gpusOf(model).map((device) => device.layers)
  return layers.length > 0 && layers.every((count) => count !== undefined)
    ? layers.reduce((sum, count) => sum + count, 0)
    : null
}

/** What the library did to fit the model into memory; null where it does not say. */
export function memoryPlan(model: Model): unknown {
  return (model.info as { memory?: unknown }).memory ?? null
}
