// The flags of `serve` that are options of loadModel: one for each row of the table.
import { readFileSync } from 'node:fs'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { VerbatimError } from '../errors.js'
import { OptionBag } from '../options/bag.js'
import { LOAD_ROWS } from '../options/load-options.js'
import type { OptionRow, OptionRows, Takes } from '../options/row.js'
import { readOption } from '../options/values.js'
import type { LoadModelOptions } from '../types.js'
import { snakeCase } from '../worker/snake-case.js'

const ROWS = Object.entries(LOAD_ROWS as OptionRows).filter(([, { remote }]) => remote !== false)

/** Adds the flags to a command. */
export function addLoadFlags(command: Command): Command {
  for (const [name, row] of ROWS) {
    const flag = `--${snakeCase(name).replaceAll('_', '-')}`
    const help = row.sentence.replaceAll('`', '').replace(/\.$/, '')
    if (row.takes.kind === 'chatTemplate') {
      command.option(`${flag}-file <path>`, help)
      command.addOption(
        new Option(`${flag}-name <name>`, 'The template of this name in the model file').conflicts(
          `${name}File`,
        ),
      )
    } else {
      const option = new Option(`${flag} ${placeholder(row.takes)}`, `${help} (default: ${defaultText(row)})`)
      command.addOption(option.argParser((text) => flagValue(name, row, text)))
    }
  }
  return command
}

/** The options that were given as flags. */
export function loadOptions(flags: Readonly<Record<string, unknown>>): LoadModelOptions {
  const options = ROWS.map(([name, { takes }]) => [
    name,
    takes.kind === 'chatTemplate' ? chatTemplate(name, flags) : flags[name],
  ])
  return Object.fromEntries(options.filter(([, value]) => value !== undefined)) as LoadModelOptions
}

function chatTemplate(name: string, flags: Readonly<Record<string, unknown>>): unknown {
  const { [`${name}File`]: file, [`${name}Name`]: inFile } = flags
  return typeof file === 'string' ? readFileSync(file, 'utf8') : inFile && { name: inFile }
}

function defaultText({ defaultText, default: value }: OptionRow): string {
  return (defaultText ?? String(value)).replaceAll('`', '')
}

function placeholder(takes: Takes): string {
  switch (takes.kind) {
    case 'number':
      return takes.or === undefined ? '<number>' : `<number|${takes.or}>`
    case 'choice':
      return `<${takes.values.join('|')}>`
    case 'names':
      return '<name,…>'
    case 'shares':
      return '<number,…>'
    default:
      return '<json>'
  }
}

/** The value that a flag stands for, checked as loadModel would. */
function flagValue(name: string, row: OptionRow, text: string): unknown {
  try {
    const value = parsed(row.takes, text)
    readOption(new OptionBag({ [name]: value }, 'options', [name]), name, row)
    return value
  } catch (error) {
    if (!(error instanceof VerbatimError) && !(error instanceof SyntaxError)) throw error
    const { message } = error
    throw new InvalidArgumentError(
      message.startsWith(`${name} `) ? `It${message.slice(name.length)}` : message,
    )
  }
}

function parsed(takes: Takes, text: string): unknown {
  switch (takes.kind) {
    case 'number':
      return number(text)
    case 'choice':
      return takes.values.find((value) => String(value) === text) ?? text
    case 'names':
      return text.split(',')
    case 'shares':
      return text.split(',').map(number)
    default:
      return JSON.parse(text)
  }
}

/** The number that a text spells in digits, or else the text. */
function number(text: string): number | string {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) : text
}
