// The flags of `serve`: one for each option of loadModel, and the same checks.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import {
  InvalidOptionError,
  type LoadModelOptions,
  loadModel,
  NoChatTemplateError,
  OutOfMemoryError,
  TemplateError,
} from 'verbatim-llama'
import { describe, expect, test } from 'vitest'
import { readApiKeys } from '#lib/cli/api-keys.js'
import { addLoadFlags, loadOptions } from '#lib/cli/load-flags.js'
import { explain } from '#lib/cli/log.js'
import { LOAD_ROWS } from '#lib/options/load-options.js'
import { readLoadOptions } from '#lib/options/read.js'
import type { OptionRow } from '#lib/options/row.js'
import { temporaryFolder } from './support/gguf-patch.js'
import { rejection, spmModel } from './support/model.js'

const folder = temporaryFolder()
const rows = Object.entries<OptionRow>(LOAD_ROWS).filter(([, { remote }]) => remote !== false)

function command(): Command {
  return addLoadFlags(new Command())
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
}

/** Names of options that are no English words. */
const optionNames = rows.map(([name]) => name).filter((name) => /[A-Z]/.test(name))

function thrown(action: () => unknown): Error {
  try {
    action()
  } catch (error) {
    return error as Error
  }
  throw new Error('nothing was thrown')
}

function parse(...args: string[]) {
  return loadOptions(command().parse(args, { from: 'user' }).opts())
}

describe('the flags of serve', () => {
  test('are all options of loadModel that are no functions or signals', () => {
    const flags = command().options.map(({ long }) => long)
    for (const [name, { takes }] of rows) {
      const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
      const wanted = takes.kind === 'chatTemplate' ? [`${flag}-file`, flag] : [flag]
      for (const each of wanted) expect(flags).toContain(each)
    }
    expect(Object.keys(LOAD_ROWS).filter((name) => !rows.some(([known]) => known === name))).toEqual([
      'signal',
      'onProgress',
      'onLog',
    ])
  })

  test('say in --help what the table says', () => {
    const help = command().helpInformation().replace(/\s+/g, ' ')
    for (const [, { sentence }] of rows) expect(help).toContain(sentence.split('`')[0]?.replace(/\.$/, ''))
    expect(help).toContain('The GPU for --split-mode none, counted from 0 in the order of --devices')
    expect(help).toContain('(default: --context-size, rounded up to a multiple of 256)')
  })

  test('become the options that loadModel takes', () => {
    const options = parse(
      ...['--context-size', '64', '--cache-size', '128', '--max-sequences', '4', '--gpu-layers', '3'],
      ...['--devices', 'CUDA1,CUDA0', '--tensor-split', '3,0.5', '--split-mode', 'layer'],
      ...['--rope-scaling', '{"type": "yarn", "factor": 4.5}'],
      ...['--flash-attention', 'true', '--kv-cache-type', 'q8_0', '--on-out-of-memory', 'throw'],
      ...['--max-queue', '0', '--prefix-cache-size', '9', '--threads', '2'],
      ...['--chat-template-file', 't.jinja', '--special-tokens', '{"pad_token": null, "bos_token": "<s>"}'],
    )
    expect(options).toEqual({
      contextSize: 64,
      cacheSize: 128,
      maxSequences: 4,
      gpuLayers: 3,
      devices: ['CUDA1', 'CUDA0'],
      tensorSplit: [3, 0.5],
      splitMode: 'layer',
      ropeScaling: { type: 'yarn', factor: 4.5 },
      flashAttention: true,
      kvCacheType: 'q8_0',
      onOutOfMemory: 'throw',
      maxQueue: 0,
      prefixCacheSize: 9,
      threads: 2,
      chatTemplate: { path: 't.jinja' },
      specialTokens: { pad_token: null, bos_token: '<s>' },
    })
    expect(readLoadOptions(options)).toMatchObject(options)
    expect(
      parse('--chat-template', 'tool_use', '--split-mode', 'none', '--main-gpu', '1', '--gpu-layers', 'auto'),
    ).toEqual({
      chatTemplate: { name: 'tool_use' },
      splitMode: 'none',
      mainGpu: 1,
      gpuLayers: 'auto',
    })
    expect(parse()).toEqual({})
  })

  test.each([
    ['--context-size', '15', '--context-size must be an integer from 16 to'],
    ['--context-size', '1e3', 'It must be a number'],
    ['--gpu-layers', 'all', 'It must be a number'],
    ['--flash-attention', 'on', "--flash-attention must be one of 'auto', true, false"],
    ['--devices', '', '--devices must be a string that is not empty'],
    ['--devices', 'CUDA0,CUDA0', '--devices names "CUDA0" twice'],
    ['--threads', '0', '--threads must be an integer from 1 to'],
    ['--tensor-split', '0,0', '--tensor-split must be an array of numbers'],
    ['--tensor-split', '1,x', 'It must be a number'],
    ['--main-gpu', '1', '--main-gpu needs --split-mode none, which puts'],
    ['--rope-scaling', 'yarn', 'It must be JSON text'],
    [
      '--rope-scaling',
      '{"type":"yarn","factor":0}',
      'factor in --rope-scaling must be a number from 1 to 1024, not 0',
    ],
    [
      '--rope-scaling',
      '{"factor":4}',
      "type in --rope-scaling is missing: it must be one of 'none', 'linear', 'yarn'",
    ],
    ['--special-tokens', '{', 'It must be JSON text'],
    [
      '--special-tokens',
      '{"bos_tokn": "x"}',
      'bos_tokn in --special-tokens is not known here. Did you mean bos_token?',
    ],
    [
      '--rope-scaling',
      '{"type":"yarn","factor":2,"beta_fast":1}',
      'beta_fast in --rope-scaling is not known here. Did you mean betaFast?',
    ],
    ['--special-tokens', '{"bos_token": 1}', 'bos_token in --special-tokens must be a string or null'],
    ['--chat-template', '', '--chat-template must be a string that is not empty'],
    ['--chat-template-file', '', '--chat-template-file must be the path of a file'],
    ['--special-tokens', '{"bos_token":"a","bos_token":"b"}', 'It has the key "bos_token" twice.'],
    ['--special-tokens', '{"bos_token":"a","bos\\u005ftoken":"b"}', 'It has the key "bos_token" twice.'],
  ])('%s %s is refused: %s', (flag, value, reason) => {
    const error = thrown(() => parse(flag, value))
    expect(error.message).toContain(reason)
    for (const name of optionNames) expect(error.message).not.toMatch(new RegExp(`\\b${name}\\b`))
  })

  test.each([
    [['--gpu-layers', '0', '--devices', 'CUDA0'], '--devices says which GPUs to use, but --gpu-layers is 0'],
    [['--gpu-layers', '0', '--main-gpu', '1'], '--main-gpu says which GPUs to use, but --gpu-layers is 0'],
    [
      ['--split-mode', 'none', '--tensor-split', '1,1'],
      "--tensor-split splits the model, and --split-mode is 'none'",
    ],
  ])('%j contradict each other, and are named', (args, reason) => {
    expect(thrown(() => parse(...args)).message).toContain(reason)
  })

  test('name one chat template, not two', () => {
    expect(() => parse('--chat-template-file', 'x', '--chat-template', 'y')).toThrow('cannot be used with')
  })
})

describe('a failure to start', () => {
  const text = (error: Error) => explain(error).message
  const invalid = (message: string, path: string) => new InvalidOptionError(message, { path })

  test('names the flag also where the engine finds it', async () => {
    const failure = async (options: LoadModelOptions) =>
      text((await rejection(loadModel(spmModel, { threads: 1, ...options }))) as Error)
    expect(await failure({ contextSize: 10_000_000 })).toMatch(
      /^--context-size 10000000 exceeds the \d+ tokens/,
    )
    expect(await failure({ contextSize: 512, cacheSize: 256 })).toMatch(
      /^--cache-size 256 is smaller than --context-size 512: /,
    )
    expect(await failure({ chatTemplate: { name: 'tool_use' } })).toMatch(/--chat-template\b/)
    expect(await failure({ chatTemplate: '{% if %}' })).toMatch(/^--chat-template-file: /)
    const path = join(folder, 'latin-1.jinja')
    writeFileSync(path, Buffer.from('{{ "\xe4" }}', 'latin1'))
    expect(await failure({ chatTemplate: { path } })).toMatch(/^--chat-template-file .*UTF-8.*latin-1\.jinja/)
    expect(await failure({ chatTemplate: { path: join(folder, 'none') } })).toMatch(
      /^--chat-template-file cannot be read: ENOENT/,
    )
    expect(await failure({ gpuLayers: 1 })).toMatch(/--gpu-layers\b/)
    expect(await failure({ cacheSize: 2 ** 31 - 1 })).toMatch(/use a smaller --cache-size or --context-size/)
  })

  test('names the flag of a path, of a member, and of a value', () => {
    expect(text(invalid('there is no GPU CUDA9 that can be used', 'devices[0]'))).toBe(
      '--devices: there is no GPU CUDA9 that can be used',
    )
    expect(text(invalid('modelId must be a string that is not empty', 'modelId'))).toBe(
      '--model-id must be a string that is not empty',
    )
    expect(
      text(
        new OutOfMemoryError(
          'no room: use a smaller cacheSize, contextSize or kvCacheType, fewer gpuLayers, or fewer threads',
        ),
      ),
    ).toBe(
      'no room: use a smaller --cache-size, --context-size or --kv-cache-type, fewer --gpu-layers, or fewer threads',
    )
  })

  test('shows a call of loadModel as the flag that does the same', () => {
    const shown = (message: string) => text(new NoChatTemplateError(message))
    expect(shown('none is guessed; pass one as loadModel(path, { chatTemplate })')).toBe(
      'none is guessed; pass one as --chat-template-file',
    )
    expect(
      shown("choose one of them, as in loadModel(path, { chatTemplate: { name: 'rag' } }): rag, tool_use"),
    ).toBe('choose one of them, as in --chat-template rag: rag, tool_use')
    expect(shown("as in loadModel(path, { chatTemplate: { name: 'it's' } }): it's")).toBe(
      "as in --chat-template 'it'\\''s': it's",
    )
  })

  test('leaves what others wrote as it is', () => {
    const raised = new TemplateError('TEMPLATE_RENDER', 'set contextSize in gpuLayers')
    expect(text(raised)).toBe('--chat-template-file: set contextSize in gpuLayers')
    expect(text(invalid('/models/contextSize/a.gguf is no GGUF file', 'path'))).toBe(
      '/models/contextSize/a.gguf is no GGUF file',
    )
    expect(text(invalid('contextSize: there is no "gpuLayers"', 'contextSize'))).toBe(
      '--context-size: there is no "gpuLayers"',
    )
  })

  test('spells the smaller plan that would fit', () => {
    const wouldFit = { gpuLayers: 3, contextSize: 512, cacheSize: 512, kvCacheType: 'q8_0' } as const
    const error = new OutOfMemoryError('no room; leave onOutOfMemory out, or pass its values', { wouldFit })
    expect(text(error)).toBe(
      'no room; leave --on-out-of-memory out, or pass its values. ' +
        'It would fit with --gpu-layers 3 --context-size 512 --cache-size 512 --kv-cache-type q8_0.',
    )
  })

  test('has the code of the library’s errors, and none otherwise', () => {
    expect(explain(invalid('x', 'threads'))).toEqual({ code: 'INVALID_OPTION', message: '--threads: x' })
    expect(explain(new Error('x'))).toEqual({ message: 'x' })
  })
})

describe('a file of API keys', () => {
  const path = join(folder, 'keys.txt')
  const keysOf = (text: string, fromEnvironment?: string) => {
    writeFileSync(path, text)
    return readApiKeys(path, fromEnvironment)
  }

  test('has one key a line, beside empty lines and comments', () => {
    expect(keysOf('\ufeff# of the team\n\nfirst\r\n   \n  # of the other\n  second#2  \n')).toEqual([
      'first',
      'second#2',
    ])
    expect(keysOf('first', ' environment\n')).toEqual(['environment', 'first'])
  })

  test.each([
    ['good\n\nsecret of mine\n', 3],
    ['# keys\nsecret-ä\n', 2],
    ['secret # of the team\n', 1],
  ])('that holds something else is refused with the line, and without the key: %j', (text, line) => {
    const { message } = thrown(() => keysOf(text))
    expect(message).toContain(`keys.txt, line ${line}: a key must be printable ASCII without spaces`)
    expect(message).not.toContain('secret')
  })

  test('without a key, or that is not there, is refused', () => {
    expect(() => keysOf('# none\n\n', 'environment')).toThrow(/keys\.txt holds no API key/)
    expect(() => readApiKeys(join(folder, 'nowhere'))).toThrow(/^--api-key-file cannot be read: ENOENT/)
  })

  test('that is no regular file, too large, or not UTF-8, is refused before its keys are read', () => {
    expect(() => readApiKeys(folder)).toThrow(/^--api-key-file cannot be read: .* is no regular file\./)
    expect(() => readApiKeys('/dev/zero')).toThrow(/\/dev\/zero is no regular file/)
    expect(() => keysOf('#'.repeat(2 ** 20 + 1))).toThrow(/has 1048577 bytes, more than the 1048576/)
    expect(keysOf(`key\n${'#'.repeat(2 ** 20 - 4)}`)).toEqual(['key'])
    writeFileSync(path, Buffer.from('# \xe4\nkey\n', 'latin1'))
    expect(() => readApiKeys(path)).toThrow(/keys\.txt is not valid UTF-8\. Save it as UTF-8\.$/)
  })

  // mkfifo(1) makes a named pipe, which has no end until somebody writes into it.
  const pipe = join(folder, 'pipe')
  const hasPipe = spawnSync('mkfifo', [pipe]).status === 0
  test.skipIf(!hasPipe)('that is a named pipe is refused, not waited for', () => {
    expect(() => readApiKeys(pipe)).toThrow(/pipe is no regular file/)
  })

  test('is as strict as the variable of the environment', () => {
    const { message } = thrown(() => readApiKeys(undefined, 'secret key'))
    expect(message).toMatch(/^VERBATIM_LLAMA_API_KEY: the key must be printable ASCII/)
    expect(message).not.toContain('secret')
    expect(readApiKeys(undefined, ' ')).toEqual([])
  })
})
