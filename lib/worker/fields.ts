import { z } from 'zod'
import { pathStep } from '../json-shape.js'
import { LOGPROBS_RANGE, NUMBER_OPTIONS, SEED_RANGE } from '../number-options.js'
import { type NumberRange, nearestName, rangeText, shown } from '../option-bag.js'
import { MAX_STOP_TEXTS } from '../options.js'
import type { ModelGenerateOptions, RenderOptions } from '../types.js'
import { invalidField } from './http-error.js'
import type { JsonBody } from './json-body.js'
import { camelCase, type SnakeCase } from './snake-case.js'

/** A member of a body, and the option of the library that it becomes. */
export interface Field {
  /** What it takes, for the check and for the OpenAPI document. */
  readonly schema: z.ZodType
  /** Whether it reaches the library as the JSON text that the client sent. */
  readonly asText?: true
  /** Makes the option of the value. Default: it is the value. */
  readonly toOption?: (value: never) => unknown
}

export type Fields = Readonly<Record<string, Field>>

/** `must be …, not …` for a value of the wrong kind. */
export const must = (wanted: string) => ({
  error: ({ input }: { readonly input?: unknown }) =>
    input === undefined ? `is missing: it must be ${wanted}.` : `must be ${wanted}, not ${shown(input)}.`,
})

export function number(range: NumberRange, description: string, fallback?: number): z.ZodType {
  const wanted = must(rangeText(range))
  const { integer, min, above, max } = range
  let schema = integer ? z.int(wanted).max(max, wanted) : z.number(wanted).max(max, wanted)
  if (min !== undefined) schema = schema.min(min, wanted)
  if (above !== undefined) schema = schema.gt(above, wanted)
  return schema.meta({ description, ...(fallback !== undefined && { default: fallback }) }).optional()
}

function option(name: keyof typeof NUMBER_OPTIONS, description: string): Field {
  const { range, fallback } = NUMBER_OPTIONS[name]
  return { schema: number(range, description, fallback) }
}

export function flag(fallback: boolean, description: string): Field {
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

/** What `POST /render` takes besides the messages. */
export const RENDER_FIELDS = {
  tools: {
    schema: z
      .array(anObject, must('an array of objects'))
      .meta({ description: 'The tools offered to the model, as its chat template takes them.' })
      .optional(),
    asText: true,
  },
  documents: {
    schema: z
      .array(z.unknown(), must('an array'))
      .meta({ description: 'For retrieval templates.' })
      .optional(),
    asText: true,
  },
  template_variables: {
    schema: anObject.meta({ description: 'Further variables of the chat template.' }).optional(),
    asText: true,
  },
  add_generation_prompt: flag(true, 'Whether the prompt ends with the start of the assistant’s message.'),
  now: {
    schema: z
      .union([z.int(), z.iso.datetime({ offset: true })], must('milliseconds since 1970 or an ISO 8601 time'))
      .meta({ description: 'The time that templates with a date see; by default that of the request.' })
      .optional(),
    toOption: (now: string | number) => new Date(now),
  },
  control_tokens: {
    schema: z
      .union(
        [z.enum(['template', 'anywhere']), z.strictObject({ trust_roles: z.array(z.string()) })],
        must("'template', 'anywhere' or { trust_roles }"),
      )
      .meta({ description: 'Who may write control tokens.', default: 'template' })
      .optional(),
    toOption: (policy: string | { trust_roles: string[] }) =>
      typeof policy === 'string' ? policy : { trustRoles: policy.trust_roles },
  },
} as const satisfies Record<SnakeCase<keyof RenderOptions>, Field>

/** What a generation takes besides the messages: every option of the library but its `signal`. */
export const GENERATE_FIELDS = {
  max_tokens: option('maxTokens', 'How many tokens are generated at most.'),
  temperature: option('temperature', '0 always takes the most likely token.'),
  top_p: option('topP', 'The most likely tokens that together have this probability; 1 is off.'),
  top_k: option('topK', 'This many of the most likely tokens; 0 is off.'),
  min_p: option('minP', 'No tokens less likely than this share of the most likely one; 0 is off.'),
  repetition_penalty: option('repetitionPenalty', 'Divides the scores of tokens that occurred; 1 is off.'),
  presence_penalty: option('presencePenalty', 'Taken from the score of tokens that occurred; 0 is off.'),
  frequency_penalty: option('frequencyPenalty', 'The same for each time that it occurred; 0 is off.'),
  seed: { schema: number(SEED_RANGE, 'Fixes the random choices; drawn and returned otherwise.') },
  stop: {
    schema: z
      .union(
        [text, z.array(text).max(MAX_STOP_TEXTS)],
        must(`a string or an array of at most ${MAX_STOP_TEXTS} strings, none of them empty`),
      )
      .meta({ description: 'Texts that end the generation; they are not part of the result.' })
      .optional(),
  },
  logprobs: {
    schema: number(LOGPROBS_RANGE, 'Log probabilities, and of so many of the most likely tokens.'),
  },
  ignore_end_of_sequence: flag(false, 'Generate on when the model ends its message.'),
  reproducible: flag(false, 'The same tokens whatever else is running: slower.'),
  speculative: {
    schema: z
      .union([z.literal('prompt-lookup'), z.literal(false)], must("'prompt-lookup' or false"))
      .meta({ description: 'Faster where the output repeats the prompt.', default: false })
      .optional(),
  },
  ...RENDER_FIELDS,
} as const satisfies Record<SnakeCase<Exclude<keyof ModelGenerateOptions, 'signal'>>, Field>

/** The schema of a body with these members and no others. */
export function bodySchema(fields: Fields): z.ZodType {
  return z.strictObject(
    Object.fromEntries(Object.entries(fields).map(([name, { schema }]) => [name, schema])),
  )
}

/** A body that has been checked. */
export interface CheckedBody {
  /** The members as the client sent them; for those of `asText` their JSON text. */
  readonly values: Readonly<Record<string, unknown>>
  /** Those that are options of the library, by their names there. */
  readonly options: Readonly<Record<string, unknown>>
}

/** Checks bodies with these members, of which `own` are not options of the library. */
export class BodyReader {
  readonly schema: z.ZodType
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
      const { asText, toOption } = this.#fields[name] as Field
      read[name] = asText ? texts.get(name) : value
      if (name in this.#own) continue
      options[camelCase(name)] = toOption ? toOption(value as never) : read[name]
    }
    return { values: read, options }
  }
}

function unknownField(name: string, names: readonly string[]) {
  const nearest = nearestName(name, names)
  const advice =
    nearest === undefined ? `Known are ${[...names].sort().join(', ')}.` : `Did you mean ${nearest}?`
  return invalidField(pathStep(name).replace(/^\./, ''), `is not a field that is known here. ${advice}`)
}
