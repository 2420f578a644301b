// Measures how long the calls and callbacks of the addon hold the JavaScript thread. The goal is at most 5 ms, for
// messages of up to 1 MB. Writes a table to stdout and all figures to bench/results/event-loop.json.
//
//   npm run bench:event-loop
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { arch, cpus, loadavg, platform, totalmem } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { generateInference, loadModel, type Model, VerbatimError } from 'verbatim-llama'
import { loadAddon } from '#lib/addon.js'
import { makeModel } from '../scripts/make-model.js'
import { messageCases } from './event-loop/messages.js'
import { type Held, instrument, Meter } from './event-loop/meter.js'

const GOAL_MS = 5
const ROUNDS = 3
const results = new URL('results/event-loop.json', import.meta.url)

const entries = new Meter() // every call into the addon, and back
const calls = new Meter() // the public functions, until they return
const deliveries = new Meter() // the longest native delivery of each operation, by the clock
const turns = new Meter() // the longest turn of the event loop in each operation

const addon = loadAddon()
instrument(addon, entries)

const { path } = await makeModel({ shape: 'tiny', context: 32768 })
const model = await whole('loadModel', () =>
  calls.time('loadModel', () =>
    loadModel(path, { contextSize: 32768, threads: 1, onProgress: () => {}, onLog: () => {} }),
  ),
)
await measureMessages(model)
await measureOutputs(model)
await measureModels()
const delays = await measureDelays(model)
await whole('dispose', () => calls.time('dispose', () => model.dispose()))
report()

/** Measures everything on the thread during one operation. */
async function whole<T>(name: string, work: () => PromiseLike<T>): Promise<T> {
  addon.deliveryStatistics()
  const result = await turns.longestTurn(name, work)
  deliveries.add(name, addon.deliveryStatistics().longestMs)
  return result
}

/** Waits for an operation that may fail, such as with ContextOverflowError: failures are measured too. */
async function settled(work: PromiseLike<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!(error instanceof VerbatimError)) throw error
  }
}

async function measureMessages(model: Model): Promise<void> {
  for (const { name, messages, text } of messageCases())
    for (let round = 0; round < ROUNDS; round++) {
      const options = { model, maxTokens: 1 }
      await whole(`generateInference, ${name}`, () => {
        const run = calls.time(`generateInference, ${name}`, () => generateInference(messages, options))
        // Measure the preparation of a prompt only: evaluating a long one would take a while.
        return settled(text.length > 2e4 ? cancelSoon(run) : run)
      })
      await whole(`renderPrompt, ${name}`, () =>
        settled(calls.time(`renderPrompt, ${name}`, () => model.renderPrompt(messages))),
      )
      const tokens = await whole(`tokenize, ${name}`, () =>
        calls.time(`tokenize, ${name}`, () => model.tokenize(text)),
      )
      await whole(`detokenize, ${name}`, () =>
        calls.time(`detokenize, ${name}`, () => model.detokenize(tokens)),
      )
    }
}

async function cancelSoon(run: ReturnType<typeof generateInference>): Promise<unknown> {
  const timer = setInterval(() => {
    if (model.status.running > 0) calls.time('cancel', () => run.cancel())
  }, 1)
  return run.result.finally(() => clearInterval(timer))
}

/** Long outputs: read as they come, all at once at the end, or not at all. */
async function measureOutputs(model: Model): Promise<void> {
  const messages = [{ role: 'user', content: 'Go on and on.' }]
  const base = { model, ignoreEndOfSequence: true, seed: 1 }
  for (const [name, options] of [
    ['512 tokens', { ...base, maxTokens: 512 }],
    ['512 tokens with 20 logprobs each', { ...base, maxTokens: 512, logprobs: 20 }],
    ['2,000 tokens', { ...base, maxTokens: 2000 }],
    ['2,000 tokens with 20 logprobs each', { ...base, maxTokens: 2000, logprobs: 20 }],
  ] as const) {
    await whole(`iterated, ${name}`, async () => {
      const iterator = generateInference(messages, options)[Symbol.asyncIterator]()
      while (!(await calls.time(`next(), ${name}`, () => iterator.next())).done);
    })
    await whole(`awaited, ${name}`, () => generateInference(messages, options))
    await whole(`iterated after the end, ${name}`, async () => {
      const run = generateInference(messages, options)
      await run
      for await (const _ of run);
    })
  }
}

/** Models that come and go, one of them without dispose(): then the garbage collector's finalizers hold the thread. */
async function measureModels(): Promise<void> {
  for (let round = 0; round < 3; round++)
    await whole('loadModel, onProgress, onLog, dispose', async () => {
      const other = await calls.time('loadModel', () =>
        loadModel(path, { threads: 1, onProgress: () => {}, onLog: () => {} }),
      )
      await calls.time('dispose', () => other.dispose())
    })
}

/** The event loop's delay as Node.js samples it: idle, with a busy machine, and with the engine at work. */
async function measureDelays(model: Model) {
  const sample = async (work: () => Promise<unknown>) => {
    const histogram = monitorEventLoopDelay({ resolution: 1 })
    histogram.enable()
    await work()
    histogram.disable()
    const ms = (nanoseconds: number) => nanoseconds / 1e6
    return {
      medianMs: ms(histogram.percentile(50)),
      p99Ms: ms(histogram.percentile(99)),
      maxMs: ms(histogram.max),
    }
  }
  const streams = async () => {
    const until = performance.now() + 5000
    const stream = async () => {
      while (performance.now() < until)
        for await (const _ of generateInference([{ role: 'user', content: 'Hello' }], {
          model,
          maxTokens: 256,
        }));
    }
    await Promise.all(Array.from({ length: 8 }, stream))
  }
  const busy = async () => {
    const child = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' })
    await sleep(5000)
    child.kill()
  }
  return {
    'nothing happens': await sample(() => sleep(5000)),
    'another process computes on one core': await sample(busy),
    'the engine computes on one core, 8 streams': await sample(streams),
  }
}

function report(): void {
  const print = (line: string) => process.stdout.write(`${line}\n`)
  const cell = (held: Held | undefined) =>
    held ? `${held.median.toFixed(2)} / ${held.longest.toFixed(2)}` : ''
  const measured = {
    calls: calls.measured,
    deliveries: deliveries.measured,
    turns: turns.measured,
    entries: entries.measured,
  }
  print('Median / longest in ms, without the time that other processes had the core of the JavaScript thread')
  print(
    '(deliveries: by the clock). A turn of the event loop holds all that happens there, this benchmark too.\n',
  )
  print('| operation | times | the call | its first time | a native delivery | the longest turn |')
  print('| --- | ---: | ---: | ---: | ---: | ---: |')
  for (const [name, turn] of Object.entries(measured.turns)) {
    const call = measured.calls[name] ?? measured.calls[name.replace('iterated', 'next()')]
    print(
      `| ${name} | ${turn.count} | ${cell(call)} | ${call?.first.toFixed(2) ?? ''} | ` +
        `${cell(measured.deliveries[name])} | ${cell(turn)} |`,
    )
  }
  print('\n| call into (→) or from (←) the addon | times | median / longest |\n| --- | ---: | ---: |')
  for (const [name, held] of Object.entries(measured.entries))
    print(`| ${name} | ${held.count} | ${cell(held)} |`)
  print(
    '\n| event loop delay (monitorEventLoopDelay) | median | 99 % | longest |\n| --- | ---: | ---: | ---: |',
  )
  for (const [name, { medianMs, p99Ms, maxMs }] of Object.entries(delays))
    print(`| ${name} | ${medianMs.toFixed(2)} | ${p99Ms.toFixed(2)} | ${maxMs.toFixed(2)} |`)
  for (const statistic of ['median', 'longest'] as const) {
    const slow = Object.entries({ ...measured.calls, ...measured.entries })
      .filter(([, held]) => held[statistic] > GOAL_MS)
      .map(([name, held]) => `${name} (${held[statistic].toFixed(1)})`)
    print(`\nCalls with a ${statistic} of more than ${GOAL_MS} ms: ${slow.join('; ') || 'none'}.`)
  }

  const machine = {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${platform()}-${arch()}`,
    node: process.version,
    loadAverage: loadavg().map((load) => Math.round(load * 10) / 10),
  }
  mkdirSync(new URL('.', results), { recursive: true })
  const json = { machine, date: new Date().toISOString().slice(0, 10), goalMs: GOAL_MS, ...measured, delays }
  writeFileSync(results, `${JSON.stringify(json, undefined, 2)}\n`)
}
