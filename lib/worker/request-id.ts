import { randomUUID } from 'node:crypto'

/** The id that a client gave its request in `x-request-id`, where it is harmless in logs; else a new one. */
export function requestId(given: unknown): string {
  return typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID()
}
