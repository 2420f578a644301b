// What the kit does is a list of steps: each runs in a process of its own and leaves one file behind.
import type { Goal, Table } from '../../bench/suite.js'
import type { FoundLibraries } from './cuda-libraries.js'

/** What a step is given. */
export interface KitContext {
  /** The dry run: no GPU, nothing is built for CUDA, everything is as small as it can be. */
  readonly cpuOnly: boolean
  /** Where the kit lies; laid out like the repository. */
  readonly root: string
  /** Where report.md and report.json go. */
  readonly report: string
  /** Where the results of the steps and their logs are kept. */
  readonly work: string
  /** Where the synthetic models go: up to 28 GB. */
  readonly models: string
  /** Where CUDA's libraries were found, by their SONAMEs; null where the kit has no backend. */
  readonly libraries: FoundLibraries['found'] | null
  /** LD_LIBRARY_PATH of the processes that compute with CUDA: where its libraries are, and the loader would not look. */
  readonly libraryPath: string
  /** What LD_LIBRARY_PATH was when the kit was called: for programs that bring CUDA along themselves. */
  readonly ownLibraryPath: string
}

/** What a step has found out. */
export interface Findings {
  /** For the JSON report, and for steps that come later. */
  readonly facts?: Readonly<Record<string, unknown>>
  readonly tables?: readonly Table[]
  readonly goals?: readonly Goal[]
  /** How to read the tables. */
  readonly legend?: readonly string[]
  /** What was left out, and why. */
  readonly missing?: Readonly<Record<string, string>>
}

export type Group = 'check' | 'build' | 'test' | 'bench'

/** What a step may use while it runs. */
export interface Progress {
  /** After so many seconds it is ended. */
  readonly seconds: number
  /** Keeps what is known so far, for when the step is ended before it is done. */
  tell(findings: Findings): void
}

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
  /** It is not begun with less time than this, in a call that has done something. */
  readonly usualSeconds: number
  /** It is ended after so long, unless it goes on where it was interrupted. */
  readonly limitSeconds: number
  /** Throws where it fails; {@link Skipped} where it cannot be done here. */
  run(context: KitContext, progress: Progress): Promise<Findings>
}

/** A step of its own may take nearly all of a call of ten minutes. */
export const CALL_SECONDS = 520

/** Steps that share a limit, so that a slow one takes no time from what is worth less but not nothing. */
export interface Stage {
  readonly title: string
  /** Of all its steps together, beside what stages before it have left. None: what is left of the call. */
  readonly limitSeconds?: number
  readonly steps: readonly Step[]
}

/** Thrown by a step that cannot be done on this machine. The message is the reason. */
export class Skipped extends Error {}

/** What is kept of a step that has ended. */
export interface StepResult {
  readonly name: string
  readonly group: Group
  readonly title: string
  readonly mode: Mode
  /** Partial: ended before it was done, with what it had by then. */
  readonly status: 'passed' | 'failed' | 'skipped' | 'partial'
  /** Why it failed, was skipped or ended. */
  readonly reason: string | null
  readonly seconds: number
  readonly findings: Findings
  /** The last lines of what it printed, where it failed or was ended. */
  readonly log?: readonly string[]
}

/** Results of the dry run say nothing about a GPU, and never count for a real run. */
export type Mode = 'gpu' | 'cpu'

export function modeOf({ cpuOnly }: KitContext): Mode {
  return cpuOnly ? 'cpu' : 'gpu'
}
