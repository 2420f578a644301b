// Models for tests of ropeScaling, and what they answer.
import { join } from 'node:path'
import type { GenerateOptions, LoadModelOptions } from 'verbatim-llama'
import { extendModel, type GgufAdditions, temporaryFolder } from './gguf-patch.js'
import { contentOnly, loadRepeatable, spmModel, user } from './model.js'

const folder = temporaryFolder()
/** Tokens that the models of {@link made} were trained for. */
export const TRAINED = 256

/** A tiny model that was trained for {@link TRAINED} tokens, with what is added. */
export function made(name: string, additions: GgufAdditions = {}, from = spmModel): string {
  const path = join(folder, `${name}.gguf`)
  const { architecture = 'llama' } = additions
  const entries = { [`${architecture}.context_length`]: { uint32: TRAINED }, ...additions.entries }
  extendModel(from, path, { ...additions, entries })
  return path
}

/** Metadata of a scaling. */
export const scaling = (type: string, factor: number, more: GgufAdditions['entries'] = {}) => ({
  'llama.rope.scaling.type': type,
  'llama.rope.scaling.factor': factor,
  'llama.rope.scaling.original_context_length': { uint32: TRAINED },
  ...more,
})

export const plain = made('plain')
export const linear4 = made('linear', { entries: scaling('linear', 4) })
export const yarn4 = made('yarn', { entries: scaling('yarn', 4) })

/** A text longer than the trained context, another one for each `number`. */
export const long = (number = 0, words = 300) =>
  Array.from({ length: words }, (_, i) => ['rain', 'sea', 'hill', 'old', 'was'][(i * (number + 2)) % 5]).join(
    ' ',
  )

export const greedy: GenerateOptions = {
  maxTokens: 8,
  temperature: 0,
  ignoreEndOfSequence: true,
  logprobs: 3,
}

/** What a model answers, exactly. */
export async function answer(
  path: string,
  options: LoadModelOptions = {},
  text = long(),
  run: GenerateOptions = {},
) {
  await using model = await loadRepeatable({ contextSize: 1024, chatTemplate: contentOnly, ...options }, path)
  const { tokenIds, logprobs, usage } = await model.generateInference(user(text), { ...greedy, ...run })
  return { tokenIds, logprobs, promptTokens: usage.promptTokens }
}
