import { MIMEType } from 'node:util'
import { counted } from '../counted.js'
import { HttpError } from './http-error.js'

/** `application/json`, or a type with that suffix. */
const JSON_TYPE = /^application\/(?:json|.+\+json)$/

/**
 * Reads the bytes of a request's body, at most `maxBytes`.
 *
 * Only JSON is taken: a web page cannot send it to another origin without asking first, so that a worker on the
 * loopback interface does not answer to pages that its user happens to visit.
 *
 * @throws HttpError 413 or 415
 */
export async function readBody(request: Request, maxBytes: number): Promise<Uint8Array> {
  requireJsonType(request.headers.get('content-type') ?? '')
  if ((request.headers.get('content-encoding') ?? 'identity').toLowerCase() !== 'identity')
    throw new HttpError('UNSUPPORTED_MEDIA_TYPE', 'Send the body without a content-encoding.')
  const length = request.headers.get('content-length')
  if (length !== null && Number(length) > maxBytes) throw tooLarge(maxBytes)
  // Read a body of known length the fast way: it cannot be longer.
  if (length !== null) return limited(new Uint8Array(await request.arrayBuffer()), maxBytes)
  return readStream(request, maxBytes)
}

/** Takes JSON by its type, whatever the parameters are, but for a charset: UTF-8 is the only encoding that JSON has. */
function requireJsonType(contentType: string): void {
  const type = parsed(contentType)
  if (!type || !JSON_TYPE.test(type.essence))
    throw new HttpError('UNSUPPORTED_MEDIA_TYPE', 'Send the body as content-type: application/json.')
  const charset = type.params.get('charset') ?? 'utf-8'
  if (!/^utf-?8$/i.test(charset))
    throw new HttpError(
      'UNSUPPORTED_MEDIA_TYPE',
      `The charset ${charset} is not taken: JSON is UTF-8. Send the body in UTF-8, as content-type: application/json.`,
    )
}

function parsed(contentType: string): MIMEType | undefined {
  try {
    return new MIMEType(contentType)
  } catch {
    return undefined
  }
}

async function readStream(request: Request, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  const reader = request.body?.getReader()
  if (!reader) return new Uint8Array()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return Buffer.concat(chunks, bytes)
    bytes += value.byteLength
    if (bytes > maxBytes) {
      await reader.cancel().catch(() => {})
      throw tooLarge(maxBytes)
    }
    chunks.push(value)
  }
}

function limited(bytes: Uint8Array, maxBytes: number): Uint8Array {
  if (bytes.byteLength > maxBytes) throw tooLarge(maxBytes)
  return bytes
}

/** The answer to a body over the limit. */
export function tooLarge(maxBytes: number): HttpError {
  return new HttpError(
    'BODY_TOO_LARGE',
    `The body is larger than ${counted(maxBytes, 'byte')}, the most that is taken.`,
  )
}
