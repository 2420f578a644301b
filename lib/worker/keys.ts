import { createHash, timingSafeEqual } from 'node:crypto'
import { HttpError } from './http-error.js'

/**
 * The keys that open the worker. Compares hashes, all of them, in constant time: the duration tells nothing about a
 * key.
 */
export class ApiKeys {
  readonly #hashes: readonly Buffer[]

  constructor(keys: readonly string[]) {
    this.#hashes = keys.map(sha256)
  }

  /** @throws HttpError 401 unless the header is `Bearer` with one of the keys, or there are no keys */
  check(authorization: string | null | undefined): void {
    if (this.#hashes.length === 0) return
    const given = sha256(/^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1] ?? '')
    let known = false
    for (const hash of this.#hashes) known = timingSafeEqual(hash, given) || known
    if (known) return
    throw new HttpError('UNAUTHORIZED', 'Send authorization: Bearer with an API key of this worker.', {
      headers: { 'www-authenticate': 'Bearer' },
    })
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
