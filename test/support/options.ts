import { expect } from 'vitest'
import { InvalidMessagesError, InvalidOptionError, type VerbatimError } from '#lib/errors.js'
import type { Model } from '#lib/model.js'
import { readGenerateInferenceOptions } from '#lib/options/read.js'

/** A stand-in for a model, which options only carry. */
export const model = {} as Model

/** The error by which options or messages are refused; fails when they are not. */
export function refusal(run: () => unknown): VerbatimError & { path: string } {
  try {
    run()
  } catch (error) {
    expect([InvalidOptionError, InvalidMessagesError]).toContain((error as Error).constructor)
    return error as InvalidOptionError
  }
  throw new Error('was not refused')
}

/** The checked options of generateInference, with the stand-in for a model. */
export const generate = (options: object) => readGenerateInferenceOptions({ model, ...options })
