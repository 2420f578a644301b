// What the kit does is a list of steps: each runs in a process of its own and leaves one file behind.
import type { Goal, Table } from '../../bench/suite.js'

/** What a step is given. */
export interface KitContext {
  /** The dry run: no GPU, nothing is built for CUDA, everything is as small as it can be. */
  readonly cpuOnly: boolean
  /** Where the kit lies; laid out like the repository. */
  readonly root: string
  /** Where results go. */
  readonly report: string
  /** Where the synthetic models go: up to 28 GB. */
  readonly models: string
}

/** What a step has found out. */
export interface Findings {
  /** For the JSON report, and for steps that come later. */
  readonly facts?: Readonly<Record<string, unknown>>
  readonly tables?: readonly Table[]
  readonly goals?: readonly Goal[]
  /** What was left out, and why. */
  readonly missing?: Readonly<Record<string, string>>
}

export type Group = 'check' | 'build' | 'test' | 'bench'

export interface Step {
  readonly name: string
  readonly group: Group
  readonly title: string
  /** Without one the step is skipped. */
  readonly needsGpu?: boolean
  /** Steps that must have passed. */
  readonly after?: readonly string[]
  /** Whether it goes on where it was interrupted, and is tried again when it has failed: a build. */
  readonly resumes?: boolean
  /** It is not begun with less time than this, in a call that has done something. 60 unless given. */
  readonly usualSeconds?: number
  /** It is ended after so long, unless it goes on where it was interrupted. */
  readonly limitSeconds: number
  /** Throws where it fails; {@link Skipped} where it cannot be done here. */
  run(context: KitContext): Promise<Findings>
}

/** Thrown by a step that cannot be done on this machine. The message is the reason. */
export class Skipped extends Error {}

/** What is kept of a step that has ended. */
export interface StepResult {
  readonly name: string
  readonly group: Group
  readonly title: string
  readonly mode: Mode
  readonly status: 'passed' | 'failed' | 'skipped'
  /** Why it failed or was skipped. */
  readonly reason: string | null
  readonly seconds: number
  readonly findings: Findings
}

/** Results of the dry run say nothing about a GPU, and never count for a real run. */
export type Mode = 'gpu' | 'cpu'

export function modeOf({ cpuOnly }: KitContext): Mode {
  return cpuOnly ? 'cpu' : 'gpu'
}
