// Checks and copies the options of each function.
import { randomBytes } from 'node:crypto'
import type { LoadProgress, LogEntry } from '../input-types.js'
import { OptionBag } from './bag.js'
import { GENERATE_ROWS, RENDER_ROWS, TEMPLATE_RENDER_ROWS, TOKENIZE_ROWS } from './generate-options.js'
import { ESTIMATE_MEMORY_ROWS, LOAD_ROWS, type MEMORY_ROWS } from './load-options.js'
import { sameName } from './nearest-name.js'
import type { Checked, OptionRows } from './row.js'
import { readRows } from './values.js'

/** The options of `renderPrompt`, checked and copied. */
export type CheckedRenderOptions = Checked<typeof RENDER_ROWS>

/** The options of `model.generateInference`, checked and copied; the seed is given or drawn. */
export type CheckedGenerateOptions = Omit<Checked<typeof GENERATE_ROWS>, 'seed'> & { readonly seed: number }

/** The options that decide what memory a model takes, checked and copied. */
export type CheckedMemoryOptions = Checked<typeof MEMORY_ROWS>

/** The options of `loadModel`, checked and copied. */
export type CheckedLoadOptions = Omit<Checked<typeof LOAD_ROWS>, 'onProgress' | 'onLog'> & {
  readonly onProgress: ((fraction: LoadProgress) => void) | null
  readonly onLog: ((entry: LogEntry) => void) | null
}

/** The options of the function `generateInference`, checked and copied. */
export type CheckedGenerateInferenceOptions = CheckedGenerateOptions & {
  /** An object; the caller checks that it is a model. */
  readonly model: object
}

/**
 * Checks and copies the options of `renderPrompt`.
 *
 * @throws InvalidOptionError naming the option and what it takes
 */
export function readRenderOptions(options: unknown): CheckedRenderOptions {
  return Object.freeze(readRows(bag(options, RENDER_ROWS), RENDER_ROWS))
}

/**
 * Checks and copies the options of `model.generateInference`, and draws the seed when none is given.
 *
 * @throws InvalidOptionError naming the option and what it takes
 */
export function readGenerateOptions(options: unknown): CheckedGenerateOptions {
  return Object.freeze(generateOptions(bag(options, GENERATE_ROWS)))
}

/**
 * Checks and copies the options of `generateInference`, and draws the seed when none is given.
 *
 * @throws InvalidOptionError naming the option and what it takes
 */
export function readGenerateInferenceOptions(options: unknown): CheckedGenerateInferenceOptions {
  const given = bag(options, GENERATE_ROWS, 'model')
  const model = given.get('model')
  if (typeof model !== 'object' || model === null) throw given.error('model', 'a model from loadModel')
  return Object.freeze({ model, ...generateOptions(given) })
}

function generateOptions(given: OptionBag): CheckedGenerateOptions {
  const read = readRows(given, GENERATE_ROWS)
  return { ...read, seed: read.seed ?? drawSeed() }
}

function drawSeed(): number {
  return Number(randomBytes(8).readBigUInt64LE() >> 11n) // 53 bits
}

/**
 * Checks and copies the options of `loadModel`.
 *
 * @throws InvalidOptionError naming the option and what it takes
 */
export function readLoadOptions(options: unknown): CheckedLoadOptions {
  return Object.freeze(readRows(bag(options, LOAD_ROWS), LOAD_ROWS)) as CheckedLoadOptions
}

/**
 * Checks and copies the options of `estimateMemory`.
 *
 * @throws InvalidOptionError naming the option and what it takes
 */
export function readEstimateMemoryOptions(options: unknown): Checked<typeof ESTIMATE_MEMORY_ROWS> {
  return Object.freeze(readRows(bag(options, ESTIMATE_MEMORY_ROWS), ESTIMATE_MEMORY_ROWS))
}

/**
 * Checks and copies the options of `tokenize`.
 *
 * @throws InvalidOptionError
 */
export function readTokenizeOptions(options: unknown): Checked<typeof TOKENIZE_ROWS> {
  return Object.freeze(readRows(bag(options, TOKENIZE_ROWS), TOKENIZE_ROWS))
}

/**
 * Checks and copies the options of `template.render`.
 *
 * @throws InvalidOptionError naming the option and what it takes
 */
export function readTemplateRenderOptions(options: unknown): Checked<typeof TEMPLATE_RENDER_ROWS> {
  return Object.freeze(readRows(bag(options, TEMPLATE_RENDER_ROWS), TEMPLATE_RENDER_ROWS))
}

/** Aliases of an option of any function. */
export function aliasesOf(name: string): readonly string[] {
  const rows: OptionRows = { ...LOAD_ROWS, ...GENERATE_ROWS }
  return (Object.hasOwn(rows, name) && rows[name]?.aliases) || []
}

/** Reads the options of the function that takes `rows`, and options of the names in `more`. */
function bag(options: unknown, rows: OptionRows, ...more: string[]): OptionBag {
  const names = [...more, ...Object.keys(rows)]
  // Name the right function for an option given to the wrong one.
  const hint = (name: string) => {
    if (sameName(name, names, aliasesOf) !== undefined) return undefined
    for (const [owner, others] of [
      ['loadModel', Object.keys(LOAD_ROWS)],
      ['generateInference', ['model', ...Object.keys(GENERATE_ROWS)]],
    ] as const) {
      const known = sameName(name, others, aliasesOf)
      if (known === name) return `It is an option of ${owner}.`
      if (known !== undefined) return `Did you mean ${known}, an option of ${owner}?`
    }
    return undefined
  }
  return new OptionBag(options, 'options', names, { hint, aliases: aliasesOf })
}
