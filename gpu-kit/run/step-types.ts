// The types of the kit's steps: each runs in a process of its own and leaves one file behind.
import type { Goal, Table } from '../../bench/suite.js'
import type { FoundLibraries } from './cuda-libraries.js'

/** The context that steps run in. */
export interface KitContext {
  /** True for the dry run: no GPU, nothing is built for CUDA, everything is as small as it can be. */
  readonly cpuOnly: boolean
  /** Folder of the kit, laid out like the repository. */
  readonly root: string
  /** Folder of report.md and report.json. */
  readonly report: string
  /** Folder of the steps' results and logs. */
  readonly work: string
  /** Folder of the synthetic models: up to 28 GB. */
  readonly models: string
  /** Places of CUDA's libraries, by their SONAMEs; null where the kit has no backend. */
  readonly libraries: FoundLibraries['found'] | null
  /** LD_LIBRARY_PATH of processes that compute with CUDA, with folders that the loader does not know. */
  readonly libraryPath: string
  /** LD_LIBRARY_PATH of the kit's caller, for programs that bring CUDA along themselves. */
  readonly ownLibraryPath: string
}

/** The findings of a step. */
export interface Findings {
  /** Facts for the JSON report, and for later steps. */
  readonly facts?: Readonly<Record<string, unknown>>
  readonly tables?: readonly Table[]
  readonly goals?: readonly Goal[]
  /** Notes on reading the tables. */
  readonly legend?: readonly string[]
  /** Contenders and figures that were left out, with the reasons. */
  readonly missing?: Readonly<Record<string, string>>
}

export type Group = 'check' | 'build' | 'test' | 'bench'

/** The time of a running step, and its report so far. */
export interface Progress {
  /** Seconds after which the step is ended. */
  readonly seconds: number
  /** Keeps the findings so far, for a step that is ended before it is done. */
  tell(findings: Findings): void
}

export interface Step {
  readonly name: string
  readonly group: Group
  readonly title: string
  /** True skips the step without a GPU. */
  readonly needsGpu?: boolean
  /** Steps that must have passed. */
  readonly after?: readonly string[]
  /** True for a build: it goes on where it was interrupted, and is tried again when it has failed. */
  readonly resumes?: boolean
  /** Least time to begin it with, in a call that has done something. */
  readonly usualSeconds: number
  /** Time after which it is ended, unless it goes on where it was interrupted. */
  readonly limitSeconds: number
  /** Does the step; throws where it fails, {@link Skipped} where it cannot be done here. */
  run(context: KitContext, progress: Progress): Promise<Findings>
}

/** Limit of a step that may take nearly all of a call of ten minutes. */
export const CALL_SECONDS = 520

/** Steps that share a limit, so that a slow one takes no time from later stages. */
export interface Stage {
  readonly title: string
  /** Limit of its steps together, beyond time that earlier stages left. None: the rest of the call. */
  readonly limitSeconds?: number
  readonly steps: readonly Step[]
}

/** Thrown by a step that cannot be done on this machine. The message is the reason. */
export class Skipped extends Error {}

/** The result of a step that has ended, as it is kept. */
export interface StepResult {
  readonly name: string
  readonly group: Group
  readonly title: string
  readonly mode: Mode
  /** Status at the end; partial for a step that was ended before it was done, with its findings by then. */
  readonly status: 'passed' | 'failed' | 'skipped' | 'partial'
  /** Reason that it failed, was skipped or ended. */
  readonly reason: string | null
  readonly seconds: number
  readonly findings: Findings
  /** The last lines of its output, where it failed or was ended. */
  readonly log?: readonly string[]
}

/** Results of the dry run say nothing about a GPU, and never count for a real run. */
export type Mode = 'gpu' | 'cpu'

export function modeOf({ cpuOnly }: KitContext): Mode {
  return cpuOnly ? 'cpu' : 'gpu'
}
