import type { Model } from '../model.js'
import type { ChosenTokenLogprob, Delta, InferenceResult, TokenLogprob } from '../types.js'
import { type EventFormat, namedEvent, streamRun } from './event-stream.js'
import type { Exchange } from './exchange.js'
import { BodyReader, booleanField, GENERATE_FIELDS, MESSAGES } from './fields.js'
import { errorBody } from './http-error.js'
import type { JsonBody } from './json-body.js'
import { withSnakeCaseNames } from './snake-case.js'

/** The bodies of `/chat`, `/enhance` and `/generate`. */
export const generateBody = new BodyReader(GENERATE_FIELDS, {
  messages: MESSAGES,
  stream: booleanField(false, 'Sends the answer as server-sent events.'),
})

/** The endpoints that generate, each with its default of `max_tokens`; undefined for the library's default. */
export const GENERATE_ENDPOINTS = { '/chat': undefined, '/enhance': 200, '/generate': undefined } as const

/** Answers `/chat`, `/enhance` and `/generate`. */
export async function generate(
  exchange: Exchange,
  body: JsonBody,
  model: Model,
  defaultMaxTokens: number | undefined,
  slowReaderMs: number,
): Promise<Response> {
  const { values, options } = generateBody.read(body)
  const run = model.generateInference(values.messages as string, {
    maxTokens: defaultMaxTokens,
    ...options,
    signal: exchange.signal,
  })
  if (values.stream === true) return streamRun(exchange, run, eventFormat(exchange), slowReaderMs)
  return exchange.json(answer(await exchange.result(run)))
}

/** The body of an answer, from the result of its run. */
export function answer({ text, tokenIds, logprobs, ...rest }: InferenceResult): Record<string, unknown> {
  return { text, ...(withSnakeCaseNames(rest) as object), token_ids: tokenIds, ...logprobsMember(logprobs) }
}

function eventFormat(exchange: Exchange): EventFormat {
  return {
    delta: ({ text, tokenIds, logprobs }: Delta) =>
      namedEvent('delta', { text, token_ids: tokenIds, ...logprobsMember(logprobs) }),
    end: ({ text: _text, tokenIds: _tokenIds, logprobs: _logprobs, ...rest }) =>
      namedEvent('done', withSnakeCaseNames(rest)),
    error: (description) => namedEvent('error', errorBody(description, exchange.id)),
  }
}

function logprobsMember(logprobs: readonly ChosenTokenLogprob[] | undefined) {
  return (
    logprobs && { logprobs: logprobs.map(({ top, ...token }) => ({ ...shown(token), top: top.map(shown) })) }
  )
}

function shown({ tokenId, text, logprob }: TokenLogprob) {
  return { token_id: tokenId, text, logprob }
}
