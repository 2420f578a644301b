import { HASH, type Model, RENDER, requireModel } from './model.js'
import { readRenderOptions } from './options/read.js'
import { promptHashes } from './receipt.js'
import type { Messages, Receipt, ReceiptVerification, RenderOptions } from './types.js'

/** The model and the input to check a receipt against. */
export interface ReceiptEvidence extends Pick<RenderOptions, 'tools' | 'documents' | 'templateVariables'> {
  /** The model that the result came from. */
  readonly model: Model
  /** The messages of the request. */
  readonly messages: Messages
  /** Tokens of the output, when it is to be checked too. */
  readonly tokenIds?: readonly number[] | undefined
}

/**
 * Checks a receipt: renders the messages anew with this model, and compares the input, the prompt and its tokens, and
 * (when `tokenIds` is given) the output with the receipt.
 *
 * Rejects as `renderPrompt` does.
 */
export async function verifyReceipt(
  receipt: Receipt,
  evidence: ReceiptEvidence,
): Promise<ReceiptVerification> {
  const { model, messages, tools, documents, templateVariables, tokenIds } = evidence
  requireModel(model)
  const options = readRenderOptions({
    tools,
    documents,
    templateVariables,
    now: new Date(receipt.now),
    addGenerationPrompt: receipt.addGenerationPrompt,
    controlTokens: receipt.controlTokens,
    ignoredInputs: receipt.ignoredInputs ?? 'allow',
  })
  const { digest } = await model[RENDER](messages, options)
  const { promptTextSha256, promptTokenIdsSha256, ...input } = promptHashes(digest)
  const found: Partial<Receipt> = {
    ...input,
    modelMetadataSha256: model.info.metadataSha256,
    promptTextSha256,
    promptTokenIdsSha256,
    ...(tokenIds !== undefined && { outputTokenIdsSha256: await model[HASH](tokenIds) }),
  }
  const fields = Object.keys(found) as (keyof Receipt)[]
  const mismatches = fields.filter((field) => found[field] !== receipt[field])
  return Object.freeze({ ok: mismatches.length === 0, mismatches: Object.freeze(mismatches) })
}
