// llama-server, driven over HTTP from this process.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Report, runTogether } from '../children/measure.js'
import type { BenchRequest } from '../protocol.js'
import { type Contender, LABELS, type Running } from './contender.js'
import { llamaCppVersion, program } from './llama-cpp.js'
import { keepTrackOf } from './processes.js'

interface Timings {
  readonly cache_n: number
  readonly prompt_ms: number
  readonly predicted_n: number
  readonly predicted_per_token_ms: number
}

interface Chunk {
  readonly tokens?: readonly number[]
  readonly stop?: boolean
  readonly tokens_predicted?: number
  readonly timings?: Timings
  readonly error?: { readonly message: string }
}

/** The server of llama.cpp, with as many slots as this library has sequences, all in one cache. */
export const llamaServer: Contender = {
  id: 'llama-server',
  label: LABELS['llama-server'],
  async start({ modelPath, threads, cacheSize, sequences, gpuLayers }): Promise<Running> {
    const port = await freePort()
    const begin = performance.now()
    const options = {
      '--model': modelPath,
      '--host': '127.0.0.1',
      '--port': port,
      '--ctx-size': cacheSize,
      '--parallel': sequences,
      '--batch-size': 2048,
      '--ubatch-size': 512,
      '--threads': threads,
      '--threads-batch': threads,
      '--n-gpu-layers': gpuLayers,
      '--fit': 'off',
      // Keep it from copying the cells of idle slots to host memory, and clearing them, when a new task comes.
      '--cache-ram': 0,
    }
    const device = gpuLayers === 0 ? ['--device', 'none'] : []
    const args = [...Object.entries(options).flat().map(String), ...device, '--kv-unified', '--no-ui']
    const server = keepTrackOf(spawn(program('llama-server'), args, { stdio: ['ignore', 'ignore', 'pipe'] }))
    let output = ''
    server.stderr.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-2000)
    })
    const close = async () => {
      if (server.exitCode !== null || server.signalCode !== null) return
      const ended = once(server, 'exit')
      server.kill('SIGKILL')
      await ended
    }
    while (!(await isHealthy(port))) {
      if (server.exitCode !== null || server.signalCode !== null)
        throw new Error(`llama-server ended before it was ready\n${output}`)
      await sleep(5)
    }
    const startMs = performance.now() - begin
    return {
      pid: server.pid ?? 0,
      startMs,
      loaded: { loadMs: startMs, version: llamaCppVersion(), llamaCpp: llamaCppVersion() },
      run: (requests) =>
        runTogether(requests, (request, arrived, signal) => complete(port, request, arrived, signal)),
      close,
    }
  },
}

async function complete(
  port: number,
  { prompt, maxTokens, sampling, stream }: BenchRequest,
  arrived: (tokens: number) => void,
  signal: AbortSignal,
): Promise<Report> {
  const body = JSON.stringify({
    prompt: prompt.tokenIds,
    n_predict: maxTokens,
    ignore_eos: true,
    cache_prompt: true,
    stream,
    return_tokens: true,
    repeat_penalty: 1,
    min_p: 0,
    ...(sampling === 'greedy'
      ? { temperature: 0, top_k: 1, top_p: 1 }
      : { temperature: 0.7, top_k: 0, top_p: 0.9, seed: 1 }),
  })
  let completionTokens = 0
  try {
    const response = await post(port, body, signal)
    let last: Chunk = {}
    if (stream)
      for await (const chunk of serverSentEvents(response)) {
        if (chunk.error) throw new Error(chunk.error.message)
        completionTokens += chunk.tokens?.length ?? 0
        if (!chunk.stop) arrived(chunk.tokens?.length ?? 0)
        last = chunk
      }
    else last = JSON.parse(await readAll(response)) as Chunk
    const { timings, tokens_predicted, error } = last
    if (!timings || tokens_predicted === undefined)
      throw new Error(`llama-server: ${error?.message ?? 'no result'}`)
    return {
      cachedTokens: timings.cache_n,
      completionTokens: tokens_predicted,
      perTokenMs: timings.predicted_per_token_ms,
      prefillMs: timings.prompt_ms,
    }
  } catch (error) {
    if (signal.aborted) return { cachedTokens: null, completionTokens }
    throw error
  }
}

function post(port: number, body: string, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    // Use no agent: the server may close a kept connection between two rounds.
    const options = {
      host: '127.0.0.1',
      port,
      path: '/completion',
      method: 'POST',
      agent: false,
      signal,
      headers,
    } as const
    httpRequest(options, resolve).on('error', reject).end(body)
  })
}

async function readAll(response: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk
  return text
}

async function* serverSentEvents(response: IncomingMessage): AsyncGenerator<Chunk> {
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) {
    const events = (text + chunk).split('\n\n')
    text = events.pop() ?? ''
    for (const event of events) {
      const data = /^data: (\{.*)$/m.exec(event)?.[1]
      if (data !== undefined) yield JSON.parse(data) as Chunk
    }
  }
}

async function isHealthy(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/health`)).ok
  } catch {
    return false // it does not listen yet
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}
