import { invalidOption } from '../json-shape.js'
import type { Model } from '../model.js'
import { shown } from '../options/bag.js'
import { GENERATE_ROWS } from '../options/generate-options.js'
import type { Delta, FinishReason, InferenceResult, Usage } from '../types.js'
import { type EventFormat, streamRun } from './event-stream.js'
import type { Exchange } from './exchange.js'
import {
  BodyReader,
  booleanField,
  type Field,
  type Fields,
  GENERATE_FIELDS,
  MESSAGES,
  membersOf,
  numberField,
  objectSchema,
  oneOf,
  readBoolean,
  refuseOthers,
  stringField,
} from './fields.js'
import { HttpError, invalidField, openAiErrorBody } from './http-error.js'
import type { JsonBody } from './json-body.js'
import { openAiLogprobs } from './openai-logprobs.js'

const { logprobs: _, ...SHARED_FIELDS } = GENERATE_FIELDS

/** A field of OpenAI's API that takes only the `values` that mean what happens here anyway; `why` ends the refusal. */
function only(values: readonly (string | number | boolean)[], why: string): Field {
  const words = values.map((value) => (typeof value === 'string' ? `'${value}'` : value)).join(', ')
  return {
    schema: oneOf(values),
    read: (value, path) => {
      if (!values.includes(value as string))
        throw invalidOption(path, `must be ${words} or absent, not ${shown(value)}: ${why}.`)
      return value
    },
  }
}

/** Members of an object in OpenAI's API. Null is as good as absent, as it is for the fields of the body. */
function objectField(members: Fields): Field {
  const names = Object.keys(members)
  return {
    schema: objectSchema(members),
    read: (value, path) => {
      const all = Object.entries(membersOf(value, path, names))
      const given = Object.fromEntries(all.filter(([, member]) => member !== null))
      for (const [name, { required, read }] of Object.entries(members)) {
        if (Object.hasOwn(given, name)) read(given[name], `${path}.${name}`, '')
        else if (required !== undefined)
          throw invalidOption(`${path}.${name}`, `is missing: it must be ${required}.`)
      }
      refuseOthers(given, path, names)
      return given
    },
  }
}

/** The body of `/v1/chat/completions`: OpenAI's fields, and those of `/chat` that it does not have. */
export const completionBody = new BodyReader(SHARED_FIELDS, {
  messages: MESSAGES,
  model: stringField('the id of the model'),
  stream: booleanField(false, 'Sends the answer as server-sent events.'),
  stream_options: objectField({ include_usage: { schema: { type: 'boolean' }, read: readBoolean } }),
  max_completion_tokens: numberField(GENERATE_ROWS.maxTokens.takes.range, {
    description: 'The newer name of max_tokens.',
  }),
  logprobs: booleanField(false, 'Returns log probabilities.'),
  top_logprobs: numberField(GENERATE_ROWS.logprobs.takes.range, {
    description: 'Number of most likely tokens at each place; needs logprobs.',
  }),
  n: only([1], 'a request has one answer here'),
  tool_choice: only(['auto', 'none'], 'nothing here can make the model call a tool'),
  parallel_tool_calls: only([true], 'nothing here can keep the model from calling several tools'),
  response_format: objectField({
    type: { ...only(['text'], 'nothing here constrains what the model writes'), required: "'text'" },
  }),
  store: only([false], 'nothing is stored here'),
  service_tier: only(['auto', 'default'], 'all requests are served alike here'),
})

/** Answers `/v1/chat/completions`. */
export async function complete(
  exchange: Exchange,
  body: JsonBody,
  model: Model,
  modelId: string,
  slowReaderMs: number,
): Promise<Response> {
  const { values, options } = completionBody.read(withoutNulls(body))
  requireModelId(values.model, modelId)
  const { stream, stream_options: streamOptions } = values
  if (streamOptions !== undefined && stream !== true)
    throw invalidField('stream_options', 'is only for answers with stream: true.')
  const run = model.generateInference(values.messages as string, {
    ...options,
    ...maxTokens(values),
    ...logprobs(values),
    signal: exchange.signal,
  })
  const head = { id: `chatcmpl-${exchange.id}`, created: Math.floor(Date.now() / 1000), model: modelId }
  if (stream !== true) return exchange.json(completion(head, await exchange.result(run)))
  const includeUsage = (streamOptions as { include_usage?: boolean } | undefined)?.include_usage === true
  return streamRun(exchange, run, chunks(head, includeUsage), slowReaderMs)
}

/** The model object of `/v1/models/{id}`. */
export function modelObject(modelId: string, created: number) {
  return { id: modelId, object: 'model', created, owned_by: 'verbatim-llama' }
}

/** The list of `/v1/models`. */
export function modelList(modelId: string, created: number) {
  return { object: 'list', data: [modelObject(modelId, created)] }
}

/** Refuses the name of another model. @throws HttpError 404 */
export function requireModelId(asked: unknown, modelId: string): void {
  if (asked !== modelId)
    throw new HttpError('MODEL_UNKNOWN', `The model here is ${modelId}.`, { path: 'model' })
}

/** Drops members that are null, also of fields that are not known here: clients send null for all that OpenAI has. */
function withoutNulls({ values, texts }: JsonBody): JsonBody {
  return { values: new Map([...values].filter(([, value]) => value !== null)), texts }
}

function maxTokens({ max_tokens: old, max_completion_tokens: wanted }: Readonly<Record<string, unknown>>) {
  if (wanted === undefined) return {}
  if (old !== undefined && old !== wanted)
    throw invalidField('max_completion_tokens', 'and max_tokens differ: send one of them.')
  return { maxTokens: wanted as number }
}

function logprobs({ logprobs, top_logprobs: top }: Readonly<Record<string, unknown>>) {
  if (logprobs === true) return { logprobs: (top as number | undefined) ?? 0 }
  if (top !== undefined) throw invalidField('top_logprobs', 'needs logprobs: true.')
  return {}
}

interface Head {
  readonly id: string
  readonly created: number
  readonly model: string
}

const FINISH_REASONS: Record<FinishReason, 'stop' | 'length'> = {
  stop: 'stop',
  'stop-string': 'stop',
  length: 'length',
  context: 'length',
}

function completion(head: Head, { text, finishReason, usage, logprobs }: InferenceResult) {
  const choice = {
    index: 0,
    message: { role: 'assistant', content: text, refusal: null },
    logprobs: logprobs ? openAiLogprobs(logprobs) : null,
    finish_reason: FINISH_REASONS[finishReason],
  }
  return { ...head, object: 'chat.completion', choices: [choice], usage: openAiUsage(usage) }
}

function openAiUsage({ promptTokens, cachedTokens, completionTokens }: Usage) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  }
}

function chunks(head: Head, includeUsage: boolean): EventFormat {
  let begun = false
  const event = (data: unknown) => `data: ${JSON.stringify(data)}\n\n`
  const chunk = (choices: readonly unknown[], usage: unknown = null) =>
    event({ ...head, object: 'chat.completion.chunk', choices, ...(includeUsage && { usage }) })
  const choice = (delta: object, finishReason: string | null, logprobs: unknown = null) =>
    chunk([{ index: 0, delta, logprobs, finish_reason: finishReason }])
  const begin = () => {
    if (begun) return ''
    begun = true
    return choice({ role: 'assistant', content: '' }, null)
  }
  return {
    delta: ({ text, logprobs }: Delta) => {
      if (text === '' && (logprobs ?? []).length === 0) return ''
      return begin() + choice({ content: text }, null, logprobs ? openAiLogprobs(logprobs) : null)
    },
    end: ({ finishReason, usage }) =>
      `${begin()}${choice({}, FINISH_REASONS[finishReason])}${includeUsage ? chunk([], openAiUsage(usage)) : ''}data: [DONE]\n\n`,
    error: (description) => event(openAiErrorBody(description)),
  }
}
