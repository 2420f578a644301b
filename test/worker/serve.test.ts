import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { spmModel, user } from '../support/model.js'
import { Served, smallModel } from '../support/serve.js'
import { parseEvents, post, readEvents, send } from '../support/worker.js'

const messages = user('Hello')
const long = { messages, max_tokens: 3500, temperature: 3, ignore_end_of_sequence: true }

const { modelArguments, removeTemplate } = smallModel()
afterAll(removeTemplate)

const running: Served[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((served) => served.kill()))
})
async function start(args: string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Served> {
  const served = await Served.start([...modelArguments, ...args], env)
  running.push(served)
  return served
}

const stream = (url: string, body: object) =>
  fetch(`${url}/chat`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, stream: true }),
  })

describe.each([[[]], [['--supervise']]])('serve %s', (supervise: string[]) => {
  test('answers, logs to stderr only, and ends with 0 at SIGTERM', async () => {
    const served = await start(supervise)
    expect(served.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect((await post(`${served.url}/chat`, { messages, max_tokens: 2 })).status).toBe(200)
    expect((await send(`${served.url}/ready`)).body).toEqual({ status: 'ready' })
    expect((await send(`${served.url}/metrics`)).text).toContain('process_resident_memory_bytes')
    served.process.kill('SIGTERM')
    expect(await served.ended()).toBe(0)
    expect(served.stdout).toBe('')
    expect(served.errors).toBe('')
    expect(served.log.at(-1)).toMatchObject({ msg: 'stopped' })
  })

  test('finishes what runs, takes nothing new, and waits for no idle connection', async () => {
    const served = await start(supervise)
    const { hostname, port } = new URL(served.url)
    // Open three connections: without a request, kept alive, and in the middle of a request's headers.
    const silent = connect(Number(port), hostname)
    const agent = new Agent({ keepAlive: true })
    const kept = httpRequest(`${served.url}/health`, { agent }).end()
    const [response] = await once(kept, 'response')
    response.resume()
    await once(response, 'end')
    const half = connect(Number(port), hostname, () => half.write('POST /chat HTTP/1.1\r\nhost: x\r\n'))
    for (const socket of [silent, half]) socket.on('error', () => {})

    const answer = await stream(served.url, { ...long, max_tokens: 300 })
    served.process.kill('SIGTERM')
    const events = []
    for await (const event of readEvents(answer)) events.push(event)
    expect(events.at(-1)).toMatchObject({ name: 'done', data: { usage: { completion_tokens: 300 } } })
    await expect(send(`${served.url}/health`)).rejects.toThrow('ECONNREFUSED')
    expect(await served.ended()).toBe(0)
    agent.destroy()
  })

  test('cancels after the deadline what still runs, and says so', async () => {
    const served = await start([...supervise, '--drain-seconds', '0'])
    const answers = [await stream(served.url, long), await stream(served.url, long)]
    const whole = post(`${served.url}/chat`, long)
    await new Promise((resolve) => setTimeout(resolve, 50)) // it runs, or it is refused
    served.process.kill('SIGTERM')
    for (const answer of answers) {
      const events = parseEvents(await answer.text())
      expect(events.at(-1)).toMatchObject({ name: 'error', data: { error: { code: 'DISPOSED' } } })
    }
    expect((await whole).status).toBe(503)
    expect(await served.ended()).toBe(0)
    expect(served.log.map(({ msg }) => msg)).toContain('what still runs is cancelled')
  })

  test('ends with 0 while it loads', async () => {
    const served = new Served([...modelArguments, '--port', '0', ...supervise])
    running.push(served)
    await served.line('listening')
    served.process.kill('SIGINT')
    expect(await served.ended()).toBe(0)
  })

  test('takes API keys from the environment and from a file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'keys-'))
    writeFileSync(join(folder, 'keys'), 'from-file\n\nanother\n')
    const args = [...supervise, '--api-key-file', join(folder, 'keys'), '--host', '0.0.0.0']
    const { url } = await start(args, { VERBATIM_LLAMA_API_KEY: 'from-environment' })
    rmSync(folder, { recursive: true })
    const local = url.replace('0.0.0.0', '127.0.0.1')
    const status = async (key: string) =>
      (await send(`${local}/worker/info`, { headers: { authorization: `Bearer ${key}` } })).status
    for (const key of ['from-file', 'another', 'from-environment']) expect(await status(key)).toBe(200)
    for (const key of ['', 'other']) expect(await status(key)).toBe(401)
    expect((await send(`${local}/ready`)).status).toBe(200)
    expect((await post(`${local}/chat`, { messages })).status).toBe(401)
  })

  test('says on one line why it cannot start', async () => {
    const outcome = async (...args: string[]) => {
      const served = new Served([...args, ...supervise, '--port', '0'])
      running.push(served)
      expect([args, await served.ended()]).toEqual([args, 1])
      return served.errors
    }
    const [missing, wrong, ...open] = await Promise.all([
      outcome('/nowhere/model.gguf'),
      outcome(spmModel, '--kv-cache-type', 'f8'),
      ...['0.0.0.0', '::', '192.168.1.1', 'example.com'].map((host) => outcome(spmModel, '--host', host)),
    ])
    expect(missing).toMatch(/^verbatim-llama: MODEL_NOT_FOUND: [^\n]+\n$/)
    expect(wrong).toMatch(/^verbatim-llama: INVALID_OPTION: [^\n]+\n$/)
    for (const error of open)
      expect(error).toMatch(/^verbatim-llama: Without an API key only this machine may reach the worker/)
  })
})

test('what the command line cannot mean is refused', async () => {
  const wrong = [['--port', '70000'], ['--port', '1e3'], ['--threads', 'many'], ['--unknown'], []]
  const refuse = async (args: string[]) => {
    const served = new Served(args.length === 0 ? [] : [spmModel, ...args])
    expect([args, await served.ended()]).toEqual([args, 1])
    expect(served.errors).toMatch(/^error: /)
  }
  await Promise.all(wrong.map(refuse))
})
