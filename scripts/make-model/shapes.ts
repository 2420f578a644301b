import type { Weights } from './blocks.js'
import { TENSOR_TYPES, type TensorType } from './gguf-format.js'
import type { TensorSpec } from './gguf-writer.js'
import { layerTensors, type TensorMaker } from './layers.js'

/** Dimensions of a model that can be made. */
export interface Shape {
  readonly arch: 'qwen2' | 'llama' | 'mamba' | 'lfm2' | 'cohere2'
  readonly layers: number
  readonly embedding: number
  /** Attention heads; 0 where layers have neither attention nor a feed-forward network. */
  readonly heads: number
  readonly kvHeads: number
  readonly feedForward: number
  readonly context: number
  readonly ropeBase: number
  readonly normEpsilon: number
  /** True when the output matrix is the embedding matrix. */
  readonly tied: boolean
  /** Default vocabulary. */
  readonly vocab: string
  readonly defaultType: ModelType
  /** `general.size_label`. */
  readonly sizeLabel: string
}

/** Types that the large tensors of a model can have. */
export type ModelType = Exclude<TensorType, 'F32'>

/** All values of `ModelType`, with `general.file_type` of each (`llama_ftype` in llama.h). */
export const FILE_TYPES: Readonly<Record<ModelType, number>> = { F16: 1, Q8_0: 7, Q4_0: 2, Q4_K: 14 }

// Keep heads of 32, which divide into the blocks of a quantized KV cache, and rows of 256 in ffn_down, so
// that "Q4_K" holds at least some Q4_K.
const TINY = {
  layers: 2,
  embedding: 64,
  heads: 2,
  kvHeads: 1,
  feedForward: 256,
  context: 4096,
  tied: true,
  defaultType: 'Q8_0',
  sizeLabel: '10M',
} as const
const TINY_SPM = { ...TINY, ropeBase: 1e4, normEpsilon: 1e-5, vocab: 'llama-spm' } as const

/**
 * Shapes by name. The qwen2.5 ones have the published dimensions of Qwen2.5-Instruct; the memory of the last three
 * tiny ones is a recurrent state, a state and a KV cache, and a KV cache with a sliding window.
 */
export const SHAPES: Readonly<Record<string, Shape>> = {
  tiny: { ...TINY, arch: 'qwen2', ropeBase: 1e6, normEpsilon: 1e-6, vocab: 'qwen2' },
  'tiny-llama': { ...TINY_SPM, arch: 'llama' },
  'tiny-mamba': { ...TINY_SPM, arch: 'mamba', heads: 0, kvHeads: 0, feedForward: 0 },
  'tiny-lfm2': { ...TINY_SPM, arch: 'lfm2', layers: 4, ropeBase: 1e6 },
  'tiny-cohere2': { ...TINY_SPM, arch: 'cohere2' },
  'qwen2.5-0.5b': {
    arch: 'qwen2',
    layers: 24,
    embedding: 896,
    heads: 14,
    kvHeads: 2,
    feedForward: 4864,
    context: 32768,
    ropeBase: 1e6,
    normEpsilon: 1e-6,
    tied: true,
    vocab: 'qwen2',
    defaultType: 'Q4_0',
    sizeLabel: '0.5B',
  },
  'qwen2.5-7b': {
    arch: 'qwen2',
    layers: 28,
    embedding: 3584,
    heads: 28,
    kvHeads: 4,
    feedForward: 18944,
    context: 32768,
    ropeBase: 1e6,
    normEpsilon: 1e-6,
    tied: false,
    vocab: 'qwen2',
    defaultType: 'Q4_K',
    sizeLabel: '7B',
  },
}

/** A tensor together with its weights. */
export interface WeightSpec extends TensorSpec {
  readonly weights: Weights
}

// Standard deviation of the logits: at temperature 0.7 this leaves thousands of tokens possible, with the
// likeliest at some percent.
const LOGIT_STD = 2.7

/** The tensors of a model in the order of the file. */
export function tensorsOf(shape: Shape, type: ModelType, tokens: number): WeightSpec[] {
  const { embedding, layers } = shape
  const make: TensorMaker = {
    constant: (name, dims, value) => ({ name, type: 'F32', dims, weights: { kind: 'constant', value } }),
    random: (name, dims, std) => ({ name, type: 'F32', dims, weights: { kind: 'random', std } }),
    matrix: (name, input, output, gain) => ({
      name,
      type: typeForRow(type, input),
      dims: [input, output],
      weights: { kind: 'random', std: gain / Math.sqrt(input) },
    }),
  }
  const tensors = [make.matrix('token_embd.weight', embedding, tokens, LOGIT_STD)]
  for (let layer = 0; layer < layers; layer++) tensors.push(...layerTensors(shape, layer, make))
  const norm = shape.arch === 'lfm2' ? 'token_embd_norm.weight' : 'output_norm.weight'
  tensors.push(make.constant(norm, [embedding], 1))
  if (!shape.tied) tensors.push(make.matrix('output.weight', embedding, tokens, LOGIT_STD))
  return tensors
}

/** The asked type, or where its blocks do not divide a row the nearest larger type whose blocks do. */
function typeForRow(type: ModelType, row: number): ModelType {
  const fits = (candidate: ModelType) => row % TENSOR_TYPES[candidate].blockWeights === 0
  if (fits(type)) return type
  return fits('Q8_0') ? 'Q8_0' : 'F16'
}
