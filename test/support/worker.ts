import { once } from 'node:events'
import { request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { createWorker, type WorkerOptions } from 'verbatim-llama/worker'
import { NodeServer } from '#lib/worker/node-server.js'

/** A worker on a free port of the loopback interface. */
export interface RunningWorker {
  readonly url: string
  close(): Promise<void>
}

export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const worker = createWorker(options)
  const listener = getRequestListener(worker.fetch, { overrideGlobalObjects: false })
  const server = new NodeServer(listener, options.slowReaderMs ?? 30_000)
  const port = await server.listen({ host: '127.0.0.1', port: 0 })
  return {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      server.stopAccepting()
      server.closeConnections()
    },
  }
}

/** Uses a worker of these options, and closes it. */
export async function useWorker(
  options: WorkerOptions,
  use: (worker: RunningWorker) => Promise<void>,
): Promise<void> {
  const worker = await startWorker(options)
  try {
    await use(worker)
  } finally {
    await worker.close()
  }
}

/** An answer. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: any JSON
  readonly body: any
}

/** Sends a request as raw as HTTP allows: `body` may be any bytes. */
export async function send(
  url: string,
  options: RequestOptions & { body?: string | Uint8Array } = {},
): Promise<Answer> {
  const { body, ...rest } = options
  const request = httpRequest(url, { agent: false, ...rest })
  request.on('error', () => {}) // comes after the answer where the server does not read all of the body
  request.end(body)
  const [response] = await once(request, 'response')
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk
  const isJson = response.headers['content-type'] === 'application/json' && text !== '' // as after HEAD
  return {
    status: response.statusCode,
    headers: response.headers,
    text,
    body: isJson ? JSON.parse(text) : undefined,
  }
}

/** POST with JSON: of an object, or the text or bytes as they are. */
export function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const raw = typeof body === 'string' || body instanceof Uint8Array
  return send(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: raw ? body : JSON.stringify(body),
  })
}

/** A server-sent event. */
export interface ServerEvent {
  readonly name: string
  // biome-ignore lint/suspicious/noExplicitAny: any JSON
  readonly data: any
}

/** The events of a stream that has ended. */
export function parseEvents(text: string): ServerEvent[] {
  const blocks = text.split('\n\n')
  if (blocks.pop() !== '') throw new Error('the stream ended in the middle of an event')
  return blocks.map((block) => {
    const { name = '', data = '' } =
      /^(?:event: (?<name>\w+)\n)?data: (?<data>[^\n]*)$/.exec(block)?.groups ?? {}
    return { name, data: data === '[DONE]' ? data : JSON.parse(data) }
  })
}

/** The events of a fetched stream as they come. */
export async function* readEvents(response: Response): AsyncGenerator<ServerEvent> {
  let rest = ''
  const decoder = new TextDecoder()
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n')
    rest = blocks.pop() as string
    for (const block of blocks) yield* parseEvents(`${block}\n\n`)
  }
}
