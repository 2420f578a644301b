// Types of a model's memory: plans and estimates.
import type { KvCacheType } from './option-types.js'

/** Choices by which a model fits into memory. */
export interface MemoryPlan {
  /** Layers on GPUs, the output counted as one. */
  readonly gpuLayers: number
  /** Cells of the key-value cache. */
  readonly cacheSize: number
  /** The most tokens evaluated in one step. */
  readonly batchSize: number
  /** The type of the key-value cache. */
  readonly kvCacheType: KvCacheType
}

/** A plan and its outcome. */
export interface MemoryAttempt extends MemoryPlan {
  /**
   * `'taken'`; `'too-large'`, by computation; `'failed'`: an allocation failed, though by computation it fits;
   * `'unusable'`: the model or the device does not support it.
   */
  readonly outcome: 'taken' | 'too-large' | 'failed' | 'unusable'
  /** The reason, in words; null when the plan was taken. */
  readonly reason: string | null
  /** Memory needed (a margin included) and free of each device; empty where that was not computed. */
  readonly devices: readonly DeviceShortage[]
}

/** Memory needed and free of a device. */
export interface DeviceShortage {
  /** The name, such as `'CPU'` or `'CUDA0'`. */
  readonly name: string
  /** Bytes needed, a margin included. */
  readonly neededBytes: number
  /** Bytes free. */
  readonly freeBytes: number
}

/** Values of options with which a model would fit into memory, by computation. */
export interface FittingOptions {
  /** Layers on GPUs, the output counted as one. */
  readonly gpuLayers: number
  /** Most tokens of one request. */
  readonly contextSize: number
  /** Cells of the key-value cache. */
  readonly cacheSize: number
  /** The type of the key-value cache. */
  readonly kvCacheType: KvCacheType
}

/** A device, and the memory that a model takes of it. */
export interface DeviceUse {
  /** The name, such as `'CPU'` or `'CUDA0'`. */
  readonly name: string
  /** The name of the product. */
  readonly description: string
  /** The kind of device. */
  readonly type: 'cpu' | 'gpu' | 'integrated-gpu'
  /** The backend, such as `'CPU'` or `'CUDA'`. */
  readonly backend: string
  /** Bytes of memory, free or not. */
  readonly totalBytes: number
  /** Bytes free before loading; of the CPU, within the limits of the process and its cgroup. */
  readonly freeBytes: number
  /** Bytes of `freeBytes` that a plan leaves free. */
  readonly marginBytes: number
  /** Bytes of weights. */
  readonly weightsBytes: number
  /** Bytes of weights that stay in the mapped file: the system can drop them and read them again. */
  readonly mappedBytes: number
  /** Bytes of the key-value cache. */
  readonly cacheBytes: number
  /** Bytes of intermediate results. */
  readonly computeBytes: number
}

/** The memory that a model would take, by `estimateMemory`. */
export interface MemoryEstimate extends MemoryPlan {
  /** True when `loadModel` would find a plan that fits; else the plan here is the last one it would try. */
  readonly fits: boolean
  /** The most tokens of one request. */
  readonly contextSize: number
  /** The devices, the CPU last. */
  readonly devices: readonly DeviceUse[]
  /** The plans that were computed, in order. */
  readonly attempts: readonly MemoryAttempt[]
}
