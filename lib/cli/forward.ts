import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { namedEvent } from '../worker/event-stream.js'
import { type ErrorDescription, errorBody, openAiErrorBody, unavailable } from '../worker/http-error.js'
import { tooLarge } from '../worker/request-body.js'

/** The connection to the worker's process broke before any part of an answer came. */
export class WorkerDied extends Error {}

/** Headers that are about one connection, not about the message. */
const OF_THE_CONNECTION = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
])

/** Longest time that a client may go on sending a body that is not wanted, in milliseconds. */
const DISCARD_MS = 500

/** Reads a request's body of at most `maxBytes`. It is kept for the next worker, should one die. */
export async function readAll(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes)
  const chunks: Buffer[] = []
  let bytes = 0
  // Keep the request when the loop is left: the client is to get an answer.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maxBytes) throw tooLarge(maxBytes)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, bytes)
}

/**
 * Gives a request to the worker and its answer to the client, as fast as the client reads. A client that leaves
 * cancels the request. A worker that dies in the middle of an event stream ends it with an error event.
 *
 * Rejects with {@link WorkerDied} when no part of an answer came; the client has got nothing then.
 */
export function forward(
  request: IncomingMessage,
  body: Buffer,
  response: ServerResponse,
  { socket, id, trailer }: { socket: string; id: string; trailer: string },
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (response.destroyed) return resolve()
    const { 'content-length': _, ...headers } = withoutConnection(request.headers)
    const upstream = httpRequest({
      socketPath: socket,
      method: request.method,
      path: request.url,
      agent: false, // the worker could close a kept connection just when it is used again
      headers: { ...headers, 'x-request-id': id, ...(body.length > 0 && { 'content-length': body.length }) },
    })
    const leave = () => upstream.destroy()
    response.on('error', () => {}) // `close` follows
    response.once('close', leave)
    const done = () => {
      response.off('close', leave)
      resolve()
    }
    upstream.on('error', (error) => {
      response.off('close', leave)
      if (response.destroyed) resolve()
      else reject(new WorkerDied('the worker did not answer', { cause: error }))
    })
    upstream.once('response', (answer) => {
      answer.on('error', () => {})
      answer.once('close', () => {
        if (!answer.complete) endBroken(request, response, answer, id)
        done()
      })
      const { 'content-length': length, ...kept } = withoutConnection(answer.headers)
      if (trailer === '' && length !== undefined) response.setHeader('content-length', length)
      response.writeHead(answer.statusCode ?? 502, kept)
      response.flushHeaders()
      answer.pipe(response, { end: false })
      answer.once('end', () => response.end(trailer))
    })
    upstream.end(body)
  })
}

/** Ends an answer that broke, since it cannot be given again: an event stream by an error event, any other by a cut. */
function endBroken(
  request: IncomingMessage,
  response: ServerResponse,
  answer: IncomingMessage,
  id: string,
): void {
  if (response.destroyed) return
  if (!/^text\/event-stream/.test(answer.headers['content-type'] ?? '')) {
    response.destroy()
    return
  }
  const { description } = unavailable(
    'ENGINE_DOWN',
    'The connection to the engine broke. What was sent is not the whole answer.',
  )
  response.end(
    isOpenAi(request)
      ? `data: ${JSON.stringify(openAiErrorBody(description))}\n\n`
      : namedEvent('error', errorBody(description, id)),
  )
}

/** Answers with an error, where that is still possible. */
export function sendError(
  request: IncomingMessage,
  response: ServerResponse,
  description: ErrorDescription,
  id: string,
): void {
  if (response.destroyed) return
  if (response.headersSent) {
    response.destroy()
    return
  }
  const body = isOpenAi(request) ? openAiErrorBody(description) : errorBody(description, id)
  response.writeHead(description.status, {
    'content-type': 'application/json',
    'x-request-id': id,
    ...description.headers,
  })
  response.end(JSON.stringify(body))
  if (!request.complete) discardRest(request)
}

/** Reads on for a while: a connection closed while its client sends is reset, and the answer may be lost. */
function discardRest(request: IncomingMessage): void {
  request.on('error', () => {}) // the client left
  request.resume()
  const timer = setTimeout(() => request.socket.destroySoon(), DISCARD_MS)
  request.once('close', () => clearTimeout(timer))
}

function isOpenAi(request: IncomingMessage): boolean {
  return /^\/v1(?:[/?]|$)/.test(request.url ?? '')
}

function withoutConnection(headers: IncomingMessage['headers']): IncomingMessage['headers'] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !OF_THE_CONNECTION.has(name)))
}
