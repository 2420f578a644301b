// Clients that leave, that do not read, and that are slow to say what they want.
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { loadModel, type Model } from 'verbatim-llama'
import { createWorker, type WorkerOptions } from 'verbatim-llama/worker'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NodeServer } from '#lib/worker/node-server.js'
import { tinyModel, until, user } from '../support/model.js'
import { type RunningWorker, readEvents, send, useWorker } from '../support/worker.js'

const messages = user('Hello')
const idle = () => model.status.running === 0 && model.status.waiting === 0

let model: Model
beforeAll(async () => {
  model = await loadModel(tinyModel, { contextSize: 1024, cacheSize: 8192, threads: 1 })
})
afterAll(() => model.dispose())

const withWorker = (options: Omit<WorkerOptions, 'model'>, use: (worker: RunningWorker) => Promise<void>) =>
  useWorker({ model, ...options }, use)

describe('a client that leaves', () => {
  // Ask for as many tokens as fit, all of which would be generated.
  const long = { messages, max_tokens: 900, temperature: 3, ignore_end_of_sequence: true }

  test.each(['/chat', '/v1/chat/completions'])('cancels its run at once: %s', (path) =>
    withWorker({}, async ({ url }) => {
      for (const stream of [false, true]) {
        const leaving = new AbortController()
        const body = JSON.stringify({ ...long, stream, ...(path !== '/chat' && { model: 'tiny-Q8_0' }) })
        const answer = fetch(url + path, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
          signal: leaving.signal,
        })
        answer.catch(() => {})
        if (stream) expect((await answer).status).toBe(200)
        else await until('it runs', () => model.status.running === 1)
        leaving.abort()
        await until('it is cancelled', idle)
        await expect(answer.then((response) => response.text())).rejects.toThrow('aborted')
      }
      const { text } = await send(`${url}/metrics`)
      expect(text).toContain('verbatim_llama_failures_total{code="CLIENT_CLOSED"} 2')
      expect(text).toContain('verbatim_llama_tokens_total{kind="completion"} 0')
    }),
  )

  test('in the middle of its body starts nothing', () =>
    withWorker({}, async ({ url }) => {
      const request = httpRequest(`${url}/chat`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': 10_000 },
      })
      request.on('error', () => {})
      request.write('{"messages":')
      await new Promise((resolve) => setTimeout(resolve, 50))
      request.destroy()
      let text = ''
      while (!text.includes('requests_total{endpoint="/chat"')) text = (await send(`${url}/metrics`)).text
      expect(text).toContain('requests_total{endpoint="/chat",status="499"} 1')
      expect(idle()).toBe(true)
    }))
})

describe('a client that does not read', () => {
  test('is cut off, and its run is cancelled', async () => {
    const worker = createWorker({ model, slowReaderMs: 100 })
    const body = { messages, max_tokens: 900, temperature: 3, ignore_end_of_sequence: true, stream: true }
    // Use no connection, whose buffers could take all of the answer.
    const response = await worker.request('/chat', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    const reader = response.body?.getReader()
    expect((await reader?.read())?.done).toBe(false)
    await until('it is cancelled', idle)
    await expect(
      (async () => {
        while (!(await reader?.read())?.done);
      })(),
    ).rejects.toThrow('too slow')
    const metrics = await (await worker.request('/metrics')).text()
    expect(metrics).toContain('failures_total{code="SLOW_READER"} 1')
    expect(metrics).toContain('tokens_total{kind="completion"} 0')
  })

  test('loses its connection when all of the answer has been written', () =>
    withWorker({ slowReaderMs: 300, maxBodyBytes: 2 ** 23 }, async ({ url }) => {
      const request = httpRequest(`${url}/render`, {
        method: 'POST',
        agent: false,
        headers: { 'content-type': 'application/json' },
      })
      // Ask for an answer larger than the buffers of a connection.
      request.end(JSON.stringify({ messages: user(' a'.repeat(1_500_000)) }))
      const [response] = await once(request, 'response')
      response.socket.pause()
      await new Promise((resolve) => setTimeout(resolve, 2500))
      response.socket.resume()
      response.resume()
      const [error] = await once(response, 'error')
      expect(error.code).toBe('ECONNRESET')
    }))

  test('for less long gets everything', () =>
    withWorker({ slowReaderMs: 20_000 }, async ({ url }) => {
      const response = await fetch(`${url}/chat`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          messages,
          max_tokens: 300,
          temperature: 3,
          ignore_end_of_sequence: true,
          logprobs: 5,
          stream: true,
        }),
      })
      await until('it has been generated', idle)
      let tokens = 0
      for await (const { name, data } of readEvents(response))
        if (name === 'delta') tokens += data.token_ids.length
        else expect([name, data.usage.completion_tokens]).toEqual(['done', 300])
      expect(tokens).toBe(300)
    }))
})

test('a client that sends its headers, or its body, too slowly is answered with 408', async () => {
  const timeouts = { headersTimeout: 100, requestTimeout: 200, connectionsCheckingInterval: 20 }
  const worker = createWorker({ model })
  const server = new NodeServer(
    getRequestListener(worker.fetch, { overrideGlobalObjects: false }),
    1000,
    timeouts,
  )
  const port = (await server.listen({ host: '127.0.0.1', port: 0 })) as number
  const head = 'POST /chat HTTP/1.1\r\nhost: x\r\n'
  for (const sent of [head, `${head}content-type: application/json\r\ncontent-length: 9\r\n\r\n{`]) {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.setEncoding('utf8').on('data', (chunk) => {
      text += chunk
    })
    socket.write(sent)
    await once(socket, 'close')
    expect(text).toMatch(/^HTTP\/1\.1 408 /)
  }
  expect(idle()).toBe(true)
  server.stopAccepting()
  server.closeConnections()
})
