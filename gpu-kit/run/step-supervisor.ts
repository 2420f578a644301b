// Runs a step in a process of its own: llama.cpp aborts on device faults, and the next step needs a fresh device.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Findings, KitContext, Step } from './step-types.js'
import type { Execution } from './time-budget.js'

/** A message of the step's process: its end, or its findings so far. */
export type StepMessage = Execution | { readonly status: 'told'; readonly findings: Findings }

/** Characters at the end of the output that go into the reason of a failure. */
const KEPT_OUTPUT = 3000
/** Characters at the end of the output that are kept for the log in the report. */
const KEPT_LOG = 16_000
const LOG_LINES = 60
const LINE_CHARACTERS = 400
/** Wait for a killed process; one that lives longer hangs in a driver, and the kit goes on without it. */
const PATIENCE_SECONDS = 10

const STEP_CHILD = fileURLToPath(new URL('./step-child.js', import.meta.url))

/**
 * Does a step, and ends it after `seconds`, with all processes that it has started.
 *
 * @param cut true when `seconds` are fewer than the step may take
 * @param module the script of the process
 */
export async function executeStep(
  step: Step,
  context: KitContext,
  seconds: number,
  cut: boolean,
  module = STEP_CHILD,
): Promise<Execution> {
  const logs = join(context.work, 'logs')
  mkdirSync(logs, { recursive: true })
  const log = createWriteStream(join(logs, `${step.name}.log`))
  log.on('error', () => {}) // a full disk: the report has the end of it
  // Give it a session of its own, by which all processes that it starts are found.
  const child = fork(module, [step.name, JSON.stringify(context), String(seconds)], {
    detached: true,
    env: { ...process.env, LD_LIBRARY_PATH: context.libraryPath, VERBATIM_BENCH_LOG: '1' },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      log.write(chunk)
      output = (output + chunk.toString()).slice(-KEPT_LOG)
    })
  let message: Execution | undefined
  let findings: Findings = {}
  child.on('message', (received: StepMessage | null) => {
    if (received?.status === 'told') findings = received.findings
    else if (received) message = received
  })
  const forward = () => endSession(child)
  process.once('exit', forward)
  const closed = once(child, 'close')
  const exited = once(child, 'exit').then(([code, signal]): End => ({ code, signal }))
  let end = await within(exited, seconds)
  const wasEnded = end === null && !message
  endSession(child)
  end ??= await within(exited, PATIENCE_SECONDS)
  await within(closed, 1) // for the rest of its output, unless somebody keeps that open
  process.off('exit', forward)
  log.end()
  const kept = { log: lastLines(output), findings }
  if (message) return message.status === 'failed' ? { ...message, ...kept } : message
  const after = `it was ended after ${Math.round(seconds)} s${end ? '' : ', and cannot be killed'}`
  if (wasEnded && step.resumes)
    return { status: 'partial', reason: `${after}: a further call goes on`, ...kept }
  if (wasEnded && (cut || Object.keys(findings).length > 0))
    return { status: 'partial', reason: after, ...kept }
  const how = wasEnded ? after : `the process ended with ${end?.signal ?? `status ${end?.code}`}`
  return { status: 'failed', reason: `${how}\n${output.slice(-KEPT_OUTPUT)}`, ...kept }
}

/** End of a process. */
interface End {
  readonly code: number | null
  readonly signal: string | null
}

/** Waits for `work`; null where it takes longer than `seconds`. */
async function within<T>(work: Promise<T>, seconds: number): Promise<T | null> {
  // Take more than a timer can wait for as no limit.
  if (seconds > 1e6) return work
  const waiting = new AbortController()
  const over = sleep(seconds * 1000, null, { signal: waiting.signal }).catch(() => null)
  return Promise.race([work, over]).finally(() => waiting.abort())
}

/** The last lines of a log, short enough for a report. */
export function lastLines(output: string): string[] {
  return output
    .trimEnd()
    .split('\n')
    .slice(-LOG_LINES)
    .map((line) => line.slice(0, LINE_CHARACTERS))
}

/** Kills all processes in the session of one: Ninja gives each compiler a process group of its own. */
function endSession({ pid }: ChildProcess): void {
  if (pid === undefined) return
  for (const id of [-pid, ...membersOf(pid)])
    try {
      process.kill(id, 'SIGKILL')
    } catch {} // it has ended
}

function membersOf(session: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((id) => sessionOf(id) === session)
}

function sessionOf(id: number): number | undefined {
  try {
    // Skip the name before the other fields, which may hold spaces.
    const [, , , session] = readFileSync(`/proc/${id}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return Number(session)
  } catch {
    return undefined // it has ended
  }
}
