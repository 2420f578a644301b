// Goes through the stages: first each within its limit, then whatever had no time, until the budget is used up.

import type { Store } from './result-store.js'
import type { Stage, Step, StepResult } from './step-types.js'

/** How a step ended. A build that is partial goes on at the next call. */
export type Execution = Pick<StepResult, 'status' | 'reason' | 'findings' | 'log'>

export interface RunnerOptions {
  readonly store: Store
  readonly mode: StepResult['mode']
  /** Seconds for this call. */
  readonly budgetSeconds: number
  /** Does a step, and ends it after so many seconds; `cut`: they are fewer than its limit. */
  readonly execute: (step: Step, seconds: number, cut: boolean) => Promise<Execution>
  readonly say: (text: string) => void
  /** Steps that are to be done again. What they found before is kept until then. */
  readonly again?: ReadonlySet<string>
  /** Whether what a step has left is not there any more. */
  readonly isStale?: (result: StepResult) => boolean
  /** Called when a step has ended: for the report. */
  readonly kept?: () => void
  /** Seconds; the clock of the process unless given. */
  readonly now?: () => number
}

/** Kept for ending a step and writing the report. */
const RESERVE_SECONDS = 5
/** A call has hardly begun in its first seconds. */
const BEGINNING_SECONDS = 10
/** A step that was ended after some time needs several times as much to get further. */
const SECOND_TRY = 2

/** @returns whether all steps have ended: if not, a further call goes on */
export async function runStages(stages: readonly Stage[], options: RunnerOptions): Promise<boolean> {
  const steps = stages.flatMap((stage) => stage.steps)
  const call = new Call(options, steps)
  let allowance = 0
  for (const { limitSeconds, steps: ofStage } of stages) {
    if (limitSeconds === undefined) continue
    allowance += limitSeconds
    for (const step of ofStage) allowance -= await call.within(step, allowance)
  }
  // What was not begun is worth more than what was ended early, and may need that.
  for (const step of steps) await call.begin(step)
  for (const step of steps) await call.retry(step)
  for (const step of steps) await call.begin(step)
  return call.isDone
}

/** One call of the kit. */
class Call {
  readonly #options: RunnerOptions
  readonly #steps: readonly Step[]
  readonly #now: () => number
  readonly #begin: number

  constructor(options: RunnerOptions, steps: readonly Step[]) {
    this.#options = options
    this.#steps = steps
    this.#now = options.now ?? (() => performance.now() / 1000)
    // That of the process began with it.
    this.#begin = options.now?.() ?? 0
  }

  /** Tries a step once, within what its stage is allowed. @returns the seconds that count against it */
  async within(step: Step, allowance: number): Promise<number> {
    if (this.#status(step) || this.#isObstructed(step)) return 0
    const left = Math.min(this.#left, step.resumes ? Number.POSITIVE_INFINITY : allowance)
    if (left < step.usualSeconds) return 0
    const started = this.#now()
    await this.#execute(step, left, false)
    const seconds = this.#now() - started
    // What is built here is not the fault of those that come after it.
    return step.resumes ? Math.min(seconds, step.usualSeconds) : seconds
  }

  /** Does a step that was not begun with all that is left of the call, if that is enough. */
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

  /** Whether nothing is left to be begun or to be done again. */
  get isDone(): boolean {
    return this.#steps.every((step) => {
      const status = this.#status(step)
      return status ? status !== 'partial' || this.#hadItsLimit(step) : this.#isObstructed(step)
    })
  }

  /** More than its limit it gets in no call. */
  #hadItsLimit({ name, limitSeconds }: Step): boolean {
    return (this.#options.store.read(name)?.seconds ?? 0) >= limitSeconds - 1
  }

  get #left(): number {
    return this.#options.budgetSeconds - RESERVE_SECONDS - (this.#now() - this.#begin)
  }

  /** A step may take all of a call that has hardly begun: waiting for more would never end. */
  get #hasWholeCall(): boolean {
    return this.#isFirst || this.#now() - this.#begin < BEGINNING_SECONDS
  }

  /** Whether nothing has been done but what has failed or was skipped before. */
  #isFirst = true

  /** How a step ended that is not to be begun again. */
  #status({ name, resumes }: Step): StepResult['status'] | undefined {
    const { store, again, isStale } = this.#options
    const result = store.read(name)
    const status = result?.status
    if (!result || status === 'skipped' || isStale?.(result)) return undefined
    if (again?.has(name) && !this.#executed.has(name)) return undefined
    return resumes && status !== 'passed' ? undefined : status
  }

  /** What was tried in this call. */
  readonly #executed = new Set<string>()
  /** Of that, what cannot be done here or has failed to build. */
  readonly #skipped = new Set<string>()

  /** What was in the way of a skipped step may be gone. */
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
    // What is known of it is worth more.
    if (!known || (known.status === 'skipped' && known.reason !== reason))
      this.#keep(step, { status: 'skipped', reason, findings: {} }, 0)
    return true
  }

  /** @param whole whether it has all of a call: then it gets no more time in any other one */
  async #execute(step: Step, left: number, whole: boolean): Promise<void> {
    const { execute, say, budgetSeconds } = this.#options
    say(`${step.name}: ${step.title}`)
    // A build takes what it takes: what it has done is kept.
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
