import { basename } from 'node:path'
import { loadAddon } from '../addon.js'
import type { Model } from '../model.js'
import { GENERATE_ROWS } from '../options/generate-options.js'
import { chatTemplateSha256 } from '../receipt.js'
import { GENERATE_ENDPOINTS } from './generate.js'
import type { ModelFiles } from './model-files.js'
import { snakeCase, withSnakeCaseNames } from './snake-case.js'

/** What the worker can and cannot do. */
const CAPABILITIES = {
  chat: true,
  enhancement: true,
  generation: true,
  hardcoded_prompts: false,
  prompt_modification: false,
  pure_inference: true,
}

/** Without its folder: where a server keeps its files is nobody's business. */
export function defaultModelId(model: Model): string {
  return basename(model.info.path).replace(/\.gguf$/i, '')
}

/** The answer of `/worker/info`: what the worker is, and what proves it. */
export function workerInfo(model: Model, modelId: string, { files, error }: ModelFiles) {
  const {
    path: _,
    chatTemplate,
    specialTokens,
    maxSequences,
    maxQueue,
    cacheSize,
    devices,
    // Where a server keeps its files, once more.
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
