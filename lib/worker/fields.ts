import { z } from 'zod'
import { type JsonShape, pathStep } from '../json-shape.js'
import { shown } from '../options/bag.js'
import { GENERATE_ROWS, RENDER_ROWS } from '../options/generate-options.js'
import { nearestName } from '../options/nearest-name.js'
import { aliasesOf } from '../options/read.js'
import { type NumberRange, type OptionRow, type OptionRows, rangeText } from '../options/row.js'
import { invalidField } from './http-error.js'
import type { JsonBody } from './json-body.js'
import { camelCase, inSnakeCase, type SnakeCase, snakeCase } from './snake-case.js'

/** A member of a body, and the option of the library that it becomes. */
export interface Field {
  /** Accepted values, for the check and for the OpenAPI document. */
  readonly schema: z.ZodType
  /** True when it reaches the library as the JSON text that the client sent. */
  readonly asText?: true
  /** Makes the option from the value. Default: the value itself. */
  readonly toOption?: (value: never) => unknown
}

export type Fields = Readonly<Record<string, Field>>

/** `must be …, not …` for a value of the wrong kind. */
export const must = (wanted: string) => ({
  error: ({ input }: { readonly input?: unknown }) =>
    input === undefined ? `is missing: it must be ${wanted}.` : `must be ${wanted}, not ${shown(input)}.`,
})

export function number(range: NumberRange): z.ZodType {
  const wanted = must(rangeText(range))
  const { integer, min, above, max } = range
  let schema = integer ? z.int(wanted).max(max, wanted) : z.number(wanted).max(max, wanted)
  if (min !== undefined) schema = schema.min(min, wanted)
  if (above !== undefined) schema = schema.gt(above, wanted)
  return schema
}

export function booleanField(fallback: boolean, description: string): Field {
  return { schema: z.boolean(must('true or false')).meta({ description, default: fallback }).optional() }
}

const anObject = z.looseObject({}, must('an object'))

export const MESSAGES: Field = {
  schema: z
    .array(
      z.looseObject({ role: z.string(must('a string')) }, must('an object')),
      must('an array of messages'),
    )
    .min(1, { error: 'must not be empty.' })
    .meta({ description: 'The messages; every member of each reaches the chat template as it is.' }),
  asText: true,
}

const text = z.string(must('a string that is not empty')).min(1, must('a string that is not empty'))

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
    .map(([name, row]) => [snakeCase(name), fieldOf(row)])
  return Object.fromEntries(fields) as FieldsOf<Rows>
}

function fieldOf(row: OptionRow): Field {
  const { schema, ...field } = valueField(row)
  const fallback = row.default === null || Array.isArray(row.default) ? {} : { default: row.default }
  const absent = row.default === null && row.defaultText ? ` Default: ${row.defaultText}.` : ''
  const description = inSnakeCase(row.sentence + absent).replaceAll('`', '')
  return { ...field, schema: schema.meta({ description, ...fallback }).optional() }
}

/** The field without its description, by the kind of value that the option takes. */
function valueField({ takes }: OptionRow): Field {
  switch (takes.kind) {
    case 'number':
      return { schema: number(takes.range) }
    case 'boolean':
      return { schema: z.boolean(must('true or false')) }
    case 'choice': {
      const wanted = takes.values.map((value) => (typeof value === 'string' ? `'${value}'` : value))
      return {
        schema: z.union(
          takes.values.map((value) => z.literal(value)),
          must(wanted.join(' or ')),
        ),
      }
    }
    case 'json':
      return { schema: jsonSchema(takes.shape), asText: true }
    case 'texts': {
      const wanted = `a string or an array of at most ${takes.most} strings, none of them empty`
      return { schema: z.union([text, z.array(text).max(takes.most)], must(wanted)) }
    }
    case 'date':
      return {
        schema: z.union(
          [z.int(), z.iso.datetime({ offset: true })],
          must('milliseconds since 1970 or an ISO 8601 time'),
        ),
        toOption: (now: string | number) => new Date(now),
      }
    case 'controlTokens':
      return {
        schema: z.union(
          [z.enum(['template', 'anywhere']), z.strictObject({ trust_roles: z.array(z.string()) })],
          must(inSnakeCase(takes.wanted)),
        ),
        toOption: (policy: string | { trust_roles: string[] }) =>
          typeof policy === 'string' ? policy : { trustRoles: policy.trust_roles },
      }
    default:
      throw new TypeError(`There is no field for an option that takes ${takes.kind}.`)
  }
}

function jsonSchema({ root, elements }: JsonShape): z.ZodType {
  if (root === 'object') return anObject
  return elements === 'object'
    ? z.array(anObject, must('an array of objects'))
    : z.array(z.unknown(), must('an array'))
}

/** The schema of a body with these members and no others; optional ones may be null, which is as good as absent. */
export function bodySchema(fields: Fields): z.ZodObject {
  return z.strictObject(
    Object.fromEntries(
      Object.entries(fields).map(([name, { schema }]) => [
        name,
        schema.safeParse(undefined).success ? schema.nullable() : schema,
      ]),
    ),
  )
}

export interface CheckedBody {
  /** The members as the client sent them; with `asText`, their JSON text. */
  readonly values: Readonly<Record<string, unknown>>
  /** The members that are options of the library, by their names there. */
  readonly options: Readonly<Record<string, unknown>>
}

/** Checks bodies of two kinds of members: `options` of the library, and the endpoint's `own`. */
export class BodyReader {
  readonly schema: z.ZodObject
  readonly #fields: Fields
  readonly #own: Fields

  constructor(options: Fields, own: Fields) {
    this.#fields = { ...options, ...own }
    this.#own = own
    this.schema = bodySchema(this.#fields)
  }

  /** @throws HttpError 400 naming the field */
  read({ values, texts }: JsonBody): CheckedBody {
    const names = Object.keys(this.#fields)
    for (const name of values.keys()) if (!names.includes(name)) throw unknownField(name, names)
    const checked = this.schema.safeParse(Object.fromEntries(values))
    if (!checked.success) {
      const [issue] = checked.error.issues
      const path = (issue?.path ?? []).map(pathStep).join('').replace(/^\./, '')
      throw invalidField(path, issue?.message ?? 'is not valid.')
    }
    const read: Record<string, unknown> = {}
    const options: Record<string, unknown> = {}
    for (const [name, value] of values) {
      if (value === null) continue
      const { asText, toOption } = this.#fields[name] as Field
      read[name] = asText ? texts.get(name) : value
      if (name in this.#own) continue
      options[camelCase(name)] = toOption ? toOption(value as never) : read[name]
    }
    return { values: read, options }
  }
}

function unknownField(name: string, names: readonly string[]) {
  const nearest = nearestName(name, names, (known) => aliasesOf(camelCase(known)))
  const advice =
    nearest === undefined ? `Known are ${[...names].sort().join(', ')}.` : `Did you mean ${nearest}?`
  return invalidField(pathStep(name).replace(/^\./, ''), `is not a field that is known here. ${advice}`)
}
