// The options of loading a model, one row each.
import { MAX_INT32, type OptionRow, type OptionRows, ownOnly } from './row.js'

/** Most GPUs that `devices` and `tensorSplit` can name. */
const MAX_DEVICES = 16

type Refuse = NonNullable<OptionRow['refuse']>

const needsGpus =
  (name: string, refuse: Refuse = () => undefined): Refuse =>
  (options, isGiven) =>
    options.gpuLayers === 0 && isGiven(name)
      ? 'says which GPUs to use, but gpuLayers is 0. Leave one of them out.'
      : refuse(options, isGiven)

/** Refuses a member of `ropeScaling` that only `yarn` has. */
const needsYarn =
  (name: string, refuse: Refuse = () => undefined): Refuse =>
  (options, isGiven) =>
    options.type !== 'yarn' && isGiven(name)
      ? `has no effect with type '${options.type}': it belongs to 'yarn'. Leave it out.`
      : refuse(options, isGiven)

/** Refuses a member of `ropeScaling` that needs a scaling. */
const needsScaling =
  (name: string): Refuse =>
  ({ type }, isGiven) =>
    type === 'none' && isGiven(name) ? "has no effect with type 'none'. Leave it out." : undefined

/** True for 0, and for what is 0 as the engine's 32-bit float. */
const isZero = (value: unknown) => typeof value === 'number' && Math.fround(value) === 0

const needsExtrapolation =
  (name: string): Refuse =>
  ({ extrapolationFactor }, isGiven) =>
    isZero(extrapolationFactor) && isGiven(name)
      ? 'has no effect with extrapolationFactor 0. Leave one of them out.'
      : undefined

/** The members of the option `ropeScaling`. */
export const ROPE_SCALING_ROWS = {
  type: {
    sentence:
      'The method: `linear` and `yarn` extend a model beyond the length it was trained for; `none` does not scale, whatever the file says.',
    takes: { kind: 'choice', values: ['none', 'linear', 'yarn'] },
    default: null,
    defaultText: 'must be given',
    required: true,
    aliases: ['ropetype', 'ropescalingtype'],
  },
  factor: {
    sentence: 'How many times longer the context becomes.',
    takes: { kind: 'number', range: { min: 1, max: 1024 } },
    default: null,
    defaultText: 'the file’s; must be given where it has none',
    aliases: ['scale', 'ropescale', 'scalingfactor'],
    refuse: needsScaling('factor'),
  },
  originalContextSize: {
    sentence:
      'The context length before scaling; times `factor`, rounded down, it is the largest `contextSize`.',
    takes: { kind: 'number', range: { integer: true, min: 16, max: MAX_INT32 } },
    default: null,
    defaultText: 'the file’s, else the length the model was trained for',
    aliases: ['originalmaxpositionembeddings', 'originalcontextlength', 'yarnorigctx', 'origctx'],
    refuse: needsScaling('originalContextSize'),
  },
  frequencyBase: {
    sentence: 'The base of the frequencies, often called theta.',
    takes: { kind: 'number', range: { above: 1, max: 1e12 } },
    default: null,
    defaultText: 'the file’s',
    aliases: ['ropetheta', 'theta', 'ropefreqbase', 'freqbase'],
  },
  extrapolationFactor: {
    sentence: 'Of `yarn`: how much of the high frequencies stays as it is; 0 scales all alike.',
    takes: { kind: 'number', range: { min: 0, max: 1 } },
    default: null,
    defaultText: '1; the file’s where llama.cpp reads it (grok)',
    aliases: ['extfactor', 'yarnextfactor'],
    refuse: needsYarn('extrapolationFactor'),
  },
  attentionFactor: {
    sentence: 'Of `yarn` with `extrapolationFactor` 0: factor of the rotated queries and keys.',
    more: 'With another `extrapolationFactor` llama.cpp computes it from `factor`, and would ignore what it is given.',
    takes: { kind: 'number', range: { above: 0, max: 100 } },
    default: null,
    defaultText: '1, or computed from `factor`; the file’s where llama.cpp reads it (grok)',
    aliases: ['attnfactor', 'yarnattnfactor', 'mscale'],
    refuse: needsYarn('attentionFactor', ({ extrapolationFactor }, isGiven) =>
      !isZero(extrapolationFactor) && isGiven('attentionFactor')
        ? 'needs extrapolationFactor: 0. Otherwise llama.cpp computes it from factor, as the method is defined.'
        : undefined,
    ),
  },
  betaFast: {
    sentence: 'Of `yarn`: rotations within the original context from which a frequency stays as it is.',
    takes: { kind: 'number', range: { above: 0, max: 1e6 } },
    default: null,
    defaultText: '32; the file’s where llama.cpp reads it (grok, mistral3)',
    aliases: ['yarnbetafast'],
    refuse: needsYarn('betaFast', needsExtrapolation('betaFast')),
  },
  betaSlow: {
    sentence: 'Of `yarn`: rotations within the original context up to which a frequency is scaled fully.',
    takes: { kind: 'number', range: { above: 0, max: 1e6 } },
    default: null,
    defaultText: '1; the file’s where llama.cpp reads it (grok, mistral3)',
    aliases: ['yarnbetaslow'],
    refuse: needsYarn('betaSlow', needsExtrapolation('betaSlow')),
  },
} as const satisfies OptionRows

/** The options that decide what memory a model takes, and where. */
export const MEMORY_ROWS = ownOnly({
  contextSize: {
    sentence: 'The most tokens one request can hold, prompt and output together.',
    takes: { kind: 'number', range: { integer: true, min: 16, max: MAX_INT32 } },
    default: null,
    defaultText: 'the length the model was trained for or `ropeScaling` extends it to, at most 8192',
    aliases: ['nctx', 'numctx', 'ctxsize', 'contextlength', 'maxcontext', 'maxmodellen'],
  },
  ropeScaling: {
    sentence: 'The scaling of RoPE in place of the model file’s, for contexts beyond the trained length.',
    more:
      'What is in effect, by the file or this option, is `model.info.ropeScaling`. Refused for models that rotate ' +
      'nothing, and for those with two factors for each frequency (longrope). Layers with a sliding window keep the ' +
      'values of the file, and the factors of Llama 3.1’s `rope_freqs` apply besides, as in llama.cpp. A larger ' +
      '`frequencyBase` alone does not raise the largest `contextSize`; a larger `originalContextSize` does.',
    takes: { kind: 'options', type: 'RopeScalingOptions', rows: ROPE_SCALING_ROWS },
    default: null,
    defaultText: 'the file’s',
    aliases: ['ropeparameters', 'ropescalingtype', 'ropescale'],
  },
  cacheSize: {
    sentence: 'Cells of the key-value cache that all requests share, one a token.',
    takes: { kind: 'number', range: { integer: true, min: 16, max: MAX_INT32 } },
    default: null,
    defaultText: '`contextSize`, rounded up to a multiple of 256',
  },
  maxSequences: {
    sentence: 'The most requests that are evaluated together; more wait in line.',
    takes: { kind: 'number', range: { integer: true, min: 1, max: 240 } },
    default: 8,
    aliases: ['sequences', 'parallel', 'nparallel', 'numparallel', 'nseqmax', 'maxnumseqs'],
  },
  gpuLayers: {
    sentence:
      'Layers to put on GPUs, the output counted as one; `auto` for as many as fit, 0 leaves the GPUs alone.',
    more: 'More than 0 where there is no GPU that can be used is an `InvalidOptionError`.',
    takes: { kind: 'number', range: { integer: true, min: 0, max: MAX_INT32 }, or: 'auto' },
    default: 'auto',
    aliases: ['ngpulayers', 'ngl', 'numgpu'],
  },
  devices: {
    sentence: 'The GPUs to use, by their names in `model.info.devices`, such as `CUDA0`.',
    takes: {
      kind: 'names',
      most: MAX_DEVICES,
      wanted: `an array of 1 to ${MAX_DEVICES} names of GPUs, such as 'CUDA0'`,
    },
    default: [],
    defaultText: 'all',
    aliases: ['device'],
    refuse: needsGpus('devices'),
  },
  splitMode: {
    sentence: 'Spread the layers over all of these GPUs (`layer`), or put all on one of them (`none`).',
    takes: { kind: 'choice', values: ['layer', 'none'] },
    default: 'layer',
    refuse: needsGpus('splitMode'),
  },
  mainGpu: {
    sentence: 'The GPU for `splitMode` `none`, counted from 0 in the order of `devices`.',
    takes: { kind: 'number', range: { integer: true, min: 0, max: MAX_DEVICES - 1 } },
    default: 0,
    refuse: needsGpus('mainGpu', ({ splitMode }, isGiven) =>
      splitMode !== 'none' && isGiven('mainGpu')
        ? "needs splitMode: 'none', which puts the whole model on one GPU."
        : undefined,
    ),
  },
  tensorSplit: {
    sentence: 'The part of the layers that each GPU gets, in any unit, such as 3 and 1.',
    takes: {
      kind: 'shares',
      most: MAX_DEVICES,
      wanted: 'an array of numbers from 0, one for each GPU, and one of them above 0',
    },
    default: [],
    defaultText: 'by free memory',
    refuse: needsGpus('tensorSplit', ({ splitMode }, isGiven) =>
      splitMode === 'none' && isGiven('tensorSplit')
        ? "splits the model, and splitMode is 'none'. Leave one of them out."
        : undefined,
    ),
  },
  flashAttention: {
    sentence: 'Use flash attention; `auto` where the model and the device allow it.',
    takes: { kind: 'choice', values: ['auto', true, false] },
    default: 'auto',
    aliases: ['flashattn'],
  },
  kvCacheType: {
    sentence: 'Number type of the key-value cache; the quantized types need less memory and are less exact.',
    takes: {
      kind: 'choice',
      type: 'KvCacheType',
      values: ['f32', 'f16', 'bf16', 'q8_0', 'q5_1', 'q5_0', 'q4_1', 'q4_0', 'iq4_nl'],
    },
    default: null,
    defaultText: '`f16`, or `q8_0` where that does not fit',
    refuse: ({ kvCacheType, flashAttention }) =>
      flashAttention === false && typeof kvCacheType === 'string' && !/^b?f\d+$/.test(kvCacheType)
        ? `is the quantized '${kvCacheType}', which needs flash attention, but flashAttention is false. Leave one of them out.`
        : undefined,
    aliases: ['cachetype', 'cachetypek', 'cachetypev', 'typek', 'typev', 'kvcachedtype'],
  },
  onOutOfMemory: {
    sentence: 'Try smaller plans when there is not enough memory (`fit`), or refuse (`throw`).',
    more:
      'Smaller plans, in this order: a `q8_0` cache, smaller batches (down to 128 tokens), fewer cells (down to ' +
      '`contextSize`, or where that is not given to 2048), fewer layers on the GPU. An option that was given stays as ' +
      'it is, but for `cacheSize`, which may become as small as `contextSize`. `model.info` has the choice, and ' +
      "`model.info.memory.attempts` why. `'throw'` reduces no more than the layers of `gpuLayers: 'auto'`, and " +
      '`OutOfMemoryError.wouldFit` names options that would fit.',
    takes: { kind: 'choice', values: ['fit', 'throw'] },
    default: 'fit',
  },
} as const satisfies OptionRows)

/** The options of `estimateMemory`. */
export const ESTIMATE_MEMORY_ROWS = ownOnly({
  ...MEMORY_ROWS,
  signal: {
    sentence: 'Cancels the download of a remote file’s header: it rejects with the signal’s reason.',
    takes: { kind: 'signal' },
    default: null,
    defaultText: 'none',
    remote: false,
  },
} as const satisfies OptionRows)

/** The options of `loadModel`. */
export const LOAD_ROWS = ownOnly({
  ...MEMORY_ROWS,
  maxQueue: {
    sentence: 'The most further requests that may wait in line; one more is refused with `QueueFullError`.',
    takes: { kind: 'number', range: { integer: true, min: 0, max: MAX_INT32 } },
    default: 1000,
  },
  prefixCacheSize: {
    sentence: 'Tokens of finished requests to keep for requests that begin the same way; 0 keeps nothing.',
    more: 'The latest few stay in the cache, the others in host memory, where they take as much room as the same number of cells.',
    takes: { kind: 'number', range: { integer: true, min: 0, max: MAX_INT32 } },
    default: null,
    defaultText: '`cacheSize`',
  },
  threads: {
    sentence: 'CPU threads for evaluation.',
    more:
      'They wait for each other by spinning, so one that has to share its processor holds up all. A process that mostly ' +
      'waits for the model is faster with all of its cores.',
    takes: { kind: 'number', range: { integer: true, min: 1, max: 512 } },
    default: null,
    defaultText: 'one per physical core, at most 16, with one processor left for the rest of the process',
    aliases: ['nthreads', 'numthread', 'numthreads'],
  },
  chatTemplate: {
    sentence: 'The chat template (Jinja) to use in place of the one in the model file.',
    more:
      "An object names one in the file, such as `{ name: 'tool_use' }`, or a file that holds one, such as " +
      "`{ path: './chat_template.jinja' }`. It is used for all requests.",
    takes: { kind: 'chatTemplate' },
    default: null,
    defaultText: 'the file’s own, and where tools are given the one named `tool_use`, if the file has it',
  },
  specialTokens: {
    sentence: 'Special tokens as the template sees them, in place of the model file’s; null for none.',
    takes: { kind: 'specialTokens' },
    default: null,
    defaultText: 'the file’s',
  },
  signal: {
    sentence: 'Cancels the loading: it rejects with the signal’s reason.',
    takes: { kind: 'signal' },
    default: null,
    defaultText: 'none',
    aliases: ['abortsignal', 'stoponabortsignal', 'loadsignal'],
    remote: false,
  },
  onProgress: {
    sentence:
      'Called with the part that is loaded, from 0 to 1; throwing cancels the loading, which rejects with it.',
    takes: { kind: 'callback', type: '(fraction: LoadProgress) => void' },
    default: null,
    defaultText: 'not called',
    aliases: ['onloadprogress', 'progresscallback'],
    remote: false,
  },
  onLog: {
    sentence: 'Called with each line the engine logs.',
    more: 'What it throws becomes an uncaught exception, as in an event listener.',
    takes: { kind: 'callback', type: '(entry: LogEntry) => void' },
    default: null,
    defaultText: 'not called, and the engine logs nowhere else',
    remote: false,
  },
} as const satisfies OptionRows)
