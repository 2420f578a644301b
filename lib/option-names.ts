// The names of all options, and which function each belongs to.
import { OptionBag } from './option-bag.js'
import type {
  EstimateMemoryOptions,
  GenerateOptions,
  LoadModelOptions,
  ModelGenerateOptions,
  RenderOptions,
  SpecialTokenName,
  TemplateRenderOptions,
  TokenizeOptions,
} from './types.js'

/** Every name of an interface, and the compiler sees to it that none is missing or made up. */
function namesOf<T>(names: Record<keyof T, true>): readonly string[] {
  return Object.keys(names)
}

const RENDER_NAMES = {
  tools: true,
  documents: true,
  templateVariables: true,
  addGenerationPrompt: true,
  now: true,
  controlTokens: true,
} as const
export const RENDER_OPTIONS = namesOf<RenderOptions>(RENDER_NAMES)
const MODEL_GENERATE_NAMES = {
  ...RENDER_NAMES,
  maxTokens: true,
  temperature: true,
  topP: true,
  topK: true,
  minP: true,
  repetitionPenalty: true,
  presencePenalty: true,
  frequencyPenalty: true,
  seed: true,
  stop: true,
  signal: true,
  logprobs: true,
  ignoreEndOfSequence: true,
  reproducible: true,
  speculative: true,
} as const
/** The names of all options of `model.generateInference`. */
export const MODEL_GENERATE_OPTIONS = namesOf<ModelGenerateOptions>(MODEL_GENERATE_NAMES)
export const GENERATE_OPTIONS = namesOf<GenerateOptions>({ ...MODEL_GENERATE_NAMES, model: true })
const MEMORY_NAMES = {
  contextSize: true,
  cacheSize: true,
  maxSequences: true,
  gpuLayers: true,
  devices: true,
  splitMode: true,
  mainGpu: true,
  tensorSplit: true,
  flashAttention: true,
  kvCacheType: true,
  onOutOfMemory: true,
} as const
export const ESTIMATE_MEMORY_OPTIONS = namesOf<EstimateMemoryOptions>({ ...MEMORY_NAMES, signal: true })
export const LOAD_OPTIONS = namesOf<LoadModelOptions>({
  ...MEMORY_NAMES,
  maxQueue: true,
  prefixCacheSize: true,
  threads: true,
  chatTemplate: true,
  specialTokens: true,
  signal: true,
  onProgress: true,
  onLog: true,
})
export const TEMPLATE_RENDER_OPTIONS = namesOf<TemplateRenderOptions>({ now: true, specialTokens: true })
export const TOKENIZE_OPTIONS = namesOf<TokenizeOptions>({ controlTokens: true })
export const SPECIAL_TOKENS = namesOf<Record<SpecialTokenName, unknown>>({
  bos_token: true,
  eos_token: true,
  unk_token: true,
  sep_token: true,
  pad_token: true,
  cls_token: true,
  mask_token: true,
})
/** An option given to the wrong function is better sent on than called unknown. */
function otherFunction(own: readonly string[]): (name: string) => string | undefined {
  return (name) => {
    if (own !== LOAD_OPTIONS && LOAD_OPTIONS.includes(name)) return 'It is an option of loadModel.'
    if (own !== GENERATE_OPTIONS && GENERATE_OPTIONS.includes(name))
      return 'It is an option of generateInference.'
    return undefined
  }
}

/** The options given to the function that takes these names. */
export function bag(options: unknown, names: readonly string[]): OptionBag {
  return new OptionBag(options, 'options', names, '', otherFunction(names))
}
