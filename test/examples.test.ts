import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { loadModel, type Model } from 'verbatim-llama'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createApp as createExpressApp } from '../examples/express-server.js'
import { createApp as createFastifyApp } from '../examples/fastify-server.js'
import { tinyModel, until } from './support/model.js'

const messages = [{ role: 'user', content: 'Hello' }]

let model: Model
beforeAll(async () => {
  model = await loadModel(tinyModel, { contextSize: 512, cacheSize: 4096, threads: 1 })
})
afterAll(() => model.dispose())

/** Functions that start a server of each example on a free port of the loopback interface. */
const frameworks: Record<string, () => Promise<{ port: number; close: () => Promise<unknown> }>> = {
  express: async () => {
    const server: Server = createServer(createExpressApp(model))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return {
      port: (server.address() as AddressInfo).port,
      close: () => {
        server.closeAllConnections()
        return new Promise((resolve) => server.close(resolve))
      },
    }
  },
  fastify: async () => {
    const app = createFastifyApp(model)
    await app.listen({ port: 0, host: '127.0.0.1' })
    return { port: (app.server.address() as AddressInfo).port, close: () => app.close() }
  },
}

describe.each(Object.keys(frameworks))('the %s server', (name) => {
  let server: Awaited<ReturnType<(typeof frameworks)[string]>>
  let url: string
  beforeAll(async () => {
    server = await (frameworks[name] as (typeof frameworks)[string])()
    url = `http://127.0.0.1:${server.port}/chat`
  })
  afterAll(() => server.close())

  const post = (body: unknown, signal?: AbortSignal) =>
    fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      ...(signal && { signal }),
    })

  /** The events of a stream as they come. */
  async function* events(response: Response): AsyncGenerator<Record<string, unknown>> {
    let rest = ''
    const decoder = new TextDecoder()
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n\n')
      rest = lines.pop() as string
      for (const line of lines) yield JSON.parse(line.replace(/^data: /, ''))
    }
    expect(rest).toBe('')
  }

  test('answers with a result', async () => {
    const response = await post({ messages, max_tokens: 5, temperature: 0 })
    expect(response.status).toBe(200)
    const result = (await response.json()) as Record<string, unknown>
    expect(result).toMatchObject({ text: expect.any(String), usage: { promptTokens: expect.any(Number) } })
    expect((result.tokenIds as number[]).length).toBeLessThanOrEqual(5)
  })

  test('goes on with nine streams when the client of a tenth leaves', async () => {
    const leaving = new AbortController()
    const stream = async (signal?: AbortSignal) => {
      const response = await post({ messages, max_tokens: 60, temperature: 2, stream: true }, signal)
      expect(response.headers.get('content-type')).toMatch('text/event-stream')
      let text = ''
      for await (const event of events(response)) {
        if (signal) leaving.abort()
        if (event.finishReason !== undefined) return event
        text += event.text
      }
      throw new Error(`a stream ended after ${text.length} characters without its last event`)
    }
    const others = Array.from({ length: 9 }, () => stream())
    await expect(stream(leaving.signal)).rejects.toThrow('aborted')
    for (const last of await Promise.all(others))
      expect(last).toMatchObject({ finishReason: expect.stringMatching(/^(length|stop)$/) })
    await until('nothing runs', () => model.status.running === 0 && model.status.waiting === 0)
    const after = await post({ messages, max_tokens: 1 })
    expect(after.status).toBe(200)
    await after.json()
  })

  test.each([true, false])('cancels a run at once when its client leaves (stream: %s)', async (stream) => {
    const generate = vi.spyOn(model, 'generateInference')
    onTestFinished(() => generate.mockRestore())
    const leaving = new AbortController()
    // Ask for 400 tokens, all of which would be generated.
    const answer = post({ messages, max_tokens: 400, temperature: 5, stream }, leaving.signal)
    answer.catch(() => {})
    await until('it runs', () => model.status.running === 1)
    leaving.abort()
    await until('it is cancelled', () => model.status.running === 0)
    // It did not end by itself: its signal or the end of its stream comes first, whichever Node tells first.
    await expect(generate.mock.results[0]?.value).rejects.toMatchObject({
      name: expect.stringMatching(/^(AbortError|CancelledError)$/),
    })
    await expect(answer.then((response) => response.text())).rejects.toThrow('aborted')
  })

  test('waits for a client that does not read', async () => {
    // The tokens fit into the buffers of a loopback connection: require that nothing is lost.
    const text = await new Promise<string>((resolve, reject) => {
      const slow = request(
        url,
        { method: 'POST', headers: { 'content-type': 'application/json' } },
        (response) => {
          response.pause()
          setTimeout(async () => resolve((await response.setEncoding('utf8').toArray()).join('')), 200)
        },
      )
      slow.on('error', reject)
      slow.end(JSON.stringify({ messages, max_tokens: 100, stream: true }))
    })
    expect(text).toMatch(/"finishReason":"(length|stop)".*\n\n$/)
  })

  test('takes null for what is optional, a slash at the end of the path, and JSON with a parameter', async () => {
    const nulls = await post({ messages, max_tokens: null, temperature: null, stream: null })
    expect([nulls.status, await nulls.json()]).toEqual([
      200,
      expect.objectContaining({ text: expect.any(String) }),
    ])
    const same = await fetch(`${url}/?a=b`, {
      method: 'POST',
      headers: { 'content-type': 'application/json; charset=utf-8; foo=bar' },
      body: JSON.stringify({ messages, max_tokens: 1 }),
    })
    expect(same.status).toBe(200)
    await same.json()
  })

  test.each([
    [400, 'INVALID_MESSAGES', { messages: null }],
    [400, 'INVALID_MESSAGES', { messages: [] }],
    [400, 'INVALID_MESSAGES', { messages: [{ content: 'no role' }] }],
    [400, 'INVALID_MESSAGES', {}],
    [400, 'INVALID_OPTION', { messages, max_tokens: 'many' }],
    [400, 'INVALID_OPTION', { messages, temperature: -1, stream: true }],
    [400, 'BAD_REQUEST', '{ "messages": ['],
    [413, 'CONTEXT_OVERFLOW', { messages: [{ role: 'user', content: ' a'.repeat(600) }] }],
    [413, 'CONTEXT_OVERFLOW', { messages: [{ role: 'user', content: ' a'.repeat(600) }], stream: true }],
  ])('answers with %s and %s', async (status, code, body) => {
    const response = await post(body)
    expect(response.status).toBe(status)
    expect(await response.json()).toEqual({ error: { code, message: expect.any(String) } })
  })
})
