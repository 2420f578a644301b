// Does the one step that the command line names, and sends its end.

import { STEPS } from './stages.js'
import type { StepMessage } from './step-supervisor.js'
import { type Findings, type KitContext, Skipped } from './step-types.js'

const [name, context, seconds] = process.argv.slice(2) as [string, string, string]
const step = STEPS.find((one) => one.name === name)
if (!step) throw new Error(`there is no step '${name}'`)

// Exit with the supervisor: nobody else takes the result.
process.on('disconnect', () => process.exit(1))
const progress = {
  seconds: Number(seconds),
  tell: (findings: Findings) => process.send?.({ status: 'told', findings } satisfies StepMessage),
}
const message = await step.run(JSON.parse(context) as KitContext, progress).then(
  (findings): StepMessage => ({ status: 'passed', reason: null, findings }),
  (error: unknown): StepMessage => {
    if (error instanceof Skipped) return { status: 'skipped', reason: error.message, findings: {} }
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { status: 'failed', reason, findings: {} }
  },
)
process.send?.(message, () => process.exit())
