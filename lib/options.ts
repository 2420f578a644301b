import { randomBytes } from 'node:crypto'
import { types } from 'node:util'
import { invalidMessages, invalidOption, reading } from './json-shape.js'
import { type JsonShape, readJsonText, toJsonText } from './json-text.js'
import { type SpecialTokens, specialTokens } from './load-options.js'
import { LOGPROBS_RANGE, NUMBER_OPTIONS, SEED_RANGE } from './number-options.js'
import { checkWellFormed, MAX_INT32, OptionBag, wrongValue } from './option-bag.js'
import {
  bag,
  GENERATE_OPTIONS,
  MODEL_GENERATE_OPTIONS,
  RENDER_OPTIONS,
  TEMPLATE_RENDER_OPTIONS,
  TOKENIZE_OPTIONS,
} from './option-names.js'

/** Render options, checked and copied. */
export interface CheckedRenderOptions {
  /** JSON text of an array of objects, or null when absent. */
  readonly toolsJson: string | null
  /** JSON text of an array, or null when absent. */
  readonly documentsJson: string | null
  /** JSON text of an object, or null when absent. */
  readonly templateVariablesJson: string | null
  readonly addGenerationPrompt: boolean
  /** Milliseconds since 1970-01-01T00:00Z. */
  readonly nowMs: number
  /** `'anywhere'`, or the roles that may write control tokens besides the template. */
  readonly controlTokens: 'anywhere' | readonly string[]
}

/** The options of `model.generateInference`, checked and copied. */
export interface CheckedModelGenerateOptions extends CheckedRenderOptions {
  readonly maxTokens: number
  readonly temperature: number
  readonly topP: number
  readonly topK: number
  readonly minP: number
  readonly repetitionPenalty: number
  readonly presencePenalty: number
  readonly frequencyPenalty: number
  /** As given, or drawn anew: an integer from 0 to 2^53 - 1. */
  readonly seed: number
  readonly stop: readonly string[]
  readonly signal: AbortSignal | null
  /** Null when log probabilities are not asked for. */
  readonly logprobs: number | null
  readonly ignoreEndOfSequence: boolean
  readonly reproducible: boolean
  readonly speculative: 'prompt-lookup' | false
}

/** The options of `generateInference`, checked and copied. */
export interface CheckedGenerateOptions extends CheckedModelGenerateOptions {
  /** What was given as the model: any object; whether it is a model is for the caller to check. */
  readonly model: object
}

/** How many texts `stop` can hold. */
export const MAX_STOP_TEXTS = 16

/**
 * Checks the messages and copies them as JSON text: an array of at least one object with a string `role`, or JSON
 * text of one.
 *
 * @throws InvalidMessagesError naming the path of what cannot be passed on unchanged
 */
export function readMessages(messages: unknown): string {
  return readJson(messages, 'messages', {
    root: 'array',
    allowEmpty: false,
    elements: 'object',
    elementMember: 'role',
    fail: invalidMessages,
  })
}

/**
 * Checks and copies the options of `renderPrompt`.
 *
 * @throws InvalidOptionError naming the option and what it takes
 */
export function readRenderOptions(options: unknown): CheckedRenderOptions {
  return Object.freeze(renderOptions(bag(options, RENDER_OPTIONS)))
}

/**
 * Checks and copies the options of `generateInference`, and draws the seed when none is given.
 *
 * @throws InvalidOptionError naming the option and what it takes
 */
export function readGenerateOptions(options: unknown): CheckedGenerateOptions {
  const given = bag(options, GENERATE_OPTIONS)
  const model = given.get('model')
  if (typeof model !== 'object' || model === null) throw given.error('model', 'a model from loadModel')
  return Object.freeze({ model, ...generateOptions(given) })
}

/**
 * Checks and copies the options of `model.generateInference`, and draws the seed when none is given.
 *
 * @throws InvalidOptionError naming the option and what it takes
 */
export function readModelGenerateOptions(options: unknown): CheckedModelGenerateOptions {
  return Object.freeze(generateOptions(bag(options, MODEL_GENERATE_OPTIONS)))
}

function generateOptions(given: OptionBag): CheckedModelGenerateOptions {
  return {
    maxTokens: sampling(given, 'maxTokens'),
    temperature: sampling(given, 'temperature'),
    topP: sampling(given, 'topP'),
    topK: sampling(given, 'topK'),
    minP: sampling(given, 'minP'),
    repetitionPenalty: sampling(given, 'repetitionPenalty'),
    presencePenalty: sampling(given, 'presencePenalty'),
    frequencyPenalty: sampling(given, 'frequencyPenalty'),
    seed: given.number('seed', undefined, SEED_RANGE) ?? drawSeed(),
    stop: stopTexts(given),
    signal: given.signal('signal'),
    logprobs: given.number('logprobs', null, LOGPROBS_RANGE),
    ignoreEndOfSequence: given.boolean('ignoreEndOfSequence', false),
    reproducible: given.boolean('reproducible', false),
    speculative: given.oneOf<'prompt-lookup' | false>('speculative', false, ['prompt-lookup', false]),
    ...renderOptions(given),
  }
}

function sampling(given: OptionBag, name: keyof typeof NUMBER_OPTIONS): number {
  const { range, fallback } = NUMBER_OPTIONS[name]
  return given.number(name, fallback, range)
}

/**
 * Checks and copies the options of `tokenize`.
 *
 * @throws InvalidOptionError
 */
export function readTokenizeOptions(options: unknown): { readonly controlTokens: 'text' | 'parse' } {
  const given = bag(options, TOKENIZE_OPTIONS)
  return Object.freeze({ controlTokens: given.oneOf('controlTokens', 'text', ['text', 'parse']) })
}

/**
 * Checks the text given to `tokenize`: a string, which may be empty, without lone surrogates.
 *
 * @throws InvalidOptionError
 */
export function readText(text: unknown): string {
  if (typeof text !== 'string') throw wrongValue('text', 'a string', text)
  checkWellFormed(text, 'text')
  return text
}

/**
 * Checks and copies the token ids given to `detokenize`: an array (or typed array) of integers from 0. Whether the
 * model has such tokens is for the engine to say.
 *
 * @throws InvalidOptionError
 */
export function readTokenIds(tokenIds: unknown): Int32Array {
  if (!Array.isArray(tokenIds) && !types.isTypedArray(tokenIds)) {
    throw wrongValue('tokenIds', 'an array of integers', tokenIds)
  }
  return reading('tokenIds', () => copyTokenIds(tokenIds as ArrayLike<unknown>))
}

function copyTokenIds(tokenIds: ArrayLike<unknown>): Int32Array {
  const { length } = tokenIds
  const copy = new Int32Array(length)
  for (let i = 0; i < length; i++) {
    const id = tokenIds[i]
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > MAX_INT32) {
      throw wrongValue(`tokenIds[${i}]`, `an integer from 0 to ${MAX_INT32}`, id)
    }
    copy[i] = id
  }
  return copy
}

function readJson(value: unknown, path: string, shape: JsonShape): string {
  return typeof value === 'string' ? readJsonText(value, path, shape) : toJsonText(value, path, shape)
}

function optionalJson(given: OptionBag, name: string, shape: JsonShape): string | null {
  const value = given.get(name)
  return value === undefined ? null : readJson(value, name, shape)
}

const HAS_OWN_OPTION = new Map([
  ['messages', 'is not a template variable to set: the messages are an argument of their own.'],
  ['tools', 'is not a template variable to set: use the option tools.'],
  ['documents', 'is not a template variable to set: use the option documents.'],
  ['add_generation_prompt', 'is not a template variable to set: use the option addGenerationPrompt.'],
])

function renderOptions(given: OptionBag): CheckedRenderOptions {
  return {
    toolsJson: optionalJson(given, 'tools', { root: 'array', elements: 'object' }),
    documentsJson: optionalJson(given, 'documents', { root: 'array' }),
    templateVariablesJson: optionalJson(given, 'templateVariables', {
      root: 'object',
      refusedMembers: HAS_OWN_OPTION,
    }),
    addGenerationPrompt: given.boolean('addGenerationPrompt', true),
    nowMs: nowMs(given),
    controlTokens: controlTokens(given),
  }
}

function controlTokens(given: OptionBag): 'anywhere' | readonly string[] {
  const value = given.get('controlTokens')
  if (value === undefined || value === 'template') return []
  if (value === 'anywhere') return 'anywhere'
  if (typeof value !== 'object' || value === null)
    throw given.error('controlTokens', "'template', 'anywhere' or { trustRoles }")
  const policy = new OptionBag(value, 'controlTokens', ['trustRoles'], 'controlTokens.')
  return reading('controlTokens.trustRoles', () => {
    const roles = policy.get('trustRoles')
    if (!Array.isArray(roles) || roles.some((role) => typeof role !== 'string'))
      throw policy.error('trustRoles', 'an array of roles')
    return Object.freeze([...roles])
  })
}

/** The internal slot is read: Dates of other realms work, and methods the caller put on one are not called. */
function nowMs(given: OptionBag): number {
  const now = given.get('now')
  if (now === undefined) return Date.now()
  const time = types.isDate(now) ? Date.prototype.getTime.call(now) : Number.NaN
  if (Number.isNaN(time)) throw given.error('now', 'a valid Date')
  return time
}

function drawSeed(): number {
  return Number(randomBytes(8).readBigUInt64LE() >> 11n) // 53 bits
}

function stopTexts(given: OptionBag): readonly string[] {
  const stop = given.get('stop')
  if (stop === undefined) return Object.freeze([])
  if (typeof stop === 'string') return Object.freeze([stopText(stop, 'stop')])
  return reading('stop', () => stopList(given, stop))
}

function stopList(given: OptionBag, stop: unknown): readonly string[] {
  if (!Array.isArray(stop)) throw given.error('stop', 'a string or an array of strings')
  const { length } = stop
  if (length > MAX_STOP_TEXTS) {
    throw invalidOption('stop', `must hold at most ${MAX_STOP_TEXTS} strings, not ${length}.`)
  }
  return Object.freeze(Array.from({ length }, (_, i) => stopText(stop[i], `stop[${i}]`)))
}

function stopText(value: unknown, path: string): string {
  if (typeof value !== 'string' || value === '') throw wrongValue(path, 'a string that is not empty', value)
  checkWellFormed(value, path)
  return value
}

/**
 * Checks the source given to `new ChatTemplate`: a string without lone surrogates.
 *
 * @throws InvalidOptionError
 */
export function readTemplateSource(source: unknown): string {
  if (typeof source !== 'string') throw wrongValue('source', 'a string', source)
  checkWellFormed(source, 'source')
  return source
}

/**
 * Checks the variables given to `template.render` and copies them as JSON text.
 *
 * @throws InvalidOptionError naming the path of what cannot be passed on unchanged
 */
export function readTemplateVariables(variables: unknown): string {
  return readJson(variables, 'variables', { root: 'object' })
}

/**
 * Checks and copies the options of `template.render`.
 *
 * @throws InvalidOptionError naming the option and what it takes
 */
export function readTemplateRenderOptions(options: unknown): {
  readonly nowMs: number
  readonly specialTokens: SpecialTokens
} {
  const given = bag(options, TEMPLATE_RENDER_OPTIONS)
  return Object.freeze({ nowMs: nowMs(given), specialTokens: specialTokens(given) })
}
