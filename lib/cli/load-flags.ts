// The flags of `serve` that are options of loadModel: one for each row of the table.
import { type Command, InvalidArgumentError, Option } from 'commander'
import { LOAD_ROWS } from '../options/load-options.js'
import { readLoadOptions } from '../options/read.js'
import { defaultText, type OptionRow, type OptionRows, type Takes } from '../options/row.js'
import type { LoadModelOptions } from '../types.js'
import { snakeCase } from '../worker/snake-case.js'

const ROWS = Object.entries(LOAD_ROWS as OptionRows).filter(([, { remote }]) => remote !== false)

/** The flags of an option, without what they take. */
export function flagsOf(name: string, { takes }: OptionRow): readonly string[] {
  const flag = `--${snakeCase(name).replaceAll('_', '-')}`
  return takes.kind === 'chatTemplate' ? [`${flag}-file`, flag] : [flag]
}

const FLAGS = new Map(ROWS.map(([name, row]) => [name, flagsOf(name, row)[0]]))

/** Adds the flags to a command. */
export function addLoadFlags(command: Command): Command {
  for (const [name, row] of ROWS) {
    const [flag, named] = flagsOf(name, row)
    const help = withFlags(row.sentence.replace(/\.$/, ''))
    if (named !== undefined) {
      command.option(`${flag} <path>`, help)
      command.addOption(
        new Option(`${named} <name>`, 'The template of this name in the model file').conflicts(`${name}File`),
      )
    } else {
      const fallback = withFlags(defaultText(row))
      const values =
        row.takes.kind === 'choice' && row.takes.values.length > 4 ? `: ${row.takes.values.join(', ')}` : ''
      const text = `${help}${values} (default: ${fallback})`
      const option = new Option(`${flag} ${placeholder(row.takes)}`, text)
      command.addOption(option.argParser((text) => parsed(row.takes, text)))
    }
  }
  return command
}

/** A text of the table with options by their flags, and without marks. */
function withFlags(text: string): string {
  return text.replace(/`([^`]+)`/g, (_, name: string) => FLAGS.get(name) ?? name)
}

/**
 * The options that were given as flags.
 *
 * @throws InvalidOptionError as loadModel would
 */
export function loadOptions(flags: Readonly<Record<string, unknown>>): LoadModelOptions {
  const given = ROWS.map(([name, { takes }]) => [
    name,
    takes.kind === 'chatTemplate' ? chatTemplate(name, flags) : flags[name],
  ])
  const options: LoadModelOptions = Object.fromEntries(given.filter(([, value]) => value !== undefined))
  readLoadOptions(options)
  return options
}

function chatTemplate(name: string, flags: Readonly<Record<string, unknown>>): unknown {
  const { [`${name}File`]: path, [name]: inFile } = flags
  return path === undefined ? inFile && { name: inFile } : { path }
}

function placeholder(takes: Takes): string {
  switch (takes.kind) {
    case 'number':
      return takes.or === undefined ? '<number>' : `<number|${takes.or}>`
    case 'choice':
      return takes.values.length > 4 ? '<type>' : `<${takes.values.join('|')}>`
    case 'names':
      return '<name,…>'
    case 'shares':
      return '<number,…>'
    default:
      return '<json>'
  }
}

/** The value that a flag spells; loadOptions() checks it. */
function parsed(takes: Takes, text: string): unknown {
  switch (takes.kind) {
    case 'number':
      return text === takes.or ? text : number(text)
    case 'choice':
      return takes.values.find((value) => String(value) === text) ?? text
    case 'names':
      return text.split(',')
    case 'shares':
      return text.split(',').map(number)
    default:
      return json(text)
  }
}

function number(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a number.')
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new InvalidArgumentError(`It must be JSON text: ${(error as Error).message}`)
  }
}
