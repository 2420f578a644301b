// Goes through the steps in order: passes over what is done, stops before the budget is used up.
import type { Step, StepResult } from './step.js'
import type { Store } from './store.js'

/** How a step ended; 'interrupted' when its time was cut short by the budget and not by its own limit. */
export type Execution = Pick<StepResult, 'status' | 'reason' | 'findings'> | 'interrupted'

export interface RunnerOptions {
  readonly store: Store
  readonly mode: StepResult['mode']
  /** Seconds for this call. */
  readonly budgetSeconds: number
  /** Does a step, and ends it after so many seconds; `cut`: they are fewer than its limit. */
  readonly execute: (step: Step, seconds: number, cut: boolean) => Promise<Execution>
  readonly say: (text: string) => void
  /** Seconds; the clock of the process unless given. */
  readonly now?: () => number
}

/** Kept for ending a step and writing the report. */
const RESERVE_SECONDS = 10
const USUAL_SECONDS = 60

/** @returns whether all steps have ended: if not, a further call goes on */
export async function runSteps(steps: readonly Step[], options: RunnerOptions): Promise<boolean> {
  const { store, mode, budgetSeconds, execute, say, now = () => performance.now() / 1000 } = options
  const begin = now()
  for (const step of steps) {
    const known = store.read(step.name)
    if (known?.status === 'passed' || (known?.status === 'failed' && !step.resumes)) continue
    const { name, group, title } = step
    const keep = (execution: Exclude<Execution, 'interrupted'>, seconds: number) => {
      store.write({ name, group, title, mode, seconds: Math.round(seconds * 10) / 10, ...execution })
      say(`${name}: ${execution.status}${execution.reason ? ` (${firstLine(execution.reason)})` : ''}`)
    }
    const obstacle = obstacleOf(step, options)
    // What was in the way of a skipped step may be gone.
    if (obstacle) {
      if (known?.reason !== obstacle) keep({ status: 'skipped', reason: obstacle, findings: {} }, 0)
      continue
    }
    const started = now()
    const left = budgetSeconds - RESERVE_SECONDS - (started - begin)
    // A step may take all of a call that has hardly begun: waiting for more would never end.
    const hasWholeCall = started - begin < RESERVE_SECONDS
    if (!hasWholeCall && left < (step.usualSeconds ?? USUAL_SECONDS)) return false
    // A build takes what it takes: what it has done is kept.
    const limit = step.resumes ? Number.POSITIVE_INFINITY : step.limitSeconds
    say(`${name}: ${title}`)
    const execution = await execute(step, Math.max(1, Math.min(left, limit)), left < limit)
    if (execution === 'interrupted') {
      if (step.resumes || !hasWholeCall) return false
      const reason = `it needs more than the ${budgetSeconds} s of one call: call with a larger --budget`
      keep({ status: 'failed', reason, findings: {} }, now() - started)
    } else keep(execution, now() - started)
  }
  return true
}

function obstacleOf(step: Step, { store, mode }: RunnerOptions): string | undefined {
  if (step.needsGpu && mode === 'cpu') return 'needs a GPU; this is a dry run on the CPU'
  const missing = (step.after ?? []).filter((name) => store.read(name)?.status !== 'passed')
  return missing.length > 0 ? `needs ${missing.join(' and ')}, which did not pass` : undefined
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? ''
}
