// `serve --supervise` while its worker is killed. WORKER_KILLS: kills in each state and with each signal (default 1).
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { until, user } from '../support/model.js'
import { isAlive, Served, smallModel } from '../support/serve.js'
import { type Answer, parseEvents, post, readEvents, send } from '../support/worker.js'

const KILLS = Number(process.env.WORKER_KILLS ?? 1)
const TIMEOUT = 60_000 * (1 + KILLS)
const messages = user('Hello')
/** Tokens of a run that does not end by itself. */
const long = { messages, max_tokens: 3500, temperature: 3, ignore_end_of_sequence: true }

const { modelArguments, removeTemplate } = smallModel()
afterAll(removeTemplate)

let served: Served
beforeEach(async () => {
  served = await Served.start([...modelArguments, '--supervise'])
})
afterEach(() => served.kill())

/** The id of the worker's process that became ready as number `count`. */
async function enginePid(count: number): Promise<number> {
  return (await served.line('the engine is ready', count)).pid as number
}

/** The children of a process. */
function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1]) === pid
      } catch {
        return false // it ended
      }
    })
    .map(Number)
}

/** Waits for a child of a process other than the given one. */
async function otherChild(parent: number, than: number): Promise<number> {
  for (;;) {
    const other = childrenOf(parent).find((pid) => pid !== than)
    if (other !== undefined) return other
    await sleep(1)
  }
}

/** Asks until the answer is 200; a 503 must have Retry-After, and any other status fails. */
async function untilAnswered(url: string, body: object = { messages, max_tokens: 2 }): Promise<Answer> {
  const deadline = performance.now() + 60_000
  for (;;) {
    const answer = await post(`${url}/chat`, body)
    if (answer.status === 200) return answer
    expect([answer.status, answer.body.error.code, answer.headers['retry-after']]).toEqual([
      503,
      'ENGINE_DOWN',
      expect.stringMatching(/^\d+$/),
    ])
    expect((await send(`${url}/health`)).status).toBe(200)
    if (performance.now() > deadline) throw new Error('no engine came back')
    await sleep(100)
  }
}

/** Waits until the worker evaluates `count` requests. */
async function untilRunning(count: number): Promise<void> {
  let running = -1
  while (running !== count) running = (await send(`${served.url}/worker/info`)).body.queue?.running
}

describe.each(['SIGKILL', 'SIGABRT'] as const)('an engine that ends with %s', (signal) => {
  test(
    'while it is idle is started anew',
    async () => {
      for (let kill = 1; kill <= KILLS; kill++) {
        process.kill(await enginePid(kill), signal)
        await served.line('the engine died', kill)
        const { body } = await untilAnswered(served.url)
        expect(body.usage.completion_tokens).toBe(2)
      }
      expect((await send(`${served.url}/metrics`)).text).toContain(
        `verbatim_llama_engine_restarts_total ${KILLS}\n`,
      )
    },
    TIMEOUT,
  )

  test(
    'while it streams ends streams with an error; what had sent nothing is answered',
    async () => {
      for (let kill = 1; kill <= KILLS; kill++) {
        const pid = await enginePid(kill)
        const streams = await Promise.all(
          ['/chat', '/v1/chat/completions'].map((path) =>
            fetch(served.url + path, {
              method: 'POST',
              headers: { 'content-type': 'application/json' },
              body: JSON.stringify({ ...long, stream: true, ...(path !== '/chat' && { model: 'small' }) }),
            }),
          ),
        )
        const nothingYet = post(`${served.url}/chat`, {
          messages,
          max_tokens: 80,
          temperature: 0,
          ignore_end_of_sequence: true,
        })
        await untilRunning(3)
        process.kill(pid, signal)
        const [own, openAi] = (await Promise.all(streams.map((answer) => answer.text()))).map(parseEvents)
        expect(own?.at(-1)).toMatchObject({ name: 'error', data: { error: { code: 'ENGINE_DOWN' } } })
        expect(own?.[0]?.name).toBe('delta')
        expect(openAi?.at(-1)).toMatchObject({ name: '', data: { error: { code: 'engine_down' } } })
        const answer = await nothingYet
        expect([answer.status, answer.body.usage?.completion_tokens]).toEqual([200, 80])
        await untilAnswered(served.url)
      }
    },
    TIMEOUT,
  )

  test(
    'while it starts is started anew',
    async () => {
      let ready = 1
      for (let kill = 1; kill <= KILLS; kill++) {
        const first = await enginePid(ready)
        process.kill(first, 'SIGKILL')
        const starting = await otherChild(served.process.pid as number, first)
        await sleep(Math.random() * 200)
        process.kill(starting, signal)
        const { status } = await untilAnswered(served.url)
        expect(status).toBe(200)
        ready = served.log.filter(({ msg }) => msg === 'the engine is ready').length
      }
    },
    TIMEOUT,
  )
})

test('a request that sees two engines die is given up, and the worker goes on', async () => {
  const answer = post(`${served.url}/chat`, long)
  for (const kill of [1, 2]) {
    const pid = await enginePid(kill)
    await untilRunning(1)
    process.kill(pid, 'SIGKILL')
  }
  expect([(await answer).status, (await answer).body.error.code]).toEqual([503, 'ENGINE_DOWN'])
  await untilAnswered(served.url)
})

test('a client that leaves cancels its run in the engine', async () => {
  const leaving = new AbortController()
  const answer = await fetch(`${served.url}/chat`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...long, stream: true }),
    signal: leaving.signal,
  })
  for await (const _ of readEvents(answer)) break
  leaving.abort()
  let metrics = ''
  while (!metrics.includes('verbatim_llama_failures_total{code="CLIENT_CLOSED"} 1'))
    metrics = (await send(`${served.url}/metrics`)).text
  expect(metrics).toContain('verbatim_llama_tokens_total{kind="completion"} 0\n') // it did not end by itself
  await untilRunning(0)
})

test('the words of an engine that are no lines of the log become some', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'report-'))
  const NODE_OPTIONS = `--report-on-signal --report-signal=SIGUSR2 --report-directory=${folder}`
  const talking = await Served.start([...modelArguments, '--supervise'], { NODE_OPTIONS })
  const { pid } = await talking.line('the engine is ready')
  process.kill(pid as number, 'SIGUSR2') // Node.js says on stderr that it writes a report
  const said = await talking.line('Node.js report completed')
  expect(said).toMatchObject({ from: 'the engine process', level: 50 })
  process.kill(pid as number, 'SIGABRT')
  await talking.line('the engine died')
  await talking.line('the engine is ready', 2)
  talking.process.kill('SIGTERM')
  expect(await talking.ended()).toBe(0)
  expect(talking.errors).toBe('')
  expect(talking.log.at(-1)).toMatchObject({ msg: 'stopped' })
  rmSync(folder, { recursive: true })
})

test('the engine does not outlive a supervisor that is killed', async () => {
  const pid = await enginePid(1)
  served.process.kill('SIGKILL')
  await until('it is gone', () => !isAlive(pid))
})

test('an engine that is told to end by others stays until its supervisor says so', async () => {
  const pid = await enginePid(1)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.kill(pid, signal)
  expect((await post(`${served.url}/chat`, { messages, max_tokens: 50 })).status).toBe(200)
  served.process.kill('SIGTERM')
  expect(await served.ended()).toBe(0)
  expect(isAlive(pid)).toBe(false)
  expect(served.log.some(({ msg }) => msg === 'the engine died')).toBe(false)
})

test('bodies over the limit, bad bodies and unknown paths are answered as without a supervisor', async () => {
  const large = await post(`${served.url}/chat`, ' '.repeat(5_000_000))
  expect([large.status, large.body.error.code]).toEqual([413, 'BODY_TOO_LARGE'])
  const headers = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }
  const chunked = await send(`${served.url}/chat`, { method: 'POST', headers, body: ' '.repeat(5_000_000) })
  expect([chunked.status, chunked.body.error.code]).toEqual([413, 'BODY_TOO_LARGE'])
  const bad = await post(`${served.url}/chat`, '{', { 'x-request-id': 'mine' })
  expect([bad.status, bad.body.error.code, bad.headers['x-request-id']]).toEqual([
    400,
    'INVALID_JSON',
    'mine',
  ])
  expect((await send(`${served.url}/nowhere`)).status).toBe(404)
  const unknown = await send(`${served.url}/v1?a=b`)
  expect([unknown.status, unknown.body.error.type]).toEqual([404, 'invalid_request_error'])
  for (const path of ['/health/', '/ready/', '/metrics/?a=b'])
    expect([path, (await send(served.url + path)).status]).toEqual([path, 200])
  expect((await send(`${served.url}/metrics/`)).text).toContain('verbatim_llama_engine_up 1')
  for (const path of ['/health', '/metrics']) {
    const wrong = await send(served.url + path, { method: 'DELETE' })
    expect([path, wrong.status, wrong.body.error.code]).toEqual([path, 405, 'METHOD_NOT_ALLOWED'])
  }
  const { text } = await send(`${served.url}/metrics`)
  expect(text).toContain('verbatim_llama_supervisor_failures_total{code="BODY_TOO_LARGE"} 2')
  expect(text).toContain('verbatim_llama_failures_total{code="INVALID_JSON"} 1')
  expect(served.log.filter(({ code }) => code === 'BODY_TOO_LARGE')).toHaveLength(2)
  expect((await send(`${served.url}/health`)).body).toEqual({ status: 'ok', engine: 'ready' })
})
