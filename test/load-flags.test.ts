// The flags of `serve`: one for each option of loadModel, and the same checks.
import { join } from 'node:path'
import { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { addLoadFlags, loadOptions } from '#lib/cli/load-flags.js'
import { LOAD_ROWS } from '#lib/options/load-options.js'
import { readLoadOptions } from '#lib/options/read.js'
import type { OptionRow } from '#lib/options/row.js'
import { temporaryFolder } from './support/gguf-patch.js'

const folder = temporaryFolder()
const rows = Object.entries<OptionRow>(LOAD_ROWS).filter(([, { remote }]) => remote !== false)

function command(): Command {
  return addLoadFlags(new Command())
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
}

function parse(...args: string[]) {
  return loadOptions(command().parse(args, { from: 'user' }).opts())
}

describe('the flags of serve', () => {
  test('are all options of loadModel that are no functions or signals', () => {
    const flags = command().options.map(({ long }) => long)
    for (const [name, { takes }] of rows) {
      const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
      const wanted = takes.kind === 'chatTemplate' ? [`${flag}-file`, `${flag}-name`] : [flag]
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
    const template = join(folder, 'template.jinja')
    const options = parse(
      ...['--context-size', '64', '--cache-size', '128', '--max-sequences', '4', '--gpu-layers', '3'],
      ...['--devices', 'CUDA1,CUDA0', '--tensor-split', '3,0.5', '--split-mode', 'layer'],
      ...['--flash-attention', 'false', '--kv-cache-type', 'q8_0', '--on-out-of-memory', 'throw'],
      ...['--max-queue', '0', '--prefix-cache-size', '9', '--threads', '2'],
      ...['--chat-template-file', template, '--special-tokens', '{"pad_token": null, "bos_token": "<s>"}'],
    )
    expect(options).toEqual({
      contextSize: 64,
      cacheSize: 128,
      maxSequences: 4,
      gpuLayers: 3,
      devices: ['CUDA1', 'CUDA0'],
      tensorSplit: [3, 0.5],
      splitMode: 'layer',
      flashAttention: false,
      kvCacheType: 'q8_0',
      onOutOfMemory: 'throw',
      maxQueue: 0,
      prefixCacheSize: 9,
      threads: 2,
      chatTemplate: { path: template },
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
    ['--context-size', '15', 'contextSize must be an integer from 16 to'],
    ['--context-size', '1e3', 'It must be a number'],
    ['--gpu-layers', 'all', 'It must be a number'],
    ['--flash-attention', 'on', "flashAttention must be one of 'auto', true, false"],
    ['--devices', '', 'devices must be an array of 1 to 16 names'],
    ['--tensor-split', '0,0', 'tensorSplit must be an array of numbers'],
    ['--tensor-split', '1,x', 'It must be a number'],
    ['--main-gpu', '1', "mainGpu needs splitMode: 'none'"],
    ['--special-tokens', '{', 'It must be JSON text'],
    ['--special-tokens', '{"bos_tokn": "x"}', 'Did you mean specialTokens.bos_token?'],
  ])('%s %s is refused: %s', (flag, value, reason) => {
    expect(() => parse(flag, value)).toThrow(reason)
  })

  test('name one chat template, not two', () => {
    expect(() => parse('--chat-template-file', 'x', '--chat-template', 'y')).toThrow('cannot be used with')
  })
})
