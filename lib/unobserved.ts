// Errors of runs that nobody has looked at become warnings of the process when nobody can look any more.

/** An error that is to be warned of. Holds texts alone: an error may hold its run, by the frames of its stack. */
export interface UnobservedError {
  readonly error: string
  /** Stack of the call that was refused. */
  readonly site: string | undefined
}

const waiting = new Set<UnobservedError>()
const collected = new FinalizationRegistry<UnobservedError>((error) => {
  if (waiting.delete(error)) process.emitWarning(warningOf(error))
})
let listens = false

/**
 * Warns of the error of a run when the run is collected or the process ends, unless {@link forget} is called before.
 *
 * @param site of the call, when the error is told in the call itself
 */
export function warnUnlessObserved(run: object, error: unknown, site?: string): UnobservedError {
  const unobserved = { error: String(error), site }
  waiting.add(unobserved)
  collected.register(run, unobserved, unobserved)
  if (!listens) {
    listens = true
    // Not at beforeExit: its listeners may still handle a run, or go on with work.
    process.on('exit', warnOfAll)
  }
  return unobserved
}

export function forget(error: UnobservedError): void {
  waiting.delete(error)
  collected.unregister(error)
}

function warnOfAll(): void {
  for (const error of waiting) {
    forget(error)
    // Emit at once: emitWarning would wait for a tick that does not come any more.
    process.emit('warning', warningOf(error))
  }
}

/** The stack below the function that is called. */
export function callSite(called: new (...args: never[]) => unknown): string {
  const holder: { stack?: string } = {}
  Error.captureStackTrace(holder, called)
  return /^ +at .*/ms.exec(holder.stack ?? '')?.[0] ?? ''
}

function warningOf({ error, site }: UnobservedError): Error {
  const warning = new Error(
    `A run failed, and nobody has awaited or iterated it: await it, or handle its error with catch(). ${error}`,
  )
  return Object.assign(warning, {
    name: 'Warning',
    code: 'VERBATIM_UNOBSERVED_ERROR',
    ...(site && { detail: site }),
  })
}
