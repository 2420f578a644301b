import { createHash } from 'node:crypto'
import { loadAddon } from './addon.js'
import type { NativeDigest, NativeGenerateRequest } from './native.js'
import type { ControlTokens, ModelInfo, Receipt } from './types.js'

/** What is known when a run starts; the hashes come when it has ended. */
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

export function receiptTerms(
  info: ModelInfo,
  request: NativeGenerateRequest,
  controlTokens: ControlTokens,
): ReceiptTerms {
  const { version, llamaCppVersion } = loadAddon()
  return {
    version: 1,
    chatTemplateSha256: chatTemplateSha256(info),
    modelMetadataSha256: info.metadataSha256,
    now: request.now,
    addGenerationPrompt: request.addGenerationPrompt,
    controlTokens,
    specialTokens: info.specialTokens,
    sampling: Object.freeze({
      maxTokens: request.maxTokens,
      temperature: request.temperature,
      topP: request.topP,
      topK: request.topK,
      minP: request.minP,
      repetitionPenalty: request.repetitionPenalty,
      presencePenalty: request.presencePenalty,
      frequencyPenalty: request.frequencyPenalty,
      stop: request.stop,
      ignoreEndOfSequence: request.ignoreEndOfSequence,
      reproducible: request.reproducible,
      speculative: request.promptLookup ? 'prompt-lookup' : false,
    }),
    seed: request.seed,
    packageVersion: version,
    llamaCppVersion,
  }
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

/** SHA-256 of token ids as little-endian unsigned 32-bit integers. */
export function tokenIdsSha256(tokenIds: readonly number[]): string {
  const bytes = Buffer.alloc(tokenIds.length * 4)
  tokenIds.forEach((id, i) => {
    bytes.writeUInt32LE(id, i * 4)
  })
  return createHash('sha256').update(bytes).digest('hex')
}
