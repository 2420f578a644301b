#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import { DEFAULT_LIMITS } from '../worker/worker-options.js'
import { readApiKeys } from './api-keys.js'
import { type BuildOptions, CUDA_CHOICES } from './build.js'
import { runBuild } from './build-command.js'
import { addLoadFlags, loadOptions } from './load-flags.js'
import { createLogger, explain, logFormat } from './log.js'
import { serve } from './serve.js'
import type { ServeSettings } from './settings.js'

const MAX_TIMER_SECONDS = 2_000_000

function integer(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= min && value <= max) return value
    throw new InvalidArgumentError(`It must be an integer from ${min} to ${max}.`)
  }
}

/** Flags of `serve`, as commander parses them. */
interface Options {
  host: string
  port: number
  supervise?: true
  modelId?: string
  apiKeyFile?: string
  maxBodyBytes: number
  maxMessages: number
  slowReaderSeconds: number
  drainSeconds: number
  logLevel: string
}

const program = new Command('verbatim-llama')
  .description('llama.cpp behind HTTP. The model sees exactly the messages it is sent.')
  .version(
    (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string })
      .version,
  )

const serveCommand = program
  .command('serve')
  .description('Answers HTTP requests with a model.')
  .argument('<model>', 'a GGUF file, or its file: URL; of a model in several files, the first')
  .option('--host <address>', 'address to listen on; others than this machine need an API key', '127.0.0.1')
  .option('--port <number>', '0 for any free one', integer(0, 65535), 8080)
  .option('--supervise', 'run the engine in a process of its own, and start it anew when it dies')
  .option('--model-id <name>', 'name of the model (default: its file, without .gguf)')
  .option(
    '--api-key-file <path>',
    'API keys, one a line, with # comments on lines of their own; or set VERBATIM_LLAMA_API_KEY',
  )
  .option(
    '--max-body-bytes <number>',
    'the largest body',
    integer(1, 2 ** 31 - 1),
    DEFAULT_LIMITS.maxBodyBytes,
  )
  .option(
    '--max-messages <number>',
    'the most messages of a request',
    integer(1, 2 ** 31 - 1),
    DEFAULT_LIMITS.maxMessages,
  )
  .option(
    '--slow-reader-seconds <number>',
    'cut off a reader that takes nothing for this many seconds',
    integer(1, MAX_TIMER_SECONDS),
    DEFAULT_LIMITS.slowReaderMs / 1000,
  )
  .option(
    '--drain-seconds <number>',
    'let requests that run go on for this many seconds after SIGTERM',
    integer(0, MAX_TIMER_SECONDS),
    30,
  )
  .addOption(
    new Option('--log-level <level>', 'level of the log on stderr')
      .choices(['fatal', 'error', 'warn', 'info', 'debug', 'silent'])
      .default('info'),
  )

addLoadFlags(serveCommand)
  .configureOutput({
    outputError: (text) =>
      sayFailure(
        text
          .replace(/^error: /, '')
          .trim()
          .replace(/\s+/g, ' '),
      ),
  })
  .action(async (model: string, options: Options & Record<string, unknown>) => {
    try {
      await serve(settings(model, options), options.supervise === true)
    } catch (error) {
      const { code, message } = explain(error)
      sayFailure(message, code)
      process.exit(1)
    }
  })

/** Tells why the server cannot start, in the form of its log and whatever its level is. */
function sayFailure(message: string, code?: string): void {
  createLogger('fatal', logFormat()).fatal({ code }, message)
}

program
  .command('build')
  .description('Builds the addon for this machine, from the sources in the package.')
  .addOption(
    new Option('--cuda <choice>', 'build the CUDA backend, too').choices(CUDA_CHOICES).default('auto'),
  )
  .option('--jobs <number>', 'files compiled at once (default: one per processor)', integer(1))
  .action(async (options: Pick<BuildOptions, 'cuda' | 'jobs'>) => {
    process.exitCode = await runBuild(options)
  })

function settings(modelPath: string, options: Options & Record<string, unknown>): ServeSettings {
  const { host, port, modelId, maxBodyBytes, maxMessages, logLevel } = options
  return {
    modelPath,
    load: loadOptions(options),
    host,
    port,
    modelId,
    apiKeys: readApiKeys(options.apiKeyFile, process.env.VERBATIM_LLAMA_API_KEY),
    maxBodyBytes,
    maxMessages,
    slowReaderMs: options.slowReaderSeconds * 1000,
    drainMs: options.drainSeconds * 1000,
    logLevel,
    logFormat: logFormat(),
  }
}

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`verbatim-llama: ${explain(error).message}\n`)
  process.exit(1)
})
