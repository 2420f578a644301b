// Messages of the library, which name options, as users of `serve` know them: by their flags.
import { InvalidOptionError, OutOfMemoryError, type VerbatimError } from '../errors.js'
import { LOAD_ROWS } from '../options/load-options.js'
import type { OptionRow, OptionRows } from '../options/row.js'
import { snakeCase } from '../worker/snake-case.js'

/** The options of loadModel that are flags. */
export const FLAG_ROWS = Object.entries(LOAD_ROWS as OptionRows).filter(([, { remote }]) => remote !== false)

/** The flags of an option, without what they take. */
export function flagsOf(name: string, { takes }: OptionRow): readonly string[] {
  const flag = `--${snakeCase(name).replaceAll('_', '-')}`
  return takes.kind === 'chatTemplate' ? [`${flag}-file`, flag] : [flag]
}

/** Every flag that stands for an option: of the path `chatTemplate.name`, the second of its flags. */
const FLAGS = new Map<string, string>([['modelId', '--model-id']])
for (const [name, row] of FLAG_ROWS) {
  const [flag = '', named] = flagsOf(name, row)
  FLAGS.set(name, flag)
  if (named !== undefined) FLAGS.set(`${name}.name`, named)
}

/** Options whose names are no English words. */
const NO_WORDS = [...FLAGS.keys()].filter((name) => /^\w*[A-Z]\w*$/.test(name))

/** Such an option, with a member or a value that a message gives it: `splitMode: 'none'`. */
const MENTIONED = new RegExp(
  `(?<![\\w.])(${NO_WORDS.join('|')})\\b` +
    `((?:\\.\\w+)?)((?:\\[\\d+\\])?)(?:: (?:'([^']*)'|(\\d+|true|false)\\b))?`,
  'g',
)

/** A text of the table, which marks options, by their flags and without marks. */
export function withoutMarks(text: string): string {
  return text.replace(/`([^`]+)`/g, (_, name: string) => FLAGS.get(name) ?? name)
}

/** A message with flags in place of options. */
export function withFlags(message: string): string {
  return message.replace(
    MENTIONED,
    (_, name: string, member: string, _item, text?: string, plain?: string) => {
      const flag = FLAGS.get(name + member) ?? inside(name, member)
      const value = text ?? plain
      return value === undefined ? flag : `${flag} ${value}`
    },
  )
}

/** A member of what a flag takes: `bos_token in --special-tokens`. */
function inside(name: string, member: string): string {
  return `${member === '' ? '' : `${member.slice(1)} in `}${FLAGS.get(name)}`
}

/** The message of an error, which names the flag that is at fault, whatever the message says. */
export function messageWithFlags(error: VerbatimError): string {
  const flag = flagAtFault(error)
  let message = error.message
  if (error instanceof InvalidOptionError && flag !== undefined && message.startsWith(error.path))
    message = withFlags(error.path).replace(/^\w+(\[\d+\])?$/, flag) + message.slice(error.path.length)
  message = withFlags(message)
  if (flag !== undefined && !message.includes(flag)) message = `${flag}: ${message}`
  return message + thatWouldFit(error)
}

function flagAtFault(error: VerbatimError): string | undefined {
  // At the start it is the template that was given: one in the model file may fail only when it is used.
  if (error.code.startsWith('TEMPLATE_')) return FLAGS.get('chatTemplate')
  if (!(error instanceof InvalidOptionError)) return undefined
  const [name = ''] = /^\w+/.exec(error.path) ?? []
  return FLAGS.get(error.path) ?? FLAGS.get(name)
}

/** The flags of a smaller plan that fits, where the error knows one. */
function thatWouldFit(error: VerbatimError): string {
  if (!(error instanceof OutOfMemoryError) || !error.wouldFit) return ''
  const flags = Object.entries(error.wouldFit)
    .filter(([name]) => FLAGS.has(name))
    .map(([name, value]) => `${FLAGS.get(name)} ${value}`)
  return `. It would fit with ${flags.join(' ')}.`
}
