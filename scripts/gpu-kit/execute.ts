// A step in a process of its own: llama.cpp aborts on device faults, and the next step must begin with a fresh device.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Execution } from './runner.js'
import type { KitContext, Step } from './step.js'

/** What the process sends before it ends. */
export type StepMessage = Exclude<Execution, 'interrupted'>

/** The last characters of its output, for the reason of a failure. */
const KEPT_OUTPUT = 3000

export async function executeStep(
  step: Step,
  context: KitContext,
  seconds: number,
  cut: boolean,
): Promise<Execution> {
  const module = fileURLToPath(new URL('./step-process.js', import.meta.url))
  mkdirSync(join(context.report, 'logs'), { recursive: true })
  const log = createWriteStream(join(context.report, 'logs', `${step.name}.log`))
  // A group of its own, so that compilers and measured processes end with it.
  const child = fork(module, [step.name, JSON.stringify(context)], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      log.write(chunk)
      output = (output + chunk.toString()).slice(-KEPT_OUTPUT)
    })
  let message: StepMessage | undefined
  child.on('message', (received) => {
    message = received as StepMessage
  })
  let timedOut = false
  const expire = () => {
    timedOut = true
    endGroup(child)
  }
  // More than a timer can wait for is no limit.
  const timer = seconds < 1e6 ? setTimeout(expire, seconds * 1000) : undefined
  const forward = () => endGroup(child)
  process.once('exit', forward)
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  clearTimeout(timer)
  process.off('exit', forward)
  endGroup(child)
  log.end()
  if (message) return message
  if (timedOut && cut) return 'interrupted'
  const end = timedOut
    ? `was ended after ${Math.round(seconds)} s`
    : `ended with ${signal ?? `status ${code}`}`
  return { status: 'failed', reason: `the process ${end}\n${output}`, findings: {} }
}

function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {} // nobody is left
}
