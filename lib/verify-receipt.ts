import { HASH, type Model, RENDER, requireModel } from './model.js'
import { OptionBag } from './options/bag.js'
import { readRenderOptions } from './options/read.js'
import { promptHashes } from './receipt.js'
import { compareReceipt, readReceipt } from './receipt-fields.js'
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

const EVIDENCE: Record<keyof ReceiptEvidence, true> = {
  model: true,
  messages: true,
  tools: true,
  documents: true,
  templateVariables: true,
  tokenIds: true,
}

/**
 * Checks a receipt: renders the messages anew with this model, and compares the input, the prompt and its tokens, and
 * (when `tokenIds` is given) the output with the receipt. `unverified` names the fields that this does not prove, such
 * as `seed` and `sampling`: those are what the receipt says.
 *
 * Rejects as `renderPrompt` does, and with `InvalidOptionError` for what is no receipt, naming the field.
 *
 * @param receipt of a result, or of a worker's answer, in snake_case
 */
export async function verifyReceipt(
  receipt: Receipt | Readonly<Record<string, unknown>>,
  evidence: ReceiptEvidence,
): Promise<ReceiptVerification> {
  const read = readReceipt(receipt)
  const given = new OptionBag(evidence, 'evidence', Object.keys(EVIDENCE), { prefix: 'evidence.' })
  const model = given.get('model')
  requireModel(model)
  const tokenIds = given.get('tokenIds')
  const { now, addGenerationPrompt, controlTokens } = read.fields
  const options = readRenderOptions({
    tools: given.get('tools'),
    documents: given.get('documents'),
    templateVariables: given.get('templateVariables'),
    now: new Date(now),
    addGenerationPrompt,
    controlTokens,
    ignoredInputs: 'allow',
  })
  const [{ digest }, outputTokenIdsSha256] = await Promise.all([
    model[RENDER](given.get('messages'), options),
    tokenIds === undefined ? undefined : model[HASH](tokenIds),
  ])
  return compareReceipt(read, { info: model.info, prompt: promptHashes(digest), outputTokenIdsSha256 })
}
