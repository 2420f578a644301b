import type { Model } from '../model.js'
import { GENERATE_ROWS, TOKENIZE_ROWS } from '../options/generate-options.js'
import type { Exchange } from './exchange.js'
import { BodyReader, fieldsOf, MESSAGES, numberField, RENDER_FIELDS, stringField } from './fields.js'
import type { JsonBody } from './json-body.js'

const { maxTokens: maxTokensRow } = GENERATE_ROWS

/** The body of `/render`. */
export const renderBody = new BodyReader(RENDER_FIELDS, {
  messages: MESSAGES,
  max_tokens: numberField(maxTokensRow.takes.range, {
    description: 'Number of tokens to be generated, for the answer to whether they fit.',
    default: maxTokensRow.default,
  }),
})

/** The body of `/tokenize`. */
export const tokenizeBody = new BodyReader(fieldsOf(TOKENIZE_ROWS), {
  text: stringField('a string'),
})

/** Answers `/render`: the exact prompt, and whether it fits; generates nothing. */
export async function render(exchange: Exchange, body: JsonBody, model: Model): Promise<Response> {
  const { values, options } = renderBody.read(body)
  const { text, spans, tokenIds, chatTemplate } = await model.renderPrompt(values.messages as string, options)
  const maxTokens = (values.max_tokens as number | undefined) ?? maxTokensRow.default
  const { contextSize } = model.info
  return exchange.json({
    text,
    spans,
    token_ids: tokenIds,
    chat_template: chatTemplate,
    prompt_tokens: tokenIds.length,
    context_size: contextSize,
    max_tokens: maxTokens,
    prompt_fits: tokenIds.length <= contextSize,
    fits: tokenIds.length + maxTokens <= contextSize,
  })
}

/** Answers `/tokenize`. */
export async function tokenize(exchange: Exchange, body: JsonBody, model: Model): Promise<Response> {
  const { values, options } = tokenizeBody.read(body)
  const tokenIds = await model.tokenize(values.text as string, options)
  return exchange.json({ token_ids: tokenIds, count: tokenIds.length })
}
