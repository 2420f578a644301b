import { defaultMaxListeners, getMaxListeners, setMaxListeners } from 'node:events'

const UNLIMITED = 2 ** 31

/**
 * Calls `listener` when the signal is aborted. One signal may end any number of runs, of which Node.js would report the
 * eleventh as a leak; a limit that the caller has set stays.
 */
export function listenForAbort(signal: AbortSignal, listener: () => void): void {
  if (hasDefaultLimit(signal)) setMaxListeners(UNLIMITED, signal)
  signal.addEventListener('abort', listener, { once: true })
}

function hasDefaultLimit(signal: AbortSignal): boolean {
  try {
    return getMaxListeners(signal) === defaultMaxListeners
  } catch {
    return false // a polyfill, or (in Node.js 20) the caller has set 0: no limit
  }
}
