import { join } from 'node:path'
import { GENERATED_MODELS } from '../../scripts/make-model.js'

/** The tiny synthetic model that the global set-up makes: the Qwen2 vocabulary and template, random weights. */
export const tinyModel = join(GENERATED_MODELS, 'tiny-Q8_0.gguf')
