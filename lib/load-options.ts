import { invalidOption, reading } from './json-shape.js'
import { checkWellFormed, MAX_INT32, OptionBag, wrongValue } from './option-bag.js'
import { bag, ESTIMATE_MEMORY_OPTIONS, LOAD_OPTIONS, SPECIAL_TOKENS } from './option-names.js'
import type { KvCacheType, LogEntry, SpecialTokenName } from './types.js'

/** Special tokens, checked and copied: only those that were given; null stands for "no such token". */
export type SpecialTokens = Readonly<Partial<Record<SpecialTokenName, string | null>>>

/** The options that decide what memory a model takes, checked and copied. Null where the engine chooses. */
export interface CheckedMemoryOptions {
  readonly contextSize: number | null
  readonly cacheSize: number | null
  readonly maxSequences: number
  readonly gpuLayers: number | 'auto'
  /** Empty for all. */
  readonly devices: readonly string[]
  readonly splitMode: 'layer' | 'none'
  readonly mainGpu: number
  /** Empty: by free memory. */
  readonly tensorSplit: readonly number[]
  readonly flashAttention: boolean | 'auto'
  readonly kvCacheType: KvCacheType | null
  readonly onOutOfMemory: 'fit' | 'throw'
}

/** Load options, checked and copied. Null where the engine chooses. */
export interface CheckedLoadOptions extends CheckedMemoryOptions {
  readonly maxQueue: number
  readonly prefixCacheSize: number | null
  readonly threads: number | null
  readonly chatTemplate: string | null
  /** The name of a template in the file; null for its own, or for `chatTemplate`. */
  readonly chatTemplateName: string | null
  readonly specialTokens: SpecialTokens
  readonly signal: AbortSignal | null
  readonly onProgress: ((fraction: number) => void) | null
  readonly onLog: ((entry: LogEntry) => void) | null
}

const KV_CACHE_TYPES: readonly KvCacheType[] = [
  'f32',
  'f16',
  'bf16',
  'q8_0',
  'q5_1',
  'q5_0',
  'q4_1',
  'q4_0',
  'iq4_nl',
]

/** How many GPUs `devices` and `tensorSplit` can name. */
const MAX_DEVICES = 16

/**
 * Checks and copies the options of `loadModel`.
 *
 * @throws InvalidOptionError naming the option and what it takes
 */
export function readLoadOptions(options: unknown): CheckedLoadOptions {
  const given = bag(options, LOAD_OPTIONS)
  return Object.freeze({
    ...memoryOptions(given),
    maxQueue: given.number('maxQueue', 1000, { integer: true, min: 0, max: MAX_INT32 }),
    prefixCacheSize: given.number('prefixCacheSize', null, { integer: true, min: 0, max: MAX_INT32 }),
    threads: given.number('threads', null, { integer: true, min: 1, max: 512 }),
    ...chatTemplate(given),
    specialTokens: specialTokens(given),
    signal: given.signal('signal'),
    onProgress: given.callback<(fraction: number) => void>('onProgress'),
    onLog: given.callback<(entry: LogEntry) => void>('onLog'),
  })
}

/**
 * Checks and copies the options of `estimateMemory`.
 *
 * @throws InvalidOptionError naming the option and what it takes
 */
export function readEstimateMemoryOptions(
  options: unknown,
): CheckedMemoryOptions & { readonly signal: AbortSignal | null } {
  const given = bag(options, ESTIMATE_MEMORY_OPTIONS)
  return Object.freeze({ ...memoryOptions(given), signal: given.signal('signal') })
}

function memoryOptions(given: OptionBag): CheckedMemoryOptions {
  const gpuLayers = given.numberOr('gpuLayers', 'auto', { integer: true, min: 0, max: MAX_INT32 })
  const splitMode = given.oneOf<'layer' | 'none'>('splitMode', 'layer', ['layer', 'none'])
  const options: CheckedMemoryOptions = {
    contextSize: given.number('contextSize', null, { integer: true, min: 16, max: MAX_INT32 }),
    cacheSize: given.number('cacheSize', null, { integer: true, min: 16, max: MAX_INT32 }),
    maxSequences: given.number('maxSequences', 8, { integer: true, min: 1, max: 240 }),
    gpuLayers,
    devices: deviceNames(given),
    splitMode,
    mainGpu: given.number('mainGpu', 0, { integer: true, min: 0, max: MAX_DEVICES - 1 }),
    tensorSplit: tensorSplit(given),
    flashAttention: given.oneOf<boolean | 'auto'>('flashAttention', 'auto', ['auto', true, false]),
    kvCacheType:
      given.get('kvCacheType') === undefined ? null : given.oneOf('kvCacheType', 'f16', KV_CACHE_TYPES),
    onOutOfMemory: given.oneOf<'fit' | 'throw'>('onOutOfMemory', 'fit', ['fit', 'throw']),
  }
  // What would have no effect is a mistake.
  for (const name of ['devices', 'splitMode', 'mainGpu', 'tensorSplit'])
    if (gpuLayers === 0 && given.get(name) !== undefined)
      throw invalidOption(name, 'says which GPUs to use, but gpuLayers is 0. Leave one of them out.')
  if (splitMode !== 'none' && given.get('mainGpu') !== undefined)
    throw invalidOption('mainGpu', "needs splitMode: 'none', which puts the whole model on one GPU.")
  if (splitMode === 'none' && given.get('tensorSplit') !== undefined)
    throw invalidOption('tensorSplit', "splits the model, and splitMode is 'none'. Leave one of them out.")
  return options
}

function deviceNames(given: OptionBag): readonly string[] {
  const isName = (name: unknown): name is string => typeof name === 'string' && name !== ''
  const wanted = `an array of 1 to ${MAX_DEVICES} names of GPUs, such as 'CUDA0'`
  const names = listForDevices(given, 'devices', isName, wanted)
  if (new Set(names).size < names.length) throw invalidOption('devices', 'names a GPU twice.')
  return names
}

function tensorSplit(given: OptionBag): readonly number[] {
  const isShare = (share: unknown): share is number => typeof share === 'number' && share >= 0 && share <= 1e6
  const wanted = 'an array of numbers from 0, one for each GPU, and one of them above 0'
  const shares = listForDevices(given, 'tensorSplit', isShare, wanted)
  if (shares.length > 0 && !shares.some((share) => share > 0)) throw given.error('tensorSplit', wanted)
  return shares
}

/** A copy of an array with something for each GPU; empty when it is absent. */
function listForDevices<T>(
  given: OptionBag,
  name: string,
  isItem: (item: unknown) => item is T,
  wanted: string,
): readonly T[] {
  const value = given.get(name)
  if (value === undefined) return Object.freeze([])
  return reading(name, () => {
    const isList = Array.isArray(value) && value.length > 0 && value.length <= MAX_DEVICES
    const items = isList ? Array.from(value as unknown[]) : []
    if (!isList || !items.every(isItem)) throw given.error(name, wanted)
    return Object.freeze(items)
  })
}

/**
 * Checks the path given to `loadModel`: a string that is not empty and has no NUL character.
 *
 * @throws InvalidOptionError
 */
export function readModelPath(path: unknown): string {
  if (typeof path !== 'string' || path === '') throw wrongValue('path', 'the path of a model file', path)
  if (path.includes('\0')) throw invalidOption('path', 'contains a NUL character, which no file name can.')
  checkWellFormed(path, 'path')
  return path
}

function chatTemplate(given: OptionBag): Pick<CheckedLoadOptions, 'chatTemplate' | 'chatTemplateName'> {
  const value = given.get('chatTemplate')
  if (typeof value !== 'object' || value === null)
    return { chatTemplate: given.text('chatTemplate'), chatTemplateName: null }
  const named = new OptionBag(value, 'chatTemplate', ['name'], 'chatTemplate.')
  const chatTemplateName = named.text('name')
  if (chatTemplateName === null) throw named.error('name', 'the name of a template in the model file')
  return { chatTemplate: null, chatTemplateName }
}

/** Reads the option of that name. */
export function specialTokens(given: OptionBag): SpecialTokens {
  const tokens = new OptionBag(given.get('specialTokens'), 'specialTokens', SPECIAL_TOKENS, 'specialTokens.')
  const read: Partial<Record<string, string | null>> = {}
  for (const name of SPECIAL_TOKENS) {
    const value = tokens.get(name)
    if (value === undefined) continue
    if (value !== null && typeof value !== 'string') throw tokens.error(name, 'a string or null')
    if (value !== null) checkWellFormed(value, `specialTokens.${name}`)
    read[name] = value
  }
  return Object.freeze(read)
}
