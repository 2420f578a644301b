import { MAX_INT32, type NumberRange } from './option-bag.js'

/** A numeric option of `generateInference`: what it takes, and what it is when it is not given. */
export interface NumberOption {
  readonly range: NumberRange
  readonly fallback: number
}

/** The numeric options of `generateInference` that have a value of their own when they are not given. */
export const NUMBER_OPTIONS = {
  maxTokens: { range: { integer: true, min: 1, max: MAX_INT32 }, fallback: 512 },
  temperature: { range: { min: 0, max: 100 }, fallback: 0.7 },
  topP: { range: { above: 0, max: 1 }, fallback: 0.9 },
  topK: { range: { integer: true, min: 0, max: MAX_INT32 }, fallback: 0 },
  minP: { range: { min: 0, max: 1 }, fallback: 0 },
  repetitionPenalty: { range: { above: 0, max: 100 }, fallback: 1 },
  presencePenalty: { range: { min: -100, max: 100 }, fallback: 0 },
  frequencyPenalty: { range: { min: -100, max: 100 }, fallback: 0 },
} as const satisfies Record<string, NumberOption>

/** The seed: drawn anew when it is not given. */
export const SEED_RANGE: NumberRange = { integer: true, min: 0, max: Number.MAX_SAFE_INTEGER }

/** How many of the most likely tokens `logprobs` can ask for. */
export const LOGPROBS_RANGE: NumberRange = { integer: true, min: 0, max: 20 }
