// What decides how much memory a model takes, and what is known of it.

/** How the key-value cache is stored. The quantized types need less memory and are less exact. */
export type KvCacheType = 'f32' | 'f16' | 'bf16' | 'q8_0' | 'q5_1' | 'q5_0' | 'q4_1' | 'q4_0' | 'iq4_nl'

/** The options of `loadModel` that decide what memory the model takes, and where. */
export interface MemoryOptions {
  /** The most tokens one request can hold, prompt and output together: an integer from 16. Default: the length the model was trained for, at most 8192. */
  readonly contextSize?: number | undefined
  /** Cells of the key-value cache that all requests share, one a token: an integer from 16. Default: `contextSize`. */
  readonly cacheSize?: number | undefined
  /** How many requests are evaluated together at most; more wait in line. An integer from 1 to 240. Default: 8. */
  readonly maxSequences?: number | undefined
  /**
   * How many layers are put on GPUs, the output counted as one: an integer from 0, or `'auto'` for as many as fit. More
   * than 0 where there is no GPU that can be used is an `InvalidOptionError`; 0 leaves the GPUs alone. Default: `'auto'`.
   */
  readonly gpuLayers?: number | 'auto' | undefined
  /** The GPUs to use, by their names in `model.info.devices`, such as `['CUDA0']`. Default: all. */
  readonly devices?: readonly string[] | undefined
  /** Whether the layers are spread over all of these GPUs, or all are on one of them. Default: `'layer'`. */
  readonly splitMode?: 'layer' | 'none' | undefined
  /** Which GPU that is, counted from 0 in the order of `devices`; only with `splitMode: 'none'`. Default: 0. */
  readonly mainGpu?: number | undefined
  /** What part of the layers each GPU gets, in any unit, such as `[3, 1]`. Default: by free memory. */
  readonly tensorSplit?: readonly number[] | undefined
  /** Whether flash attention is used; `'auto'` where the model and the device allow it. Default: `'auto'`. */
  readonly flashAttention?: boolean | 'auto' | undefined
  /** How the key-value cache is stored. Default: `'f16'`, or `'q8_0'` where that does not fit. */
  readonly kvCacheType?: KvCacheType | undefined
  /**
   * What happens when there is not enough memory. `'fit'` tries smaller plans, in this order: a `q8_0` cache, smaller
   * batches (down to 128 tokens), fewer cells (down to `contextSize`, or where that is not given to 2048), fewer layers on
   * the GPU. An option that was given stays as it is, but for `cacheSize`, which may become as small as `contextSize`.
   * `model.info` says what was chosen, and `model.info.memory.attempts` why. `'throw'` reduces no more than the layers
   * of `gpuLayers: 'auto'`, and `OutOfMemoryError.wouldFit` says what would fit. Default: `'fit'`.
   */
  readonly onOutOfMemory?: 'fit' | 'throw' | undefined
}

/** What `estimateMemory` takes, besides the path. */
export interface EstimateMemoryOptions extends MemoryOptions {
  /** Cancels the download of a remote file's header: it rejects with the signal's reason. Default: none. */
  readonly signal?: AbortSignal | undefined
}

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
