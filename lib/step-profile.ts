// Times of the engine's steps. For benchmarks, and no part of the public API: index.ts does not name it.
import { type Model, NATIVE } from './model.js'
import type { NativeLogitsProbe, NativeLogitsProbeOptions } from './native.js'

export type { NativeLogitsProbe as LogitsProbe, NativeLogitsProbeOptions as LogitsProbeOptions }

/** Parts of a step's time, in the order of the engine (`StepTimes` in cpp/engine/step-profile.h). */
export const STEP_PARTS = ['scheduling', 'submit', 'wait', 'sampling', 'emission', 'idle'] as const

export type StepPart = (typeof STEP_PARTS)[number]

/** A step of the engine. Times in milliseconds. */
export interface StepTimes {
  /** Sequences that got their next token. */
  readonly generating: number
  readonly promptTokens: number
  readonly drafted: number
  readonly total: number
  /** Each is timed by itself; the total less their sum is time that none covers. */
  readonly parts: Readonly<Record<StepPart, number>>
}

/** Begins to record the model's next `most` steps. */
export function startStepProfile(model: Model, most: number): void {
  model[NATIVE].startStepProfile(most)
}

/** Ends the recording, and returns its steps. */
export function takeStepProfile(model: Model): StepTimes[] {
  const values = model[NATIVE].takeStepProfile()
  const steps: StepTimes[] = []
  for (let at = 0; at < values.length; at += 4 + STEP_PARTS.length) {
    const value = (offset: number) => values[at + offset] as number
    steps.push({
      generating: value(0),
      promptTokens: value(1),
      drafted: value(2),
      total: value(3),
      parts: Object.fromEntries(STEP_PARTS.map((part, i) => [part, value(4 + i)])) as StepTimes['parts'],
    })
  }
  return steps
}

/**
 * Computes the same step of generation with the logits of all sequences, of one and of none, as soon as no request is
 * in progress. Leaves the model's cache empty.
 *
 * Rejects with an error of the addon: `INVALID_OPTION` where it does not fit into the cache, or the cache cannot be
 * shared; `DECODE_FAILED`; `DISPOSED`.
 */
export function probeLogits(model: Model, options: NativeLogitsProbeOptions): Promise<NativeLogitsProbe> {
  return model[NATIVE].probeLogits(options)
}
