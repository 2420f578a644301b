import type { BenchRequest, Loaded, LoadOptions, RunResult } from '../protocol.js'

/** The contenders. The programs of llama.cpp that are no servers have functions of their own: llama-bench.ts. */
export type ContenderId = 'ours' | 'llama-server' | 'node-llama-cpp' | 'llama.node'

/** A contender that has loaded the model. Idle until it is asked to run something. */
export interface Running {
  readonly pid: number
  readonly loaded: Loaded
  /** Time from the start of the process until it was ready. */
  readonly startMs: number
  /** Submits the requests at once and waits for all of them. */
  run(requests: readonly BenchRequest[], measureLoop?: boolean): Promise<RunResult>
  close(): Promise<void>
}

/** Something that generates text: this library, a server or another binding, each in a process of its own. */
export interface Contender {
  readonly id: ContenderId
  /** Its name in tables. */
  readonly label: string
  start(options: LoadOptions): Promise<Running>
}

/** Names of the contenders in tables. */
export const LABELS: Record<ContenderId, string> = {
  ours: 'verbatim-llama',
  'llama-server': 'llama-server',
  'node-llama-cpp': 'node-llama-cpp',
  'llama.node': '@fugood/llama.node',
}
