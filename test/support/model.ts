import { join } from 'node:path'
import { inspect } from 'node:util'
import {
  type LoadModelOptions,
  loadModel,
  type Message,
  type Model,
  type RenderOptions,
} from 'verbatim-llama'
import { GENERATED_MODELS, type MakeModelOptions } from '../../scripts/make-model.js'

const made = (file: string) => join(GENERATED_MODELS, file)

/** The tiny synthetic model that the global set-up makes: the Qwen2 vocabulary and template, random weights. */
export const tinyModel = made('tiny-Q8_0.gguf')

/** The tiny model with a context of 32768 tokens: a prompt of that length takes seconds to evaluate. */
export const longModel = made('tiny-c32768-Q8_0.gguf')

/** The tiny model without a chat template. */
export const plainModel = made('tiny-no-template-Q8_0.gguf')

/** A model that loads faster, of 32,000 tokens (SentencePiece), without a chat template. */
export const spmModel = made('tiny-llama-Q8_0.gguf')
/** A model that loads faster, of 50,257 tokens (BPE), without a chat template. */
export const gpt2Model = made('tiny-llama-gpt-2-Q8_0.gguf')

/** The models that the global set-up makes. */
export const MODELS: readonly MakeModelOptions[] = [
  { shape: 'tiny' },
  { shape: 'tiny', context: 32768 },
  { shape: 'tiny', template: 'none' },
  { shape: 'tiny-llama' },
  { shape: 'tiny-llama', vocab: 'gpt-2' },
  { shape: 'tiny-mamba' },
  { shape: 'tiny-lfm2' },
  { shape: 'tiny-cohere2' },
]

/** A model whose memory is a recurrent state. */
export const mambaModel = made('tiny-mamba-Q8_0.gguf')
/** A model whose memory is a recurrent state beside a KV cache. */
export const lfm2Model = made('tiny-lfm2-Q8_0.gguf')
/** A model whose memory is a KV cache with windows of 64 tokens. */
export const windowModel = made('tiny-cohere2-Q8_0.gguf')

/** The template that renders the first message's content and nothing else. */
export const contentOnly = '{{ messages[0].content }}'

/** The paths of the objects in a value, itself among them, that can be written to. */
export function writable(value: unknown, path: string): string[] {
  if (typeof value !== 'object' || value === null) return []
  const inner = Object.entries(value).flatMap(([name, member]) => writable(member, `${path}.${name}`))
  return Object.isFrozen(value) ? inner : [path, ...inner]
}

/** A conversation of one user message. */
export function user(content: string): readonly Message[] {
  return [{ role: 'user', content }]
}

/** A prompt of `tokens` tokens with {@link contentOnly} and the Qwen2 vocabulary. */
export function promptOf(tokens: number): readonly Message[] {
  return user(' a'.repeat(tokens))
}

/**
 * Loads the tiny model so that it repeats itself exactly: one request at a time (others change the rounding), none of
 * which reuses computations of earlier ones (in other batches), on one thread (more than idle processors are slow).
 */
export function loadRepeatable(options: LoadModelOptions = {}, path = tinyModel): Promise<Model> {
  return loadModel(path, { contextSize: 512, maxSequences: 1, prefixCacheSize: 0, threads: 1, ...options })
}

/** The text that a template renders, through the model's vocabulary. */
export async function rendered(
  chatTemplate: string,
  messages: readonly Message[] | string,
  options?: RenderOptions,
  load?: LoadModelOptions,
): Promise<string> {
  // Use the smallest vocabulary that takes any text, for a model loaded for one prompt.
  await using other = await loadModel(spmModel, { contextSize: 16, threads: 1, chatTemplate, ...load })
  return (await other.renderPrompt(messages, options)).text
}

/** Resolves once the condition holds; fails after half a minute. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

/** The error that a promise rejects with; fails when it does not. */
export async function rejection(promise: PromiseLike<unknown>): Promise<unknown> {
  let value: unknown
  try {
    value = await promise
  } catch (error) {
    return error
  }
  throw new Error(`did not reject, but resolved to ${inspect(value, { depth: 0 })}`)
}
