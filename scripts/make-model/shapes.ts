import type { Weights } from './blocks.js'
import { TENSOR_TYPES, type TensorType } from './gguf-format.js'
import type { TensorSpec } from './gguf-writer.js'

/** Dimensions of a model that can be made. */
export interface Shape {
  readonly arch: 'qwen2' | 'llama'
  readonly layers: number
  readonly embedding: number
  readonly heads: number
  readonly kvHeads: number
  readonly feedForward: number
  readonly context: number
  readonly ropeBase: number
  readonly normEpsilon: number
  /** Whether the output matrix is the embedding matrix. */
  readonly tied: boolean
  /** Vocabulary taken where no other is asked for. */
  readonly vocab: string
  readonly defaultType: ModelType
  /** `general.size_label`. */
  readonly sizeLabel: string
}

/** Types that the large tensors of a model can have. */
export type ModelType = Exclude<TensorType, 'F32'>

/** All values of `ModelType`, with `general.file_type` of each (`llama_ftype` in llama.h). */
export const FILE_TYPES: Readonly<Record<ModelType, number>> = { F16: 1, Q8_0: 7, Q4_0: 2, Q4_K: 14 }

// Heads of 32 divide into the blocks of a quantized KV cache; rows of 256 in ffn_down make "Q4_K" hold
// at least some Q4_K.
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

/** Shapes by name. The qwen2.5 ones have the published dimensions of Qwen2.5-Instruct. */
export const SHAPES: Readonly<Record<string, Shape>> = {
  tiny: { ...TINY, arch: 'qwen2', ropeBase: 1e6, normEpsilon: 1e-6, vocab: 'qwen2' },
  'tiny-llama': { ...TINY, arch: 'llama', ropeBase: 1e4, normEpsilon: 1e-5, vocab: 'llama-spm' },
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

/** A tensor together with what it is filled with. */
export interface WeightSpec extends TensorSpec {
  readonly weights: Weights
}

// Standard deviation of the logits: at temperature 0.7 this leaves thousands of tokens possible, with the
// likeliest at some percent.
const LOGIT_STD = 2.7
// Standard deviation of attention scores: attention has favourites, but several of them.
const SCORE_STD = 3
// What attention adds is partly the same for all tokens of a text; with more of it, greedy text settles on
// a few tokens.
const ATTENTION_SHARE = 0.5
const BIAS_STD = 0.05

/** The tensors of a model in the order of the file. */
export function tensorsOf(shape: Shape, type: ModelType, tokens: number): WeightSpec[] {
  const { embedding, feedForward, layers } = shape
  const kv = (embedding / shape.heads) * shape.kvHeads
  const ones = (name: string): WeightSpec => ({
    name,
    type: 'F32',
    dims: [embedding],
    weights: { kind: 'ones' },
  })
  const bias = (name: string, size: number): WeightSpec => ({
    name,
    type: 'F32',
    dims: [size],
    weights: { kind: 'random', std: BIAS_STD },
  })
  // A gain of 1 turns an input of mean square 1 into an output of mean square 1.
  const matrix = (name: string, input: number, output: number, gain: number): WeightSpec => ({
    name,
    type: typeForRow(type, input),
    dims: [input, output],
    weights: { kind: 'random', std: gain / Math.sqrt(input) },
  })

  // Where the embedding is the output matrix too, what is left of a token's own embedding in the last
  // layer argues for repeating this token. Layers must add enough to drown it, however few there are.
  const residualGain = 2 * Math.sqrt(24 / layers)
  const scoreGain = Math.sqrt(SCORE_STD)

  const tensors = [matrix('token_embd.weight', embedding, tokens, LOGIT_STD)]
  for (let i = 0; i < layers; i++) {
    const layer = `blk.${i}`
    tensors.push(
      ones(`${layer}.attn_norm.weight`),
      matrix(`${layer}.attn_q.weight`, embedding, embedding, scoreGain),
      matrix(`${layer}.attn_k.weight`, embedding, kv, scoreGain),
      matrix(`${layer}.attn_v.weight`, embedding, kv, 1),
      matrix(`${layer}.attn_output.weight`, embedding, embedding, residualGain * ATTENTION_SHARE),
      ones(`${layer}.ffn_norm.weight`),
      matrix(`${layer}.ffn_gate.weight`, embedding, feedForward, 1),
      matrix(`${layer}.ffn_up.weight`, embedding, feedForward, 1),
      matrix(`${layer}.ffn_down.weight`, feedForward, embedding, residualGain),
    )
    if (shape.arch === 'qwen2') {
      tensors.push(
        bias(`${layer}.attn_q.bias`, embedding),
        bias(`${layer}.attn_k.bias`, kv),
        bias(`${layer}.attn_v.bias`, kv),
      )
    }
  }
  tensors.push(ones('output_norm.weight'))
  if (!shape.tied) tensors.push(matrix('output.weight', embedding, tokens, LOGIT_STD))
  return tensors
}

/** The asked type, or where its blocks do not divide a row the nearest larger type whose blocks do. */
function typeForRow(type: ModelType, row: number): ModelType {
  const fits = (candidate: ModelType) => row % TENSOR_TYPES[candidate].blockWeights === 0
  if (fits(type)) return type
  return fits('Q8_0') ? 'Q8_0' : 'F16'
}
