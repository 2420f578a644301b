// What is known of the memory a model takes.
import type { KvCacheType } from './option-types.js'

/** What can be chosen so that a model fits into memory. */
export interface MemoryPlan {
  /** Layers on GPUs, the output counted as one. */
  readonly gpuLayers: number
  /** Cells of the key-value cache. */
  readonly cacheSize: number
  /** The most tokens evaluated in one step. */
  readonly batchSize: number
  readonly kvCacheType: KvCacheType
}

/** A plan, and what came of it. */
export interface MemoryAttempt extends MemoryPlan {
  /**
   * `'taken'`; `'too-large'`, by computation; `'failed'`: an allocation failed, though by computation it fits;
   * `'unusable'`: the model or the device does not support it.
   */
  readonly outcome: 'taken' | 'too-large' | 'failed' | 'unusable'
  /** In words; null when it was taken. */
  readonly reason: string | null
  /** What it needs of each device, a margin included; empty where that was not computed. */
  readonly devices: readonly DeviceShortage[]
}

/** What is needed of a device, and what there is. */
export interface DeviceShortage {
  /** Such as `'CPU'` or `'CUDA0'`. */
  readonly name: string
  readonly neededBytes: number
  readonly freeBytes: number
}

/** Values of options with which a model would fit into memory, by computation. */
export interface FittingOptions {
  readonly gpuLayers: number
  readonly contextSize: number
  readonly cacheSize: number
  readonly kvCacheType: KvCacheType
}

/** A device, and what a model takes of its memory. */
export interface DeviceUse {
  /** Such as `'CPU'` or `'CUDA0'`. */
  readonly name: string
  /** The name of the product. */
  readonly description: string
  readonly type: 'cpu' | 'gpu' | 'integrated-gpu'
  /** Such as `'CPU'` or `'CUDA'`. */
  readonly backend: string
  /** All of its memory. */
  readonly totalBytes: number
  /** What was free of it before loading; of the CPU's also what limits of the process and its cgroup leave. */
  readonly freeBytes: number
  /** What is left alone of that. */
  readonly marginBytes: number
  /** Weights. */
  readonly weightsBytes: number
  /** Weights that stay in the file, which is mapped: the system can drop them and read them again. */
  readonly mappedBytes: number
  /** The key-value cache. */
  readonly cacheBytes: number
  /** Intermediate results. */
  readonly computeBytes: number
}

/** What a model would take, by `estimateMemory`. */
export interface MemoryEstimate extends MemoryPlan {
  /** Whether `loadModel` would find a plan that fits; if not, the plan here is the last one it would try. */
  readonly fits: boolean
  /** The most tokens of one request. */
  readonly contextSize: number
  /** The CPU is the last one. */
  readonly devices: readonly DeviceUse[]
  readonly attempts: readonly MemoryAttempt[]
}
