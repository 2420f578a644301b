// Does the one step that the command line names, and sends what came of it.
import type { StepMessage } from './execute.js'
import { type KitContext, Skipped } from './step.js'
import { STEPS } from './steps.js'

const [name, context] = process.argv.slice(2) as [string, string]
const step = STEPS.find((one) => one.name === name)
if (!step) throw new Error(`there is no step '${name}'`)

const message = await step.run(JSON.parse(context) as KitContext).then(
  (findings): StepMessage => ({ status: 'passed', reason: null, findings }),
  (error: unknown): StepMessage => {
    if (error instanceof Skipped) return { status: 'skipped', reason: error.message, findings: {} }
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { status: 'failed', reason, findings: {} }
  },
)
process.send?.(message, () => process.exit())
