import { checkShape, type JsonShape, pathStep } from '../json-shape.js'
import { MESSAGES_SHAPE } from '../options/arguments.js'
import { checkNumber, OptionBag, shown, wrongValue } from '../options/bag.js'
import { GENERATE_ROWS, RENDER_ROWS } from '../options/generate-options.js'
import { adviceOn } from '../options/nearest-name.js'
import { aliasesOf } from '../options/read.js'
import type { NumberRange, OptionRow, OptionRows } from '../options/row.js'
import { readOption } from '../options/values.js'
import { invalidField } from './http-error.js'
import type { JsonBody } from './json-body.js'
import { camelCase, inSnakeCase, type SnakeCase, snakeCase } from './snake-case.js'
import { TIME_FIELD } from './time-field.js'

/** A schema of the OpenAPI document. */
export type Schema = Readonly<Record<string, unknown>>

/** A member of a body, and the option of the library that it becomes. */
export interface Field {
  /** Accepted values, for the OpenAPI document. */
  readonly schema: Schema
  /** What it must be, in words, where every body must have it. */
  readonly required?: string
  /** True when it reaches the library as the JSON text that the client sent. */
  readonly asText?: true
  /**
   * Checks the value and returns the option that it becomes; `text` is the value as the client sent it.
   *
   * @throws VerbatimError or HttpError naming the field
   */
  readonly read: (value: unknown, path: string, text: string) => unknown
}

export type Fields = Readonly<Record<string, Field>>

/** A field that takes the numbers of a range. A number that is refused is shown as it was sent, with all its digits. */
export function numberField(range: NumberRange, about: Schema): Field {
  const { integer, min, above, max } = range
  return {
    schema: {
      type: integer ? 'integer' : 'number',
      minimum: above ?? min,
      ...(above !== undefined && { exclusiveMinimum: true }),
      maximum: max,
      ...about,
    },
    read: (value, path, text) =>
      checkNumber(value, path, range, typeof value === 'number' && text.length <= 40 ? text : shown(value)),
  }
}

export function booleanField(fallback: boolean, description: string): Field {
  return { schema: { type: 'boolean', description, default: fallback }, read: readBoolean }
}

export function readBoolean(value: unknown, path: string): unknown {
  if (typeof value !== 'boolean') throw wrongValue(path, 'true or false', value)
  return value
}

export function stringField(required: string): Field {
  return {
    schema: { type: 'string' },
    required,
    read: (value, path) => {
      if (typeof value !== 'string') throw wrongValue(path, required, value)
      return value
    },
  }
}

/** The members of an object. */
export function membersOf(
  value: unknown,
  path: string,
  known: readonly string[],
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw wrongValue(path, `an object with ${known.join(', ')}`, value)
  return Object.assign(Object.create(null), value)
}

export function refuseOthers(members: object, path: string, known: readonly string[]): void {
  for (const name of Object.keys(members)) if (!known.includes(name)) throw unknownField(name, known, path)
}

const anObject = { type: 'object', additionalProperties: {} }

export const MESSAGES: Field = {
  schema: {
    minItems: 1,
    type: 'array',
    items: { ...anObject, properties: { role: { type: 'string' } }, required: ['role'] },
    description: 'The messages; every member of each reaches the chat template as it is.',
  },
  required: 'an array of messages',
  asText: true,
  read: (value, path) => checkShape(value, path, MESSAGES_SHAPE),
}

/** The fields of these options, by their names in bodies. */
type FieldsOf<Rows extends OptionRows> = {
  readonly [Name in keyof Rows as Rows[Name] extends { readonly remote: false }
    ? never
    : SnakeCase<Name & string>]: Field
}

/** Fields of `POST /render` besides the messages. */
export const RENDER_FIELDS = fieldsOf(RENDER_ROWS)

/** Fields of a generation besides the messages: every option of the library but its `signal`. */
export const GENERATE_FIELDS = fieldsOf(GENERATE_ROWS)

export function fieldsOf<Rows extends OptionRows>(rows: Rows): FieldsOf<Rows> {
  const fields = Object.entries(rows)
    .filter(([, { remote }]) => remote !== false)
    .map(([name, row]) => [snakeCase(name), fieldOf(name, row)])
  return Object.fromEntries(fields) as FieldsOf<Rows>
}

function fieldOf(name: string, row: OptionRow): Field {
  const fallback = row.default === null || Array.isArray(row.default) ? {} : { default: row.default }
  const absent = row.default === null && row.defaultText ? ` Default: ${row.defaultText}.` : ''
  const about = { description: inSnakeCase(row.sentence + absent).replaceAll('`', ''), ...fallback }
  const { takes } = row
  if (takes.kind === 'number') return numberField(takes.range, about)
  const { schema, ...field } = valueField(name, row)
  const more = schema.description === undefined ? '' : ` ${schema.description}`
  return { ...field, schema: { ...schema, ...about, description: about.description + more } }
}

/** The field without its description, by the kind of value that the option takes. */
function valueField(name: string, row: OptionRow): Field {
  const { takes } = row
  /** The library's own check. */
  const checked = (value: unknown): unknown => {
    readOption(new OptionBag({ [name]: value }, 'options', [name]), name, row)
    return value
  }
  switch (takes.kind) {
    case 'boolean':
      return { schema: { type: 'boolean' }, read: checked }
    case 'choice':
      return { schema: oneOf(takes.values), read: checked }
    case 'json':
      return {
        schema: jsonSchema(takes.shape),
        asText: true,
        read: (value, path) => checkShape(value, path, takes.shape),
      }
    case 'texts': {
      const text = { type: 'string', minLength: 1 }
      return {
        schema: { anyOf: [text, { maxItems: takes.most, type: 'array', items: text }] },
        read: checked,
      }
    }
    case 'date':
      return TIME_FIELD
    case 'controlTokens': {
      const policy = {
        type: 'object',
        properties: { trust_roles: { type: 'array', items: { type: 'string' } } },
        required: ['trust_roles'],
        additionalProperties: false,
      }
      return {
        schema: { anyOf: [oneOf(['template', 'anywhere']), policy] },
        read: (value, path) => {
          if (typeof value !== 'object' || value === null || Array.isArray(value)) return checked(value)
          const members = membersOf(value, path, ['trust_roles'])
          refuseOthers(members, path, ['trust_roles'])
          return checked({ trustRoles: members.trust_roles })
        },
      }
    }
    default:
      throw new TypeError(`There is no field for an option that takes ${takes.kind}.`)
  }
}

/** The schema of some strings, numbers or booleans. */
export function oneOf(values: readonly (string | number | boolean)[]): Schema {
  const types = [...new Set(values.map((value) => typeof value))]
  const schemas = types.map((type) => ({ type, enum: values.filter((value) => typeof value === type) }))
  return schemas.length === 1 ? (schemas[0] as Schema) : { anyOf: schemas }
}

function jsonSchema({ root, elements }: JsonShape): Schema {
  return root === 'object' ? anObject : { type: 'array', items: elements === 'object' ? anObject : {} }
}

/** The schema of an object with these members and no others; optional ones may be null, which is as good as absent. */
export function objectSchema(fields: Fields): Schema {
  const entries = Object.entries(fields)
  const required = entries.filter((entry) => entry[1].required !== undefined).map(([name]) => name)
  return {
    type: 'object',
    properties: Object.fromEntries(
      entries.map(([name, { schema, required }]) => [name, required === undefined ? orNull(schema) : schema]),
    ),
    ...(required.length > 0 && { required }), // an empty list is none in OpenAPI 3.0
    additionalProperties: false,
  }
}

const NULL = { type: 'string', nullable: true, enum: [null] }

/** The schema, which takes null too. In OpenAPI 3.0.3 `nullable` counts beside a type only, and an enum must have it. */
function orNull(schema: Schema): Schema {
  const { anyOf, enum: values } = schema
  if (Array.isArray(anyOf)) return { ...schema, anyOf: [...anyOf, NULL] }
  return { ...schema, nullable: true, ...(Array.isArray(values) && { enum: [...values, null] }) }
}

export interface CheckedBody {
  /** The members, checked; with `asText`, the JSON text that the client sent. */
  readonly values: Readonly<Record<string, unknown>>
  /** The members that are options of the library, by their names there. */
  readonly options: Readonly<Record<string, unknown>>
}

/** Checks bodies of two kinds of members: `options` of the library, and the endpoint's `own`. */
export class BodyReader {
  /** For the OpenAPI document. */
  readonly schema: Schema
  readonly fields: Fields
  readonly #own: Fields

  constructor(options: Fields, own: Fields) {
    this.fields = { ...options, ...own }
    this.#own = own
    this.schema = objectSchema(this.fields)
  }

  /** @throws VerbatimError or HttpError naming the field */
  read({ values, texts }: JsonBody): CheckedBody {
    const names = Object.keys(this.fields)
    for (const name of values.keys()) if (!names.includes(name)) throw unknownField(name, names)
    for (const [name, { required }] of Object.entries(this.fields)) {
      if (required !== undefined && !values.has(name))
        throw invalidField(name, `is missing: it must be ${required}.`)
    }
    const read: Record<string, unknown> = Object.create(null)
    const options: Record<string, unknown> = {}
    for (const [name, value] of values) {
      const field = this.fields[name] as Field
      if (value === null && field.required === undefined) continue
      const text = texts.get(name) as string
      const checked = field.read(value, name, text)
      read[name] = field.asText ? text : checked
      if (!Object.hasOwn(this.#own, name)) options[camelCase(name)] = read[name]
    }
    return { values: read, options }
  }
}

function unknownField(name: string, names: readonly string[], parent?: string) {
  const advice = adviceOn(name, names, (known) => aliasesOf(camelCase(known)))
  const path = parent === undefined ? pathStep(name).replace(/^\./, '') : parent + pathStep(name)
  return invalidField(path, `is not a field that is known here. ${advice}`)
}
