import type { Registry } from 'prom-client'
import { InvalidOptionError } from '../errors.js'
import { isThenable, reading } from '../json-shape.js'
import { type Model, requireModel } from '../model.js'
import { OptionBag } from '../options/bag.js'
import { MAX_INT32, ownOnly } from '../options/row.js'
import type { WorkerLogger } from './exchange.js'

/** Options of {@link createWorker}. */
export interface WorkerOptions {
  /** The model, or a promise of it: until it is there, every request but `/health` is answered with 503. */
  readonly model: Model | PromiseLike<Model>
  /** Name of the model, in `/v1/models` for example. Default: the name of its file, without `.gguf`. */
  readonly modelId?: string | undefined
  /** Bearer keys, one of which every request but `/health` and `/ready` must bring. Default: none, and none is needed. */
  readonly apiKeys?: readonly string[] | undefined
  /** Largest body, in bytes. Default: 4 MiB. */
  readonly maxBodyBytes?: number | undefined
  /** Most messages of a request. Default: 1000. */
  readonly maxMessages?: number | undefined
  /** Longest time that a reader of a stream may take nothing, in milliseconds; then it is cut off. Default: 30000. */
  readonly slowReaderMs?: number | undefined
  /** Gets one line for each request, never with content. Default: nothing is logged. */
  readonly logger?: WorkerLogger | undefined
  /** Registry of the metrics. Default: one of its own. */
  readonly registry?: Registry | undefined
  /** Once it is aborted, `/ready` and new requests are answered with 503. */
  readonly shutdown?: AbortSignal | undefined
}

const NAMES: Record<keyof WorkerOptions, true> = {
  model: true,
  modelId: true,
  apiKeys: true,
  maxBodyBytes: true,
  maxMessages: true,
  slowReaderMs: true,
  logger: true,
  registry: true,
  shutdown: true,
}

/** Limits that are used when none are given. */
export const DEFAULT_LIMITS = {
  maxBodyBytes: 4 * 1024 * 1024,
  maxMessages: 1000,
  slowReaderMs: 30_000,
} as const

const LIMIT_RANGE = ownOnly({ integer: true, min: 1, max: MAX_INT32 })

/** Checks the options. @throws InvalidOptionError */
export function readWorkerOptions(options: WorkerOptions) {
  const given = new OptionBag(options, 'options', Object.keys(NAMES))
  const model = given.get('model') as WorkerOptions['model']
  if (!reading('model', () => isThenable(model)))
    requireModel(model, 'a model from loadModel, or a promise of one')
  const limit = (name: keyof typeof DEFAULT_LIMITS) => given.number(name, DEFAULT_LIMITS[name], LIMIT_RANGE)
  return {
    model,
    modelId: given.text('modelId'),
    apiKeys: apiKeys(given),
    maxBodyBytes: limit('maxBodyBytes'),
    maxMessages: limit('maxMessages'),
    slowReaderMs: limit('slowReaderMs'),
    logger: object<WorkerLogger>(given, 'logger', ['info', 'warn', 'error'], "a logger such as pino's"),
    registry: object<Registry>(given, 'registry', ['metrics', 'registerMetric'], 'a registry of prom-client'),
    shutdown: given.signal('shutdown') ?? undefined,
  }
}

/** An object of another package that has the `methods` which are called. */
function object<T>(
  given: OptionBag,
  name: string,
  methods: readonly string[],
  wanted: string,
): T | undefined {
  const value = given.get(name)
  if (value === undefined) return undefined
  const members = Object(value) as Record<string, unknown>
  if (methods.some((method) => typeof members[method] !== 'function')) throw given.error(name, wanted)
  return value as T
}

function apiKeys(given: OptionBag): readonly string[] {
  const keys = given.get('apiKeys') ?? []
  if (!Array.isArray(keys)) throw given.error('apiKeys', 'an array of strings')
  for (const [i, key] of keys.entries()) {
    // Do not show the key itself.
    if (typeof key !== 'string' || !/^[\x21-\x7e]+$/.test(key))
      throw new InvalidOptionError(`apiKeys[${i}] must be printable ASCII without spaces.`, {
        path: `apiKeys[${i}]`,
      })
  }
  return [...keys]
}
