#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { runBuild } from './build-command.js'

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { cuda: { type: 'string' }, jobs: { type: 'string' } },
})
if (positionals.length === 1 && positionals[0] === 'build') {
  process.exitCode = await runBuild(values)
} else {
  process.stderr.write('usage: verbatim-llama build [--cuda auto|on|off] [--jobs N]\n')
  process.exitCode = 2
}
