import type { MetadataWriter } from './gguf-writer.js'
import type { Shape, WeightSpec } from './shapes.js'

/** Makes tensors of one model. */
export interface TensorMaker {
  constant(name: string, dims: readonly number[], value: number): WeightSpec
  random(name: string, dims: readonly number[], std: number): WeightSpec
  /** A gain of 1 turns an input of mean square 1 into an output of mean square 1. */
  matrix(name: string, input: number, output: number, gain: number): WeightSpec
}

// Standard deviation of attention scores: attention has favourites, but several of them.
const SCORE_STD = 3
// Share of attention in a layer's output: partly the same for all tokens of a text, so that with a larger share
// greedy text settles on a few tokens.
const ATTENTION_SHARE = 0.5
const BIAS_STD = 0.05

// Tokens that a convolution sees, as in the published models.
const MAMBA_KERNEL = 4
const LFM2_KERNEL = 3
/** Numbers in the state of a channel. */
const MAMBA_STATE = 16
// Decay of the state, by exp(step * MAMBA_DECAY) at each token: with steps around 0.7 it lasts some dozen tokens.
const MAMBA_DECAY = -0.05
// Gain of the state, the share of earlier tokens: without it a token would count for itself only.
const MAMBA_STATE_GAIN = 0.8
/** Tokens that a layer with a sliding window sees; every second layer sees all. */
const COHERE2_WINDOW = 64

/** Adds the keys that only some architectures have. */
export function writeLayerMetadata(metadata: MetadataWriter, shape: Shape, tokens: number): void {
  const { arch, embedding, heads, kvHeads, layers, normEpsilon } = shape
  const epsilon = arch === 'cohere2' ? 'layer_norm_epsilon' : 'layer_norm_rms_epsilon'
  metadata.uint32(`${arch}.attention.head_count`, heads)
  if (arch === 'lfm2') {
    const perLayer = Array.from({ length: layers }, (_, layer) => (attends(shape, layer) ? kvHeads : 0))
    metadata.uint32Array('lfm2.attention.head_count_kv', perLayer)
  } else {
    metadata.uint32(`${arch}.attention.head_count_kv`, kvHeads)
  }
  if (heads > 0) metadata.float32(`${arch}.rope.freq_base`, shape.ropeBase)
  metadata.float32(`${arch}.attention.${epsilon}`, normEpsilon)
  switch (arch) {
    case 'llama':
      metadata.uint32('llama.vocab_size', tokens).uint32('llama.rope.dimension_count', embedding / heads)
      break
    case 'mamba':
      metadata
        .uint32('mamba.ssm.conv_kernel', MAMBA_KERNEL)
        .uint32('mamba.ssm.inner_size', 2 * embedding)
        .uint32('mamba.ssm.state_size', MAMBA_STATE)
        .uint32('mamba.ssm.time_step_rank', stepRank(embedding))
      break
    case 'lfm2':
      metadata.uint32('lfm2.shortconv.l_cache', LFM2_KERNEL)
      break
    case 'cohere2':
      metadata
        .uint32('cohere2.attention.sliding_window', COHERE2_WINDOW)
        .uint32('cohere2.attention.sliding_window_pattern', 2)
        .float32('cohere2.logit_scale', 1)
  }
}

/** The tensors of one layer, in the order of the file. */
export function layerTensors(shape: Shape, layer: number, make: TensorMaker): WeightSpec[] {
  const { arch, embedding } = shape
  const name = `blk.${layer}`
  // Drown a token's own embedding, however few layers there are: where the embedding is the output matrix too,
  // the rest of it in the last layer argues for repeating the token.
  const gain = 2 * Math.sqrt(24 / shape.layers)
  const norm = (which: string) => make.constant(`${name}.${which}.weight`, [embedding], 1)
  if (arch === 'mamba') return [norm('attn_norm'), ...mamba(name, embedding, gain, make)]
  const mixer = attends(shape, layer)
    ? attention(shape, name, gain * ATTENTION_SHARE, make)
    : shortConvolution(name, embedding, gain * ATTENTION_SHARE, make)
  // Cohere's layers compute both from the same normalized input.
  const norms = arch === 'cohere2' ? [] : [norm('ffn_norm')]
  const tensors = [norm('attn_norm'), ...mixer, ...norms, ...feedForward(shape, name, gain, make)]
  if (arch === 'qwen2') tensors.push(...attentionBiases(shape, name, make))
  return tensors
}

/** True for layers with attention; every second one of `lfm2` is a convolution instead. */
function attends(shape: Shape, layer: number): boolean {
  return shape.arch !== 'lfm2' || layer % 2 === 1
}

function attention(shape: Shape, layer: string, outputGain: number, make: TensorMaker): WeightSpec[] {
  const { embedding, heads } = shape
  const scoreGain = Math.sqrt(SCORE_STD)
  const normalized = shape.arch === 'lfm2'
  const tensors = [
    make.matrix(`${layer}.attn_q.weight`, embedding, embedding, scoreGain),
    make.matrix(`${layer}.attn_k.weight`, embedding, kvSize(shape), scoreGain),
    make.matrix(`${layer}.attn_v.weight`, embedding, kvSize(shape), 1),
    make.matrix(`${layer}.attn_output.weight`, embedding, embedding, outputGain),
  ]
  if (normalized) {
    for (const which of ['q', 'k'])
      tensors.push(make.constant(`${layer}.attn_${which}_norm.weight`, [embedding / heads], scoreGain))
  }
  return tensors
}

function attentionBiases(shape: Shape, layer: string, make: TensorMaker): WeightSpec[] {
  return [
    make.random(`${layer}.attn_q.bias`, [shape.embedding], BIAS_STD),
    make.random(`${layer}.attn_k.bias`, [kvSize(shape)], BIAS_STD),
    make.random(`${layer}.attn_v.bias`, [kvSize(shape)], BIAS_STD),
  ]
}

function feedForward(shape: Shape, layer: string, gain: number, make: TensorMaker): WeightSpec[] {
  const { embedding, feedForward } = shape
  return [
    make.matrix(`${layer}.ffn_gate.weight`, embedding, feedForward, 1),
    make.matrix(`${layer}.ffn_up.weight`, embedding, feedForward, 1),
    make.matrix(`${layer}.ffn_down.weight`, feedForward, embedding, gain),
  ]
}

/** The gated short convolution of LFM2: three projections, of which two are multiplied with it. */
function shortConvolution(layer: string, embedding: number, gain: number, make: TensorMaker): WeightSpec[] {
  return [
    make.random(`${layer}.shortconv.conv.weight`, [LFM2_KERNEL, embedding], 1 / Math.sqrt(LFM2_KERNEL)),
    make.matrix(`${layer}.shortconv.in_proj.weight`, embedding, 3 * embedding, 1),
    make.matrix(`${layer}.shortconv.out_proj.weight`, embedding, embedding, gain),
  ]
}

/** A selective state space: the token decides on a channel's addition to its state, and on the decay. */
function mamba(layer: string, embedding: number, gain: number, make: TensorMaker): WeightSpec[] {
  const inner = 2 * embedding
  const rank = stepRank(embedding)
  return [
    make.matrix(`${layer}.ssm_in.weight`, embedding, 2 * inner, 1),
    make.random(`${layer}.ssm_conv1d.weight`, [MAMBA_KERNEL, inner], 1),
    make.random(`${layer}.ssm_conv1d.bias`, [inner], BIAS_STD),
    make.matrix(`${layer}.ssm_x.weight`, inner, rank + 2 * MAMBA_STATE, MAMBA_STATE_GAIN),
    make.matrix(`${layer}.ssm_dt.weight`, rank, inner, 0.5),
    make.random(`${layer}.ssm_dt.bias`, [inner], BIAS_STD),
    make.constant(`${layer}.ssm_a`, [MAMBA_STATE, inner], MAMBA_DECAY),
    make.constant(`${layer}.ssm_d`, [inner], 1),
    make.matrix(`${layer}.ssm_out.weight`, inner, embedding, gain),
  ]
}

function stepRank(embedding: number): number {
  return embedding / 16
}

function kvSize(shape: Shape): number {
  return (shape.embedding / shape.heads) * shape.kvHeads
}
