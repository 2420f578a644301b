import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { loadAddon } from '../addon.js'
import type { Model } from '../model.js'
import { GENERATE_ROWS } from '../options/generate-options.js'
import type { ModelInfo } from '../types.js'
import { GENERATE_ENDPOINTS } from './generate.js'
import type { ModelFiles } from './model-files.js'
import { snakeCase, withSnakeCaseNames } from './snake-case.js'

/** The worker's capabilities, true or false. */
const CAPABILITIES = {
  chat: true,
  enhancement: true,
  generation: true,
  hardcoded_prompts: false,
  prompt_modification: false,
  pure_inference: true,
}

/** The name of the model's file, without its folder: clients must not see paths of the server. */
export function defaultModelId(model: Model): string {
  return basename(model.info.path).replace(/\.gguf$/i, '')
}

const templateHashes = new WeakMap<ModelInfo, string>()

/** SHA-256 of a model's chat template, computed once. */
function chatTemplateSha256(info: ModelInfo): string {
  const known = templateHashes.get(info)
  if (known !== undefined) return known
  const hash = createHash('sha256')
    .update(info.chatTemplate ?? '')
    .digest('hex')
  templateHashes.set(info, hash)
  return hash
}

/** The answer of `/worker/info`: facts about the worker, and hashes that prove them. */
export function workerInfo(model: Model, modelId: string, { files, error }: ModelFiles) {
  const {
    path: _,
    chatTemplate,
    specialTokens,
    maxSequences,
    maxQueue,
    cacheSize,
    devices,
    // Leave out paths of the server here too.
    unusableBackends: __,
    ...info
  } = model.info
  const { version, llamaCppVersion } = loadAddon()
  const defaults = Object.entries(GENERATE_ROWS)
    .filter(([, row]) => row.takes.kind === 'number' && row.default !== null)
    .map(([name, row]) => [snakeCase(name), row.default])
  return {
    worker_type: 'pure_inference_engine',
    model: modelId,
    capabilities: CAPABILITIES,
    model_info: { ...(withSnakeCaseNames(info) as object), files, files_error: error },
    chat_template:
      chatTemplate === null ? null : { source: chatTemplate, sha256: chatTemplateSha256(model.info) },
    special_tokens: specialTokens,
    versions: { 'verbatim-llama': version, 'llama.cpp': llamaCppVersion, node: process.versions.node },
    devices: withSnakeCaseNames(devices),
    context_size: info.contextSize,
    sampler_defaults: Object.fromEntries(defaults),
    default_max_tokens: Object.fromEntries(
      Object.entries(GENERATE_ENDPOINTS).map(([path, own]) => [path, own ?? GENERATE_ROWS.maxTokens.default]),
    ),
    queue: {
      ...(withSnakeCaseNames(model.status) as object),
      max_sequences: maxSequences,
      max_queue: maxQueue,
      cache_size: cacheSize,
    },
  }
}
