/**
 * An HTTP worker that answers with a model of `verbatim-llama`: a Hono app.
 *
 * @packageDocumentation
 */
export type { WorkerEnv, WorkerLogger } from './exchange.js'
export { createWorker } from './worker.js'
export type { WorkerOptions } from './worker-options.js'
