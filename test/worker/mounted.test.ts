import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { loadModel, type Model } from 'verbatim-llama'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createApp as createExpressApp } from '../../examples/worker-express.js'
import { createApp as createFastifyApp } from '../../examples/worker-fastify.js'
import { createApp as createHonoApp } from '../../examples/worker-hono.js'
import { tinyModel, until, user } from '../support/model.js'
import { parseEvents, post, readEvents, send } from '../support/worker.js'

const messages = user('Hello')

let model: Model
beforeAll(async () => {
  model = await loadModel(tinyModel, { contextSize: 1024, cacheSize: 8192, threads: 1 })
})
afterAll(() => model.dispose())

async function listen(server: Server) {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

const frameworks: Record<string, () => Promise<{ port: number; close: () => Promise<unknown> }>> = {
  express: () => listen(createServer(createExpressApp(model))),
  hono: () => listen(createServer(getRequestListener(createHonoApp(model).fetch))),
  fastify: async () => {
    const app = createFastifyApp(model)
    await app.listen({ port: 0, host: '127.0.0.1' })
    return { port: (app.server.address() as AddressInfo).port, close: () => app.close() }
  },
}

describe.each(Object.keys(frameworks))('a worker under a path of an app of %s', (name) => {
  let server: Awaited<ReturnType<(typeof frameworks)[string]>>
  let url: string
  beforeAll(async () => {
    server = await (frameworks[name] as (typeof frameworks)[string])()
    url = `http://127.0.0.1:${server.port}/llm`
  })
  afterAll(() => server.close())

  test('answers there, and leaves other paths to the app', async () => {
    const { status, body } = await post(`${url}/chat`, { messages, max_tokens: 3 })
    expect([status, body.usage.completion_tokens]).toEqual([200, 3])
    for (const path of ['/worker/info', '/worker/info/'])
      expect((await send(url + path)).body.model).toBe('tiny-Q8_0')
    expect((await send(`${url}/v1/models/tiny-Q8_0/`)).body.id).toBe('tiny-Q8_0')
    expect((await send(`${url}/v1/nowhere`)).body.error).toMatchObject({ code: 'not_found', param: null })
    expect((await send(`${url}/../`)).text).toBe('The worker is under /llm.')
  })

  test('streams piece by piece', async () => {
    const response = await fetch(`${url}/generate`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        messages,
        max_tokens: 100,
        temperature: 3,
        ignore_end_of_sequence: true,
        stream: true,
      }),
    })
    let wasRunning = false
    const names = new Set<string>()
    for await (const { name } of readEvents(response)) {
      wasRunning ||= model.status.running === 1
      names.add(name)
    }
    expect(wasRunning).toBe(true)
    expect([...names]).toEqual(['delta', 'done'])
    expect(
      parseEvents(
        (
          await post(`${url}/v1/chat/completions`, {
            model: 'tiny-Q8_0',
            messages,
            max_tokens: 1,
            stream: true,
          })
        ).text,
      ).at(-1)?.data,
    ).toBe('[DONE]')
  })

  test('answers with its own errors', async () => {
    for (const [path, body, code] of [
      ['/chat', '{"messages":[{"role":"user","role":"user"}]}', 'INVALID_JSON'],
      ['/chat', { messages, max_token: 1 }, 'INVALID_OPTION'],
      ['/chat', { messages: user(' a'.repeat(2000)), stream: true }, 'CONTEXT_OVERFLOW'],
    ] as const)
      expect((await post(url + path, body)).body.error.code).toBe(code)
  })

  test.each([true, false])('cancels the run of a client that leaves (stream: %s)', async (stream) => {
    const counted = async (what: string) => {
      const { text } = await send(`${url}/metrics`)
      const line = text.split('\n').find((each) => each.startsWith(`verbatim_llama_${what} `))
      return Number(line?.split(' ')[1] ?? 0)
    }
    const left = await counted('failures_total{code="CLIENT_CLOSED"}')
    const tokens = await counted('tokens_total{kind="completion"}')
    const leaving = new AbortController()
    const answer = fetch(`${url}/chat`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        messages,
        max_tokens: 900,
        temperature: 3,
        ignore_end_of_sequence: true,
        stream,
      }),
      signal: leaving.signal,
    })
    answer.catch(() => {})
    await until('it runs', () => model.status.running === 1)
    leaving.abort()
    await until('it is cancelled', () => model.status.running === 0)
    await expect(answer.then((response) => response.text())).rejects.toThrow('aborted')
    while ((await counted('failures_total{code="CLIENT_CLOSED"}')) === left);
    expect(await counted('tokens_total{kind="completion"}')).toBe(tokens) // it did not end by itself
  })
})
