import { loadAddon } from './addon.js'
import { deepFreeze } from './freeze.js'
import type { NativeDigest } from './native.js'
import { GENERATE_ROWS } from './options/generate-options.js'
import type { CheckedGenerateOptions } from './options/read.js'
import type { OptionRow } from './options/row.js'
import type { ControlTokens, ModelInfo, Receipt, ReceiptSampling } from './types.js'

/** The part of a receipt that is known when a run starts; the hashes come when it has ended. */
export type ReceiptTerms = Omit<Receipt, keyof ReturnType<typeof promptHashes> | 'outputTokenIdsSha256'>

export function receiptTerms(info: ModelInfo, options: CheckedGenerateOptions): ReceiptTerms {
  const { version, llamaCppVersion } = loadAddon()
  const { now, addGenerationPrompt, controlTokens, ignoredInputs, seed } = options
  return {
    version: 1,
    modelMetadataSha256: info.metadataSha256,
    ropeScaling: info.ropeScaling,
    now,
    addGenerationPrompt,
    controlTokens: controlTokenPolicy(controlTokens),
    ignoredInputs,
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

const SAMPLING = Object.entries<OptionRow>(GENERATE_ROWS).flatMap(([name, { receipt }]) =>
  receipt ? [name] : [],
)

function samplingOf(options: CheckedGenerateOptions): ReceiptSampling {
  const values = SAMPLING.map((name) => [name, options[name as keyof CheckedGenerateOptions]])
  return Object.freeze(Object.fromEntries(values)) as unknown as ReceiptSampling
}

/** The hashes of what a prompt was made from, and of the prompt, as a receipt has them. */
export function promptHashes(digest: NativeDigest) {
  return {
    messagesSha256: digest.messages ?? '',
    toolsSha256: digest.tools,
    documentsSha256: digest.documents,
    templateVariablesSha256: digest.templateVariables,
    chatTemplateName: digest.chatTemplateName,
    chatTemplateSha256: digest.chatTemplate ?? '',
    promptTextSha256: digest.promptText ?? '',
    promptTokenIdsSha256: digest.promptTokenIds ?? '',
  }
}

export function completeReceipt(
  terms: ReceiptTerms,
  digest: NativeDigest,
  outputTokenIdsSha256: string,
): Receipt {
  return deepFreeze({ ...terms, ...promptHashes(digest), outputTokenIdsSha256 })
}
