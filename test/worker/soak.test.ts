// 64 clients at once, a tenth of whose requests are abandoned at random moments, and another tenth malformed.
// WORKER_SOAK: number of requests (default 300).
import { once } from 'node:events'
import { Agent, request as httpRequest } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { tinyModel, user } from '../support/model.js'
import { Served } from '../support/serve.js'
import { parseEvents, send } from '../support/worker.js'

const REQUESTS = Number(process.env.WORKER_SOAK ?? 300)
const CLIENTS = 64

const pick = <T>(values: readonly T[]): T => values[Math.floor(Math.random() * values.length)] as T
const upTo = (limit: number) => Math.floor(Math.random() * limit)

const PATHS = ['/chat', '/enhance', '/generate', '/v1/chat/completions', '/render', '/tokenize'] as const

function goodRequest(): { path: string; body: Record<string, unknown> } {
  const path = pick(PATHS)
  const messages = [
    ...user('You help.'),
    ...user(`${pick(['Hello', 'Why?', 'é🎈'])} ${'word '.repeat(upTo(60))}`),
  ]
  if (path === '/tokenize') return { path, body: { text: messages[1]?.content } }
  if (path === '/render') return { path, body: { messages } }
  const more = path === '/v1/chat/completions' ? { model: 'tiny-Q8_0' } : {}
  return { path, body: { messages, max_tokens: 1 + upTo(12), stream: pick([true, false]), ...more } }
}

const MALFORMED: readonly (() => string | Buffer)[] = [
  () => '',
  () => '{"messages":[',
  () => '[]',
  () => '{"messages":[{"role":"user","content":"a","content":"b"}]}',
  () => '{"messages":[{"role":"user","content":"\\ud800"}],"max_tokens":1}',
  () => Buffer.from([0x7b, 0xff, 0x7d]),
  () => JSON.stringify({ messages: [] }),
  () => JSON.stringify({ messages: user('x'), max_tokens: -1 }),
  () => JSON.stringify({ messages: user('x'), unknown: 1, stream: true }),
  () => JSON.stringify({ messages: Array(2000).fill(user('x')[0]) }),
  () => `{"messages":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
  () => 'x'.repeat(5_000_000),
  () => JSON.stringify({ messages: user(' a'.repeat(5000)), stream: pick([true, false]) }),
]

type Outcome = 'answered' | 'refused' | 'abandoned' | 'malformed'

class Soak {
  readonly outcomes: Record<Outcome, number> = { answered: 0, refused: 0, abandoned: 0, malformed: 0 }
  readonly #url: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: CLIENTS })

  constructor(url: string) {
    this.#url = url
  }

  async run(requests: number): Promise<void> {
    let next = 0
    const client = async () => {
      while (next < requests) {
        const number = next++
        this.outcomes[await this.#request(number % 10)]++
      }
    }
    await Promise.all(Array.from({ length: CLIENTS }, client))
    this.#agent.destroy()
  }

  async #request(kind: number): Promise<Outcome> {
    const { path, body } = goodRequest()
    if (kind === 0) return this.#abandon(path, JSON.stringify({ ...body, max_tokens: 200 }))
    if (kind === 5) {
      const { status, text } = await this.#send(pick(PATHS.slice(0, 4)), pick(MALFORMED)())
      const { code, message } = JSON.parse(text).error
      expect(message).toEqual(expect.any(String))
      // Accept a full queue, which hides mistakes that only the template or the tokens show.
      const isRefused = status === 503 && code.toUpperCase() === 'QUEUE_FULL'
      expect([isRefused || (status >= 400 && status < 500), status, text]).toEqual([true, status, text])
      return 'malformed'
    }
    const { status, text, retryAfter } = await this.#send(path, JSON.stringify(body))
    if (status === 503) {
      expect([retryAfter, JSON.parse(text).error.code.toUpperCase()]).toEqual(['1', 'QUEUE_FULL'])
      return 'refused'
    }
    expect([status, text]).toEqual([200, text])
    if (body.stream !== true) expect(JSON.parse(text)).toEqual(expect.any(Object))
    else {
      const last = parseEvents(text).at(-1)
      expect(last?.name === 'done' || last?.data === '[DONE]').toBe(true)
    }
    return 'answered'
  }

  async #send(path: string, body: string | Buffer) {
    const request = this.#open(path, Buffer.byteLength(body))
    request.on('error', () => {}) // comes after the answer where the server does not read all of the body
    request.end(body)
    const [response] = await once(request, 'response')
    let text = ''
    for await (const chunk of response.setEncoding('utf8')) text += chunk
    return { status: response.statusCode as number, text, retryAfter: response.headers['retry-after'] }
  }

  /** Leaves at a random moment: while it sends, before the answer, or in the middle of the answer. */
  async #abandon(path: string, body: string): Promise<'abandoned'> {
    const request = this.#open(path, Buffer.byteLength(body))
    request.on('error', () => {})
    request.on('response', (response) => response.on('error', () => {}).resume())
    const sent = upTo(4) === 0 ? upTo(body.length) : body.length
    if (sent < body.length) request.write(body.slice(0, sent))
    else request.end(body)
    await sleep(upTo(300))
    request.destroy()
    return 'abandoned'
  }

  #open(path: string, length: number) {
    const headers = { 'content-type': 'application/json', 'content-length': length }
    return httpRequest(this.#url + path, { method: 'POST', agent: this.#agent, headers })
  }
}

test(`${REQUESTS} requests of ${CLIENTS} clients are answered or refused, and leave no memory behind`, {
  timeout: 120_000 + REQUESTS * 1000,
}, async () => {
  const load = [
    '--context-size',
    '1024',
    '--cache-size',
    '8192',
    '--max-sequences',
    '16',
    '--max-queue',
    '40',
  ]
  // Give it little room, so that garbage is collected soon.
  const heap = ['--max-old-space-size=96', '--max-semi-space-size=2']
  const served = await Served.start([tinyModel, ...load], {}, heap)
  try {
    /** Waits until no request is in progress; returns resident memory in MiB. */
    const idleMemory = async () => {
      for (;;) {
        const { queue } = (await send(`${served.url}/worker/info`)).body
        if (queue.running === 0 && queue.waiting === 0 && queue.used_cells === 0) break
        await sleep(20)
      }
      await sleep(500)
      const { text } = await send(`${served.url}/metrics`)
      return Number(/^process_resident_memory_bytes (\d+)$/m.exec(text)?.[1]) / 2 ** 20
    }
    await new Soak(served.url).run(Math.max(150, REQUESTS / 4)) // lets it allocate what it allocates only once
    const before = await idleMemory()
    const soak = new Soak(served.url)
    await soak.run(REQUESTS)
    const after = await idleMemory()
    if (process.env.WORKER_SOAK !== undefined)
      console.info(soak.outcomes, `${before.toFixed(0)} MiB before, ${after.toFixed(0)} MiB after`)
    const { answered, refused, abandoned, malformed } = soak.outcomes
    expect(answered + refused + abandoned + malformed).toBe(REQUESTS)
    expect([abandoned, malformed]).toEqual([REQUESTS / 10, REQUESTS / 10])
    expect(answered).toBeGreaterThan(REQUESTS / 4)
    expect(after).toBeLessThan(before + 32)
    const statuses = new Set(served.log.map(({ status }) => status).filter((status) => status !== undefined))
    expect([...statuses].filter((status) => Number(status) >= 500 && status !== 503)).toEqual([])
    served.process.kill('SIGTERM')
    expect(await served.ended()).toBe(0)
  } finally {
    await served.kill()
  }
})
