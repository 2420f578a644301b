import { type Logger, pino } from 'pino'
import { VerbatimError } from '../errors.js'
import { messageWithFlags, textWithFlags } from './flag-names.js'

/** Form of everything that `serve` prints: text for a person at a terminal, JSON lines for all others. */
export type LogFormat = 'json' | 'text'

/** The form for the stderr of this process. */
export function logFormat(): LogFormat {
  return process.stderr.isTTY ? 'text' : 'json'
}

/** The log of the server, on stderr. */
export function createLogger(level: string, format: LogFormat): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: serialized },
  }
  return format === 'json'
    ? pino(options, pino.destination({ fd: 2, sync: true }))
    : pino(options, { write: (line: string) => process.stderr.write(asText(line)) })
}

function serialized(error: Error): unknown {
  const shown = pino.stdSerializers.err(error)
  if (!(error instanceof VerbatimError)) return shown
  const message = textWithFlags(error)
  return { ...shown, message, stack: shown.stack.replace(error.message, () => message) }
}

/** A line of the log for a person: time, level, message, facts, and below them the stack of an error. */
function asText(line: string): string {
  const { time, level, msg, err, ...facts } = JSON.parse(line) as Record<string, unknown>
  const clock = new Date(time as string).toTimeString().slice(0, 8)
  const label = pino.levels.labels[level as number] ?? ''
  const shown = Object.entries(facts).map(([name, fact]) => `${name}=${plain(fact)}`)
  const stack = err === undefined ? '' : `\n${(err as Error).stack ?? (err as Error).message}`
  return `${[clock, label.padEnd(5), msg, ...shown].join(' ')}${stack}\n`
}

function plain(fact: unknown): string {
  return typeof fact === 'string' && /^\S+$/.test(fact) ? fact : JSON.stringify(fact)
}

/** A failure to start, for the person who started the command. */
export interface StartFailure {
  /** The code of the library's error. */
  readonly code?: string
  readonly message: string
}

/** Describes a failure to start. Options are named by their flags. */
export function explain(error: unknown): StartFailure {
  if (error instanceof VerbatimError) return { code: error.code, message: messageWithFlags(error) }
  if (error instanceof StartError) return error.failure
  return { message: error instanceof Error ? error.message : String(error) }
}

/** A failure to start that was described in another process. */
export class StartError extends Error {
  readonly failure: StartFailure

  constructor(failure: StartFailure) {
    super(failure.message)
    this.failure = failure
  }
}
