import { createHash } from 'node:crypto'
import { loadAddon } from './addon.js'
import type { NativeDigest } from './native.js'
import { GENERATE_ROWS } from './options/generate-options.js'
import type { CheckedGenerateOptions } from './options/read.js'
import type { OptionRows } from './options/row.js'
import type { ControlTokens, ModelInfo, Receipt, ReceiptSampling } from './types.js'

/** The part of a receipt that is known when a run starts; the hashes come when it has ended. */
export type ReceiptTerms = Omit<
  Receipt,
  | 'messagesSha256'
  | 'toolsSha256'
  | 'documentsSha256'
  | 'templateVariablesSha256'
  | 'promptTextSha256'
  | 'promptTokenIdsSha256'
  | 'outputTokenIdsSha256'
>

const templateHashes = new WeakMap<ModelInfo, string>()

/** SHA-256 of a model's chat template, computed once. */
export function chatTemplateSha256(info: ModelInfo): string {
  const known = templateHashes.get(info)
  if (known !== undefined) return known
  const hash = createHash('sha256')
    .update(info.chatTemplate ?? '')
    .digest('hex')
  templateHashes.set(info, hash)
  return hash
}

export function receiptTerms(info: ModelInfo, options: CheckedGenerateOptions): ReceiptTerms {
  const { version, llamaCppVersion } = loadAddon()
  const { now, addGenerationPrompt, controlTokens, seed } = options
  return {
    version: 1,
    chatTemplateSha256: chatTemplateSha256(info),
    modelMetadataSha256: info.metadataSha256,
    now,
    addGenerationPrompt,
    controlTokens: controlTokenPolicy(controlTokens),
    specialTokens: info.specialTokens,
    sampling: samplingOf(options),
    seed,
    packageVersion: version,
    llamaCppVersion,
  }
}

function controlTokenPolicy(checked: CheckedGenerateOptions['controlTokens']): ControlTokens {
  if (checked === 'anywhere') return checked
  return checked.length > 0 ? { trustRoles: checked } : 'template'
}

function samplingOf(options: CheckedGenerateOptions): ReceiptSampling {
  const rows: OptionRows = GENERATE_ROWS
  const names = Object.keys(options).filter((name) => rows[name]?.receipt)
  const values = names.map((name) => [name, options[name as keyof CheckedGenerateOptions]])
  return Object.freeze(Object.fromEntries(values)) as unknown as ReceiptSampling
}

export function completeReceipt(
  terms: ReceiptTerms,
  digest: NativeDigest,
  outputTokenIdsSha256: string,
): Receipt {
  return Object.freeze({
    ...terms,
    messagesSha256: digest.messages ?? '',
    toolsSha256: digest.tools,
    documentsSha256: digest.documents,
    templateVariablesSha256: digest.templateVariables,
    promptTextSha256: digest.promptText ?? '',
    promptTokenIdsSha256: digest.promptTokenIds ?? '',
    outputTokenIdsSha256,
  })
}
