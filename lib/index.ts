/**
 * llama.cpp inside Node.js. The model sees exactly the messages you pass, formatted by its own chat template, and
 * nothing else.
 *
 * @packageDocumentation
 */
export { ChatTemplate } from './chat-template.js'
export * from './errors.js'
export { Inference } from './inference.js'
export { estimateMemory } from './memory.js'
export { generateInference, loadModel, Model, verifyReceipt } from './model.js'
export type * from './types.js'
