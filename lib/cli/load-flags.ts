// The flags of `serve` that are options of loadModel: one for each row of the table.
import { type Command, InvalidArgumentError, Option } from 'commander'
import { InvalidOptionError } from '../errors.js'
import { readLoadOptions } from '../options/read.js'
import { defaultText, type Takes } from '../options/row.js'
import type { LoadModelOptions } from '../types.js'
import { memberTexts } from '../worker/json-body.js'
import { FLAG_ROWS, flagsOf, messageWithFlags, withoutMarks } from './flag-names.js'

/** Adds the flags to a command. */
export function addLoadFlags(command: Command): Command {
  for (const [name, row] of FLAG_ROWS) {
    const [flag, named] = flagsOf(name, row)
    const help = withoutMarks(row.sentence.replace(/\.$/, ''))
    if (named !== undefined) {
      command.option(`${flag} <path>`, help)
      command.addOption(
        new Option(`${named} <name>`, 'The template of this name in the model file').conflicts(`${name}File`),
      )
    } else {
      const fallback = withoutMarks(defaultText(row))
      const values =
        row.takes.kind === 'choice' && row.takes.values.length > 4 ? `: ${row.takes.values.join(', ')}` : ''
      const text = `${help}${values} (default: ${fallback})`
      const option = new Option(`${flag} ${placeholder(row.takes)}`, text)
      command.addOption(option.argParser((text) => parsed(row.takes, text)))
    }
  }
  return command
}

/**
 * The options that were given as flags.
 *
 * @throws InvalidOptionError as loadModel would, in words of flags
 */
export function loadOptions(flags: Readonly<Record<string, unknown>>): LoadModelOptions {
  const given = FLAG_ROWS.map(([name, { takes }]) => [
    name,
    takes.kind === 'chatTemplate' ? chatTemplate(name, flags) : flags[name],
  ])
  const options: LoadModelOptions = Object.fromEntries(given.filter(([, value]) => value !== undefined))
  try {
    readLoadOptions(options)
  } catch (error) {
    if (!(error instanceof InvalidOptionError)) throw error
    throw new InvalidOptionError(messageWithFlags(error), { path: error.path }, { cause: error })
  }
  return options
}

function chatTemplate(name: string, flags: Readonly<Record<string, unknown>>): unknown {
  const { [`${name}File`]: file, [name]: inFile } = flags
  if (file !== undefined) return { path: file }
  return inFile === undefined ? undefined : { name: inFile }
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
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new InvalidArgumentError(`It must be JSON text: ${(error as Error).message}`)
  }
  // JSON.parse takes the last of two equal keys.
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    memberTexts(
      text,
      (key, where) =>
        new InvalidArgumentError(`It has the key ${JSON.stringify(key)} twice${where && ` in ${where}`}.`),
    )
  return value
}
