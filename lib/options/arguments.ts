// Checks and copies the arguments of functions, their options apart.
import { types } from 'node:util'
import type { SpecialTokens } from '../input-types.js'
import { invalidMessages, type JsonShape, reading } from '../json-shape.js'
import { checkWellFormed, wrongValue } from './bag.js'
import { MAX_INT32 } from './row.js'
import { readJson, specialTokens } from './values.js'

/** The shape of messages. */
export const MESSAGES_SHAPE: JsonShape = {
  root: 'array',
  allowEmpty: false,
  elements: 'object',
  elementMember: 'role',
  fail: invalidMessages,
}

/**
 * Checks the messages and copies them as JSON text: an array of at least one object with a string `role`, or JSON
 * text of one.
 *
 * @throws InvalidMessagesError naming the path of what cannot be passed on unchanged
 */
export function readMessages(messages: unknown): string {
  return readJson(messages, 'messages', MESSAGES_SHAPE)
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
 * Checks and copies the token ids given to `detokenize`: an array (or typed array) of integers from 0. The engine
 * refuses ids that the model does not have.
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
 * Checks and copies the special tokens given to `new ChatTemplate`.
 *
 * @throws InvalidOptionError
 */
export function readSpecialTokens(tokens: unknown): SpecialTokens<string | null> {
  return specialTokens(tokens, 'specialTokens')
}

/**
 * Checks the variables given to `template.render` and copies them as JSON text.
 *
 * @throws InvalidOptionError naming the path of what cannot be passed on unchanged
 */
export function readTemplateVariables(variables: unknown): string {
  return readJson(variables, 'variables', { root: 'object' })
}
