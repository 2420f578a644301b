import { type Logger, pino } from 'pino'
import { VerbatimError } from '../errors.js'

/** The log of the server: JSON lines on stderr. */
export function createLogger(level: string): Logger {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 2, sync: true }),
  )
}

/** Message about an error for the person who started the command. */
export function explain(error: unknown): string {
  if (error instanceof VerbatimError) return `${error.code}: ${error.message}`
  return error instanceof Error ? error.message : String(error)
}
