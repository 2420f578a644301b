import { loadAddon } from '../addon.js'
import { GENERATE_ROWS } from '../options/generate-options.js'
import type { Schema } from './fields.js'
import { GENERATE_ENDPOINTS, generateBody } from './generate.js'
import { completionBody } from './openai.js'
import { renderBody, tokenizeBody } from './prompts.js'

const json = (schema: object) => ({ 'application/json': { schema } })

const TOKEN_IDS = { type: 'array', items: { type: 'integer' } }

const GENERATED = {
  finish_reason: { enum: ['stop', 'length', 'stop-string', 'context'] },
  usage: {
    type: 'object',
    properties: ofType('integer', 'prompt_tokens', 'cached_tokens', 'completion_tokens'),
  },
  timings: {
    type: 'object',
    properties: {
      ...ofType('number', 'queue_ms', 'prefill_ms', 'first_token_ms', 'per_token_ms', 'total_ms'),
      ...ofType('integer', 'drafted_tokens', 'accepted_tokens'),
    },
    description: 'Durations in milliseconds, and counts of drafted and of accepted tokens.',
  },
  seed: { type: 'integer' },
  receipt: { type: 'object', description: 'Hashes of what went in, of the prompt and of the output.' },
}

const ERROR = {
  type: 'object',
  properties: {
    error: {
      type: 'object',
      properties: {
        code: { type: 'string' },
        message: { type: 'string' },
        path: { type: 'string', description: 'The offending field.' },
        request_id: { type: 'string' },
      },
      required: ['code', 'message', 'request_id'],
    },
  },
}

/** Errors below `/v1`. */
const OPENAI_ERROR = {
  type: 'object',
  properties: {
    error: {
      type: 'object',
      properties: {
        message: { type: 'string' },
        type: { enum: ['invalid_request_error', 'server_error'] },
        param: { type: 'string', nullable: true, description: 'The offending field.' },
        code: { type: 'string' },
      },
      required: ['message', 'type', 'param', 'code'],
    },
  },
}

const STREAM = {
  schema: {
    type: 'string',
    description:
      'With stream: true. Events: delta { text, token_ids, logprobs? }, then done { finish_reason, usage, timings, seed, receipt } or error { error }.',
  },
}

function ofType(type: 'integer' | 'number', ...names: string[]) {
  return Object.fromEntries(names.map((name) => [name, { type }]))
}

function members(properties: Record<string, object>) {
  return { type: 'object', properties, required: Object.keys(properties) }
}

function post(summary: string, body: Schema, answer: object, stream = false, error: object = ERROR) {
  return {
    post: {
      summary,
      requestBody: {
        required: true,
        content: json(body),
      },
      responses: {
        200: {
          description: 'The answer.',
          content: { ...json(answer), ...(stream && { 'text/event-stream': STREAM }) },
        },
        default: { description: 'The error.', content: json(error) },
      },
    },
  }
}

function get(summary: string, type = 'application/json', error: object = ERROR) {
  return {
    get: {
      summary,
      responses: {
        200: { description: 'The answer.', content: { [type]: { schema: {} } } },
        default: { description: 'The error.', content: json(error) },
      },
    },
  }
}

/** The schema of a body in which a field has another default. */
function withDefault(body: Schema, name: string, fallback: number): Schema {
  const properties = body.properties as Readonly<Record<string, Schema>>
  return { ...body, properties: { ...properties, [name]: { ...properties[name], default: fallback } } }
}

let document: object | undefined

/** The OpenAPI document of the worker. Its paths are relative to where the worker is mounted. */
export function openApiDocument(): object {
  document ??= makeDocument()
  return document
}

function makeDocument(): object {
  const generated = members({ text: { type: 'string' }, ...GENERATED, token_ids: TOKEN_IDS })
  const generation = Object.entries(GENERATE_ENDPOINTS).map(([path, maxTokens]) => [
    path,
    post(
      `Generates the model's answer to the messages; max_tokens is ${maxTokens ?? GENERATE_ROWS.maxTokens.default} by default.`,
      maxTokens === undefined
        ? generateBody.schema
        : withDefault(generateBody.schema, 'max_tokens', maxTokens),
      generated,
      true,
    ),
  ])
  const rendered = members({
    text: { type: 'string' },
    spans: { type: 'array', items: { type: 'object' } },
    token_ids: TOKEN_IDS,
    prompt_tokens: { type: 'integer' },
    context_size: { type: 'integer' },
    max_tokens: { type: 'integer' },
    prompt_fits: { type: 'boolean' },
    fits: { type: 'boolean' },
  })
  return {
    openapi: '3.0.3',
    info: { title: 'verbatim-llama worker', version: loadAddon().version },
    components: { securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
    security: [{}, { key: [] }],
    paths: {
      ...Object.fromEntries(generation),
      '/render': post(
        'The exact prompt, and whether it fits; generates nothing.',
        renderBody.schema,
        rendered,
      ),
      '/tokenize': post(
        'The tokens of a text.',
        tokenizeBody.schema,
        members({ token_ids: TOKEN_IDS, count: { type: 'integer' } }),
      ),
      '/v1/chat/completions': post(
        'As in OpenAI’s API.',
        completionBody.schema,
        { type: 'object' },
        true,
        OPENAI_ERROR,
      ),
      '/v1/models': get('As in OpenAI’s API.', 'application/json', OPENAI_ERROR),
      '/v1/models/{id}': {
        ...get(
          'As in OpenAI’s API; 404 for any other model than the one here.',
          'application/json',
          OPENAI_ERROR,
        ),
        parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }],
      },
      '/worker/info': get('Facts about the worker, and hashes that prove them.'),
      '/health': get('Answers 200 while the process runs.'),
      '/ready': get('Answers 200 while the model is loaded and the worker takes requests, else 503.'),
      '/metrics': get('Metrics for Prometheus.', 'text/plain'),
      '/openapi.json': get('This document.'),
    },
  }
}
