import { Inference } from './inference.js'
import { type Model, requireModel, START } from './model.js'
import { readGenerateInferenceOptions } from './options/read.js'
import type { GenerateOptions, Messages } from './types.js'

/** Options of the function {@link generateInference}: those of the method, and the model. */
export type GenerateInferenceOptions = GenerateOptions & {
  /** The model, from `loadModel`. */
  readonly model: Model
}

/**
 * Generates the model's answer to the messages. The model sees exactly these messages, formatted by its own chat
 * template, and nothing else. The messages and options are copied before the call returns.
 *
 * The run starts at the call; the returned {@link Inference} is a promise of the result and an async iterable of its
 * pieces. Everything that is wrong with the call rejects it, nothing is thrown: `InvalidMessagesError`,
 * `InvalidOptionError`, `DisposedError`, `NoChatTemplateError`, `TemplateError`, `TemplateLimitError`,
 * `TemplateIgnoresInputError`, `TokenizeError`, `ContextOverflowError` (the prompt is longer than `contextSize`;
 * nothing is ever cut), `QueueFullError`, `OutOfMemoryError`, `DecodeError`, `CancelledError`, or the reason of an aborted
 * `signal`.
 *
 * @param messages at least one message, or the same as JSON text
 */
export function generateInference(messages: Messages, options: GenerateInferenceOptions): Inference {
  return new Inference(() => {
    const { model, ...checked } = readGenerateInferenceOptions(options)
    return {
      options: checked,
      start: (onNews) => {
        requireModel(model)
        return model[START](messages, checked, onNews)
      },
    }
  })
}
