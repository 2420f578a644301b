import { z } from 'zod'
import type { Model } from '../model.js'
import { GENERATE_ROWS } from '../options/generate-options.js'
import type { Delta, FinishReason, InferenceResult, Usage } from '../types.js'
import { type EventFormat, streamRun } from './event-stream.js'
import type { Exchange } from './exchange.js'
import { BodyReader, booleanField, GENERATE_FIELDS, MESSAGES, must, number } from './fields.js'
import { HttpError, invalidField, openAiErrorBody } from './http-error.js'
import type { JsonBody } from './json-body.js'
import { openAiLogprobs } from './openai-logprobs.js'

const { logprobs: _, ...SHARED_FIELDS } = GENERATE_FIELDS

/** A field of OpenAI's API that takes only the `values` that mean what happens here anyway. */
const only = (wanted: string, ...values: (string | number | boolean)[]) => ({
  schema: z
    .union(
      values.map((value) => z.literal(value)),
      must(`${wanted}: nothing else can be honoured here`),
    )
    .optional(),
})

/** The body of `/v1/chat/completions`: OpenAI's fields, and those of `/chat` that it does not have. */
export const completionBody = new BodyReader(SHARED_FIELDS, {
  messages: MESSAGES,
  model: { schema: z.string(must('the id of the model')) },
  stream: booleanField(false, 'Sends the answer as server-sent events.'),
  stream_options: {
    schema: z
      .strictObject({ include_usage: z.boolean().nullish() }, must('{ include_usage }, and nothing else'))
      .optional(),
  },
  max_completion_tokens: {
    schema: number(GENERATE_ROWS.maxTokens.takes.range)
      .meta({ description: 'The newer name of max_tokens.' })
      .optional(),
  },
  logprobs: booleanField(false, 'Returns log probabilities.'),
  top_logprobs: {
    schema: number(GENERATE_ROWS.logprobs.takes.range)
      .meta({ description: 'Number of most likely tokens at each place; needs logprobs.' })
      .optional(),
  },
  n: only('1', 1),
  tool_choice: only("'auto' or 'none'", 'auto', 'none'),
  parallel_tool_calls: only('true', true),
  response_format: {
    schema: z
      .strictObject(
        { type: z.literal('text', must("'text': nothing else can be honoured here")) },
        must("{ type: 'text' }"),
      )
      .optional(),
  },
  store: only('false', false),
  service_tier: only("'auto' or 'default'", 'auto', 'default'),
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
  requireModel(values.model, modelId)
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
  const includeUsage =
    (streamOptions as { include_usage?: boolean | null } | undefined)?.include_usage === true
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
export function requireModel(asked: unknown, modelId: string): void {
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
