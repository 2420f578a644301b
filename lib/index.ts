/**
 * llama.cpp inside Node.js. The model sees exactly the messages you pass, formatted by its own chat template, and
 * nothing else.
 *
 * @packageDocumentation
 */
export { ChatTemplate } from './chat-template.js'
export * from './errors.js'
export { type GenerateInferenceOptions, generateInference } from './generate-inference.js'
export { Inference } from './inference.js'
export { loadModel } from './load-model.js'
export { estimateMemory } from './memory.js'
export { Model } from './model.js'
export type * from './types.js'
export { type ReceiptEvidence, verifyReceipt } from './verify-receipt.js'
