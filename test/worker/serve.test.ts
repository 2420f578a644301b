import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { extendModel } from '../support/gguf-patch.js'
import { spmModel, user } from '../support/model.js'
import { type LogLine, MAIN, Served, smallModel } from '../support/serve.js'
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
    writeFileSync(join(folder, 'keys'), '# of the team\nfrom-file\n\nanother\n')
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
      expect([args, served.errors]).toEqual([args, ''])
      const { level, code, msg } = served.log[0] as LogLine
      expect([args, level, served.log.map((line) => line.msg)]).toEqual([args, 60, [msg]])
      return { code, msg }
    }
    const folder = mkdtempSync(join(tmpdir(), 'template-'))
    const broken = join(folder, 'broken.jinja')
    writeFileSync(broken, '{% if %}')
    const damaged = join(folder, 'damaged.gguf')
    writeFileSync(damaged, readFileSync(spmModel).subarray(0, -1))
    const [missing, wrong, tooLong, template, unnamed, ...others] = await Promise.all([
      outcome('/nowhere/model.gguf'),
      outcome(spmModel, '--kv-cache-type', 'f8'),
      outcome(spmModel, '--context-size', '10000000', '--log-level', 'silent'),
      outcome(spmModel, '--chat-template', 'tool_use'),
      outcome(spmModel, '--model-id', ''),
      outcome(spmModel, '--context-size', '99999'),
      outcome(spmModel, '--chat-template-file', broken),
      outcome(spmModel, '--chat-template-file', join(folder, 'none.jinja')),
      outcome(spmModel, '--rope-scaling', '{"type":"linear"}'),
      outcome(spmModel, '--gpu-layers', '5'),
      outcome(damaged),
      ...['0.0.0.0', '::', '192.168.1.1', 'example.com'].map((host) => outcome(spmModel, '--host', host)),
    ])
    rmSync(folder, { recursive: true })
    expect(missing).toEqual({ code: 'MODEL_NOT_FOUND', msg: expect.stringContaining('/nowhere/model.gguf') })
    const invalid = (msg: RegExp) => ({ code: 'INVALID_OPTION', msg: expect.stringMatching(msg) })
    expect(wrong).toEqual(invalid(/^--kv-cache-type must be one of/))
    expect(tooLong).toEqual(invalid(/^--context-size 10000000 exceeds/))
    expect(template).toEqual(invalid(/--chat-template/))
    expect(unnamed).toEqual(invalid(/^--model-id must be/))
    const [long, syntax, noFile, rope, gpu, short, ...open] = others
    expect(long).toEqual(invalid(/^--context-size 99999 exceeds/))
    expect(syntax).toEqual({ code: 'TEMPLATE_SYNTAX', msg: expect.stringMatching(/^--chat-template-file: /) })
    expect(noFile).toEqual(invalid(/^--chat-template-file cannot be read: ENOENT/))
    expect(rope).toEqual(invalid(/--rope-scaling/))
    expect(gpu).toEqual({ code: expect.any(String), msg: expect.stringMatching(/--gpu-layers/) })
    expect(short).toEqual({ code: 'MODEL_TRUNCATED', msg: expect.stringContaining('damaged.gguf') })
    expect(open).toHaveLength(4)
    for (const { code, msg } of open) {
      expect(code).toBeUndefined()
      expect(msg).toMatch(/^Without an API key only this machine may reach the worker, and --host /)
    }
  })

  test('says that it listens when it does, and whether the model is loaded', async () => {
    const served = new Served([...modelArguments, '--port', '0', '--threads', '1', ...supervise])
    running.push(served)
    const { url, model } = await served.line('listening')
    const ready = await send(`${url}/ready`)
    expect(['loading', 'loaded']).toContain(model)
    if (model === 'loaded') expect(ready.status).toBe(200)
    expect((await send(`${url}/health`)).status).toBe(200)
    expect(await served.line('ready')).toMatchObject({ url, model: 'loaded' })
    expect((await send(`${url}/ready`)).status).toBe(200)

    // Another one cannot have the port, and never says that it listens.
    const { port } = new URL(url as string)
    const second = new Served([...modelArguments, '--port', port, ...supervise])
    running.push(second)
    expect(await second.ended()).toBe(1)
    expect(second.log.map(({ msg }) => msg)).toEqual([
      `--port ${port} is taken on 127.0.0.1 by another program. Name another port, or 0 for any free one.`,
    ])
    const nowhere = new Served([...modelArguments, '--host', '192.0.2.1', ...supervise], {
      VERBATIM_LLAMA_API_KEY: 'key',
    })
    running.push(nowhere)
    expect(await nowhere.ended()).toBe(1)
    expect(nowhere.log[0]?.msg).toBe('--host 192.0.2.1 is no address of this machine (EADDRNOTAVAIL).')
  })

  test.each([
    [
      [],
      /^this model has no chat template, so all messages are refused: give one with --chat-template-file$/,
    ],
    [
      ['rag', 'other'],
      /^none of the chat templates is the default, so all messages are refused: choose one with --chat-template \((rag|other), (rag|other)\), or give one with --chat-template-file$/,
    ],
    [['tool_use'], /, so messages without tools are refused: choose one with --chat-template \(tool_use\), /],
  ])('warns once of a model that has no usual template among %j', async (names, warning) => {
    const folder = mkdtempSync(join(tmpdir(), 'named-'))
    const path = join(folder, 'named.gguf')
    const entries = Object.fromEntries(
      names.map((name) => [`tokenizer.chat_template.${name}`, '{{ messages }}']),
    )
    extendModel(spmModel, path, { entries })
    const served = await Served.start([path, '--context-size', '512', ...supervise])
    running.push(served)
    const warnings = () => served.log.filter(({ level }) => level === 40).map(({ msg }) => msg)
    expect(warnings()).toEqual([expect.stringMatching(warning)])
    // What a request gets is in the log in full, in words of flags.
    const answer = await post(`${served.url}/chat`, { messages })
    expect([answer.status, answer.body.error.code]).toEqual([500, 'NO_CHAT_TEMPLATE'])
    const { err } = await served.line('request failed')
    const flag =
      names.length === 0 ? /pass one as --chat-template-file$/ : /as in --chat-template (\w+): .*\b\1\b/
    expect((err as Error).message).toMatch(flag)
    expect((err as Error).stack).not.toContain('loadModel(path')
    expect(warnings()).toHaveLength(1)
    rmSync(folder, { recursive: true })
  })

  test('names the line of a wrong API key, and never shows it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'keys-'))
    const file = join(folder, 'keys.txt')
    writeFileSync(file, '# mine\ngood\nmy secret\n')
    const inFile = new Served([spmModel, ...supervise, '--api-key-file', file])
    const inEnvironment = new Served([spmModel, ...supervise], { VERBATIM_LLAMA_API_KEY: 'my secret' })
    running.push(inFile, inEnvironment)
    expect([await inFile.ended(), await inEnvironment.ended()]).toEqual([1, 1])
    rmSync(folder, { recursive: true })
    expect(inFile.log[0]?.msg).toContain('keys.txt, line 3: a key must be printable ASCII')
    expect(inEnvironment.log[0]?.msg).toMatch(/^VERBATIM_LLAMA_API_KEY: the key must be printable ASCII/)
    for (const { log, errors, stdout } of [inFile, inEnvironment])
      expect(JSON.stringify([log, errors, stdout])).not.toContain('secret')
  })
})

test('what the command line cannot mean is refused', async () => {
  const wrong = [
    ['--port', '70000'],
    ['--port', '1e3'],
    ['--threads', 'many'],
    ['--unknown'],
    ['--prt', '1'],
    [],
  ]
  const refuse = async (args: string[]) => {
    const served = new Served(args.length === 0 ? [] : [spmModel, ...args])
    expect([args, await served.ended()]).toEqual([args, 1])
    expect([args, served.errors, served.log.length]).toEqual([args, '', 1])
    expect(served.log[0]).toMatchObject({ level: 60, msg: expect.not.stringMatching(/^error:|\n/) })
  }
  await Promise.all(wrong.map(refuse))
})

// script(1) of util-linux runs a command on a terminal.
const hasScript = spawnSync('script', ['--version']).status === 0
test.skipIf(!hasScript)('on a terminal all that it prints is text, one line each', async () => {
  const onTerminal = (args: readonly string[]) => {
    const command = [process.execPath, MAIN, 'serve', ...args].map((word) => `'${word}'`).join(' ')
    return spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, NODE_OPTIONS: '' },
    })
  }
  const linesOf = async (child: ReturnType<typeof onTerminal>, stopAt?: string) => {
    let text = ''
    for await (const chunk of child.stdout.setEncoding('utf8')) {
      text += chunk
      if (stopAt === undefined || !text.includes(stopAt)) continue
      child.stdin.write('\x03') // Ctrl-C, once: a second one ends it at once
      stopAt = undefined
    }
    const lines = text.replace(/\^C/g, '').split(/\r?\n/)
    expect(lines.pop()).toBe('')
    for (const line of lines) expect(line).toMatch(/^\d\d:\d\d:\d\d (info |warn |error|fatal) \S/)
    return lines.map((line) => line.replace(/^\S+ /, ''))
  }
  expect(await linesOf(onTerminal(['/nowhere/model.gguf', '--port', '70000']))).toEqual([
    expect.stringMatching(/^fatal option '--port <number>' argument '70000' is invalid/),
  ])
  const served = await linesOf(
    onTerminal([...modelArguments, '--port', '0', '--threads', '1', '--supervise']),
    'info  ready ',
  )
  for (const line of [
    /^info {2}listening url=http:\S+ pid=\d+ model=(loading|loaded)$/,
    /^info {2}the engine is ready pid=/,
  ])
    expect(served).toContainEqual(expect.stringMatching(line))
  expect(served.at(-1)).toBe('info  stopped')
})
