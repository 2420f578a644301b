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

/** Every flag that stands for an option, or for one member of it. */
const FLAGS = new Map<string, string>([['modelId', '--model-id']])
for (const [name, row] of FLAG_ROWS) {
  const [flag = '', named] = flagsOf(name, row)
  FLAGS.set(name, flag)
  if (named !== undefined) FLAGS.set(`${name}.path`, flag).set(`${name}.name`, named)
}

/** The flag of an option, or of a member such as `chatTemplate.name`. */
export function flagOf(path: string): string {
  const flag = FLAGS.get(path)
  if (flag === undefined) throw new TypeError(`There is no flag for ${path}.`)
  return flag
}

/** Options whose names are no English words. */
const NO_WORDS = [...FLAGS.keys()].filter((name) => /^\w*[A-Z]\w*$/.test(name))

/** A call that a message shows: `loadModel(path, { chatTemplate })`. */
const CALL = /\bloadModel\(path, \{ (\w+)(?:: \{ (\w+): '(.*?)' \})? \}\)/g

/**
 * Such an option, with a member or a value that a message gives it: `splitMode: 'none'`; or a quoted text, in which
 * there are none, as there are none in the path of a file.
 */
const MENTIONED = new RegExp(
  `"(?:[^"\\\\]|\\\\.)*"|(?<![\\w./\\\\])(${NO_WORDS.join('|')})\\b` +
    `((?:\\.\\w+)?)((?:\\[\\d+\\])?)(?:: (?:'([^']*)'|(\\d+|true|false)\\b))?`,
  'g',
)

/** A text of the table, which marks options, by their flags and without marks. */
export function withoutMarks(text: string): string {
  return text.replace(/`([^`]+)`/g, (_, name: string) => FLAGS.get(name) ?? name)
}

/** A message with flags in place of options. */
export function withFlags(message: string): string {
  const calls = message.replace(CALL, (call, name: string, member?: string, value?: string) => {
    const flag = FLAGS.get(member === undefined ? name : `${name}.${member}`)
    if (flag === undefined) return call
    return value === undefined ? flag : `${flag} ${word(value)}`
  })
  return calls.replace(
    MENTIONED,
    (mention, name: string | undefined, member: string, _item, text?: string, plain?: string) => {
      if (name === undefined) return mention
      const flag = FLAGS.get(name + member) ?? inside(name, member)
      const value = text ?? plain
      return value === undefined ? flag : `${flag} ${value}`
    },
  )
}

/** A value as a word of a command line. */
function word(value: string): string {
  return /^[\w.:-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`
}

/** A member of what a flag takes: `bos_token in --special-tokens`. */
function inside(name: string, member: string): string {
  return `${member === '' ? '' : `${member.slice(1)} in `}${FLAGS.get(name)}`
}

/** The message of an error, with flags in place of options. What a template wrote is left as it is. */
export function textWithFlags({ code, message }: VerbatimError): string {
  return code === 'TEMPLATE_RENDER' ? message : withFlags(message)
}

/** The message of an error, which names the flag that is at fault, whatever the message says. */
export function messageWithFlags(error: VerbatimError): string {
  const flag = flagAtFault(error)
  let message = textWithFlags(error)
  if (error instanceof InvalidOptionError && flag !== undefined && error.message.startsWith(error.path)) {
    const place = withFlags(error.path).replace(/^\w+(\[\d+\])?$/, flag)
    message = place + withFlags(error.message.slice(error.path.length))
  }
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
