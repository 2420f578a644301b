import { randomUUID } from 'node:crypto'

/** The id that a client gave its request in `x-request-id`, where it is one that logs can bear; else a new one. */
export function requestId(given: unknown): string {
  return typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID()
}
