// Goes through the stages: first each within its limit, then steps that had no time, until the budget is used up.

import type { Store } from './result-store.js'
import type { Stage, Step, StepResult } from './step-types.js'

/** End of a step. A build that is partial goes on at the next call. */
export type Execution = Pick<StepResult, 'status' | 'reason' | 'findings' | 'log'>

export interface CallOptions {
  readonly store: Store
  readonly mode: StepResult['mode']
  /** Seconds for this call. */
  readonly budgetSeconds: number
  /** Does a step, and ends it after `seconds`; `cut` says that they are fewer than its limit. */
  readonly execute: (step: Step, seconds: number, cut: boolean) => Promise<Execution>
  readonly say: (text: string) => void
  /** Steps to do again. Their former findings are kept until then. */
  readonly again?: ReadonlySet<string>
  /** True when a file that a step has left is not there any more. */
  readonly isStale?: (result: StepResult) => boolean
  /** Called when a step has ended, for the report. */
  readonly kept?: () => void
  /** Clock in seconds. Default: that of the process. */
  readonly now?: () => number
}

/** Time kept for ending a step and writing the report. */
const RESERVE_SECONDS = 5
/** First seconds of a call, in which it has hardly begun. */
const BEGINNING_SECONDS = 10
/** Factor on the time after which a step was ended, to get further in a second try. */
const SECOND_TRY = 2

/** Runs the stages. @returns true when all steps have ended; else a further call goes on */
export async function runStages(stages: readonly Stage[], options: CallOptions): Promise<boolean> {
  const steps = stages.flatMap((stage) => stage.steps)
  const call = new Call(options, steps)
  let allowance = 0
  for (const { limitSeconds, steps: ofStage } of stages) {
    if (limitSeconds === undefined) continue
    allowance += limitSeconds
    for (const step of ofStage) allowance -= await call.within(step, allowance)
  }
  // Begin new steps before retrying those ended early, which are worth less; then steps that needed these.
  for (const step of steps) await call.begin(step)
  for (const step of steps) await call.retry(step)
  for (const step of steps) await call.begin(step)
  return call.isDone
}

/** A call of the kit. */
class Call {
  readonly #options: CallOptions
  readonly #steps: readonly Step[]
  readonly #now: () => number
  readonly #begin: number

  constructor(options: CallOptions, steps: readonly Step[]) {
    this.#options = options
    this.#steps = steps
    this.#now = options.now ?? (() => performance.now() / 1000)
    // The clock of the process begins at 0.
    this.#begin = options.now?.() ?? 0
  }

  /** Tries a step once, within the `allowance` of its stage. @returns the seconds that count against it */
  async within(step: Step, allowance: number): Promise<number> {
    if (this.#status(step) || this.#isObstructed(step)) return 0
    const left = Math.min(this.#left, step.resumes ? Number.POSITIVE_INFINITY : allowance)
    if (left < step.usualSeconds) return 0
    const started = this.#now()
    await this.#execute(step, left, false)
    const seconds = this.#now() - started
    // Do not charge a build to the steps after it.
    return step.resumes ? Math.min(seconds, step.usualSeconds) : seconds
  }

  /** Does a step that was not begun, with the rest of the call, if that is enough. */
  async begin(step: Step): Promise<void> {
    if (this.#status(step) || this.#isObstructed(step)) return
    const whole = this.#hasWholeCall
    if (whole || this.#left >= step.usualSeconds) await this.#execute(step, this.#left, whole)
  }

  /** Does a step again that was ended early, if there is much more time for it now. */
  async retry(step: Step): Promise<void> {
    if (this.#status(step) !== 'partial' || this.#hadItsLimit(step)) return
    const spent = this.#options.store.read(step.name)?.seconds ?? 0
    const needed = Math.max(step.usualSeconds, SECOND_TRY * spent)
    const whole = this.#hasWholeCall
    if (whole || this.#left >= needed) await this.#execute(step, this.#left, whole)
  }

  /** True when no step is left to begin or to do again. */
  get isDone(): boolean {
    return this.#steps.every((step) => {
      const status = this.#status(step)
      return status ? status !== 'partial' || this.#hadItsLimit(step) : this.#isObstructed(step)
    })
  }

  /** True when a step has had its limit, the most that it gets in any call. */
  #hadItsLimit({ name, limitSeconds }: Step): boolean {
    return (this.#options.store.read(name)?.seconds ?? 0) >= limitSeconds - 1
  }

  get #left(): number {
    return this.#options.budgetSeconds - RESERVE_SECONDS - (this.#now() - this.#begin)
  }

  /** True when a call has hardly begun: then a step may take all of it, since no call gives it more. */
  get #hasWholeCall(): boolean {
    return this.#isFirst || this.#now() - this.#begin < BEGINNING_SECONDS
  }

  /** True until a step has been done that had not failed or been skipped before. */
  #isFirst = true

  /** End of a step that is not to be begun again; undefined for others. */
  #status({ name, resumes }: Step): StepResult['status'] | undefined {
    const { store, again, isStale } = this.#options
    const result = store.read(name)
    const status = result?.status
    if (!result || status === 'skipped' || isStale?.(result)) return undefined
    if (again?.has(name) && !this.#executed.has(name)) return undefined
    return resumes && status !== 'passed' ? undefined : status
  }

  /** Steps that were tried in this call. */
  readonly #executed = new Set<string>()
  /** Tried steps that cannot be done here or have failed to build. */
  readonly #skipped = new Set<string>()

  /** True when a step cannot be begun; looks anew at a skipped one, whose obstacle may be gone. */
  #isObstructed(step: Step): boolean {
    if (this.#skipped.has(step.name)) return true
    const { store, mode } = this.#options
    const isMissing = (name: string) => {
      const needed = this.#steps.find((other) => other.name === name)
      return store.read(name)?.status !== 'passed' && !(mode === 'cpu' && needed?.needsGpu)
    }
    const missing = (step.after ?? []).filter(isMissing)
    const states = missing.map((name) => store.read(name)?.status ?? 'not done yet')
    const reason =
      step.needsGpu && mode === 'cpu'
        ? 'needs a GPU; this is a dry run on the CPU'
        : missing.length > 0
          ? `needs ${missing.map((name, i) => `${name} (${states[i]})`).join(', ')}`
          : undefined
    if (reason === undefined) return false
    const known = store.read(step.name)
    // Keep former findings, which are worth more.
    if (!known || (known.status === 'skipped' && known.reason !== reason))
      this.#keep(step, { status: 'skipped', reason, findings: {} }, 0)
    return true
  }

  /** @param whole true when the step has all of a call: no other one gives it more time */
  async #execute(step: Step, left: number, whole: boolean): Promise<void> {
    const { execute, say, budgetSeconds } = this.#options
    say(`${step.name}: ${step.title}`)
    // Give a build no limit: its work is kept.
    const limit = step.resumes ? Number.POSITIVE_INFINITY : step.limitSeconds
    this.#executed.add(step.name)
    const before = this.#options.store.read(step.name)?.status
    const started = this.#now()
    let execution = await execute(step, Math.max(1, Math.min(left, limit)), left < limit)
    if (execution.status === 'partial' && whole && !step.resumes) {
      const budget = `it needs more than the ${budgetSeconds} s of one call: call with a larger --budget`
      execution = { ...execution, status: 'failed', reason: left < limit ? budget : execution.reason }
    }
    if (execution.status === 'skipped' || (execution.status === 'failed' && step.resumes))
      this.#skipped.add(step.name)
    this.#keep(step, execution, this.#now() - started)
    if (before !== 'failed' && before !== 'skipped') this.#isFirst = false
  }

  #keep(step: Step, execution: Execution, seconds: number): void {
    const { store, mode, say, kept } = this.#options
    const { name, group, title } = step
    store.write({ name, group, title, mode, seconds: Math.round(seconds * 10) / 10, ...execution })
    const used = execution.findings.facts?.used
    const note = execution.reason ? firstLine(execution.reason) : typeof used === 'string' ? used : ''
    say(`${name}: ${execution.status}${note && ` (${note})`}`)
    kept?.()
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? ''
}
