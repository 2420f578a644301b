// The worker of this library in a process of its own, driven over HTTP from this one.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { fileURLToPath } from 'node:url'
import { type Report, runTogether } from '../children/measure.js'
import type { BenchRequest, LoadOptions, RunResult } from '../protocol.js'
import { keepTrackOf } from './processes.js'

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** A worker in a process of its own, ready to serve. */
export interface RunningWorker {
  run(requests: readonly BenchRequest[]): Promise<RunResult>
  close(): Promise<void>
}

/** Starts `verbatim-llama serve`. @param flags such as `--supervise` */
export async function startWorker(
  options: LoadOptions,
  flags: readonly string[] = [],
): Promise<RunningWorker> {
  const { modelPath, threads, contextSize, cacheSize, maxSequences, gpuLayers } = options
  const named = {
    '--port': 0,
    '--threads': threads,
    '--context-size': contextSize,
    '--cache-size': cacheSize,
    '--max-sequences': maxSequences,
    '--gpu-layers': gpuLayers,
  }
  const args = [MAIN, 'serve', modelPath, ...Object.entries(named).flat().map(String), ...flags]
  const server = keepTrackOf(spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] }))
  let log = ''
  const port = await new Promise<number>((resolve, reject) => {
    server.stderr.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-5000)
      const url = /"url":"http:\/\/127\.0\.0\.1:(\d+)"/.exec(log)?.[1]
      if (url !== undefined && log.includes('"msg":"ready"')) resolve(Number(url))
    })
    server.once('exit', () => reject(new Error(`the worker ended before it was ready\n${log}`)))
  })
  return {
    run: (requests) => runTogether(requests, (request, arrived) => chat(port, request, arrived)),
    close: async () => {
      const ended = once(server, 'exit')
      server.kill('SIGKILL')
      await ended
    },
  }
}

interface Done {
  readonly usage: { readonly cached_tokens: number; readonly completion_tokens: number }
}

async function chat(port: number, request: BenchRequest, arrived: (tokens: number) => void): Promise<Report> {
  const { prompt, maxTokens, sampling, stream } = request
  if (!stream) throw new Error('only streams are measured')
  const body = JSON.stringify({
    messages: prompt.messages,
    max_tokens: maxTokens,
    ...(sampling === 'greedy' ? { temperature: 0 } : { temperature: 0.7, top_p: 0.9, seed: 1 }),
    ignore_end_of_sequence: true,
    stream: true,
  })
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  const sent = httpRequest({ host: '127.0.0.1', port, path: '/chat', method: 'POST', agent: false, headers })
  sent.end(body)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  let text = ''
  let done: Done | undefined
  for await (const chunk of response.setEncoding('utf8')) {
    const events = (text + chunk).split('\n\n')
    text = events.pop() ?? ''
    for (const event of events) {
      const [, name, data] = /^event: (\w+)\ndata: (.*)$/.exec(event) ?? []
      if (name === 'delta') arrived((JSON.parse(data ?? '') as { token_ids: number[] }).token_ids.length)
      else if (name === 'done') done = JSON.parse(data ?? '') as Done
      else throw new Error(`the worker: ${event}`)
    }
  }
  if (!done) throw new Error(`the worker answered with status ${response.statusCode}: ${text}`)
  return { cachedTokens: done.usage.cached_tokens, completionTokens: done.usage.completion_tokens }
}
