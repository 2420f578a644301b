import { randomBytes } from 'node:crypto'
import { existsSync, realpathSync, statSync } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { fillWeights } from './make-model/blocks.js'
import { requireLittleEndian } from './make-model/gguf-format.js'
import { ggufValue, readGguf } from './make-model/gguf-reader.js'
import { type GgufLayout, layoutGguf, MetadataWriter, writeGguf } from './make-model/gguf-writer.js'
import { writeLayerMetadata } from './make-model/layers.js'
import {
  FILE_TYPES,
  type ModelType,
  SHAPES,
  type Shape,
  tensorsOf,
  type WeightSpec,
} from './make-model/shapes.js'
import { writeOnThreads } from './make-model/tensor-threads.js'
import { loadVocab, type Vocab } from './make-model/vocab.js'

export type { ModelType } from './make-model/shapes.js'

/** Folder of models made without a path; git ignores it. */
export const GENERATED_MODELS = fileURLToPath(new URL('../models/generated', import.meta.url))

// Raise this whenever the same options would give other bytes than before, so that old files are remade.
const RECIPE_VERSION = 1
const RECIPE_KEY = 'verbatim.recipe'

// Start workers for large files only: filling a smaller one takes less time.
const WORKERS_FROM_BYTES = 512 * 2 ** 20
const MAX_THREADS = 256

/** Options of {@link makeModel}. */
export interface MakeModelOptions {
  /** A name in `SHAPES`: `tiny`, `tiny-llama`, `qwen2.5-0.5b`, … */
  readonly shape: string
  /** Type of the matrices; where its blocks do not divide a row, Q8_0 or F16 takes its place. */
  readonly type?: ModelType | undefined
  /** Seed of the weights; 0 unless given. */
  readonly seed?: number | undefined
  /** File to write; `models/generated/<shape>-<type>.gguf` unless given. */
  readonly out?: string | undefined
  /** Context length that the model claims to be trained for. */
  readonly context?: number | undefined
  /** Vocabulary: the NAME of a `models/ggml-vocab-NAME.gguf` in the llama.cpp source. */
  readonly vocab?: string | undefined
  /** Path of a chat template, or `none`. */
  readonly template?: string | undefined
  /**
   * Threads that fill and write tensors: the calling one alone for 1. As many as there are processors unless given,
   * 1 for a file under 512 MiB. The file is the same for any number.
   */
  readonly threads?: number | undefined
  /** Called now and then while the file is written, and never for a file that is already there. */
  readonly progress?: ((written: number, total: number) => void) | undefined
  /** Stops the writing; what was written is removed. */
  readonly signal?: AbortSignal | undefined
}

/** A model that was made, or found as it would have been made. */
export interface MadeModel {
  readonly path: string
  readonly bytes: number
  readonly shape: string
  readonly type: ModelType
  /** False where the file was already there. */
  readonly created: boolean
  /** Identifies the content: equal recipes are equal files. */
  readonly recipe: string
  /** Duration of the call in milliseconds. */
  readonly elapsed: number
}

const OPTION_NAMES: readonly (keyof MakeModelOptions)[] = [
  'shape',
  'type',
  'seed',
  'out',
  'context',
  'vocab',
  'template',
  'threads',
  'progress',
  'signal',
]

/**
 * Writes a GGUF file of a named shape with random weights, unless it is already there. Any number of
 * calls and processes may make the same file at once: each writes a file of its own and renames it.
 */
export async function makeModel(options: MakeModelOptions): Promise<MadeModel> {
  const started = performance.now()
  requireLittleEndian()
  const { name, shape, type, seed, context, vocabName } = checkOptions(options)
  const vocab = loadVocab(vocabName, options.template)
  const recipe = JSON.stringify({
    version: RECIPE_VERSION,
    shape: name,
    type,
    seed,
    context,
    ...vocab.fingerprint,
  })
  const layout = layoutGguf(
    metadataOf(name, shape, type, context, vocab, recipe),
    tensorsOf(shape, type, vocab.tokens),
  )
  const path = resolve(options.out ?? defaultPath(options, name, type))
  const made = (created: boolean): MadeModel => ({
    path,
    bytes: layout.bytes,
    shape: name,
    type,
    created,
    recipe,
    elapsed: performance.now() - started,
  })
  if (isMade(path, layout.bytes, recipe)) return made(false)
  await writeModel(path, layout, seed, recipe, options)
  return made(true)
}

function checkOptions(options: MakeModelOptions) {
  for (const key of Object.keys(options)) {
    if (!(OPTION_NAMES as readonly string[]).includes(key)) throw new Error(`unknown option '${key}'`)
  }
  const name = options.shape
  const shape = Object.hasOwn(SHAPES, name) ? SHAPES[name] : undefined
  if (shape === undefined) {
    throw new Error(`unknown shape '${name}'; there are ${Object.keys(SHAPES).join(', ')}`)
  }
  const type = options.type ?? shape.defaultType
  if (!Object.hasOwn(FILE_TYPES, type)) {
    throw new Error(`unknown type '${type}'; there are ${Object.keys(FILE_TYPES).join(', ')}`)
  }
  const seed = options.seed ?? 0
  if (!Number.isSafeInteger(seed) || seed < 0) throw new Error('seed must be an integer of at least 0')
  const context = options.context ?? shape.context
  if (!Number.isInteger(context) || context < 1 || context > 0x7fffffff) {
    throw new Error('context must be an integer of at least 1')
  }
  const { threads = 1 } = options
  if (!Number.isInteger(threads) || threads < 1 || threads > MAX_THREADS) {
    throw new Error(`threads must be an integer from 1 to ${MAX_THREADS}`)
  }
  return { name, shape, type, seed, context, vocabName: options.vocab ?? shape.vocab }
}

/** Puts differences from the shape's defaults into the name, so that models do not replace each other. */
function defaultPath(options: MakeModelOptions, name: string, type: ModelType): string {
  const shape = SHAPES[name]
  const parts = [name]
  if (options.vocab !== undefined && options.vocab !== shape?.vocab) parts.push(options.vocab)
  if (options.template !== undefined) {
    parts.push(options.template === 'none' ? 'no-template' : fileSafe(options.template))
  }
  if (options.context !== undefined && options.context !== shape?.context) parts.push(`c${options.context}`)
  if (options.seed) parts.push(`s${options.seed}`)
  return join(GENERATED_MODELS, `${[...parts, type].join('-')}.gguf`)
}

function fileSafe(path: string): string {
  return (path.split(/[\\/]/).pop() ?? '').replace(/\.jinja$/, '').replace(/[^\w.-]/g, '_')
}

function metadataOf(
  name: string,
  shape: Shape,
  type: ModelType,
  context: number,
  vocab: Vocab,
  recipe: string,
): MetadataWriter {
  const { arch } = shape
  const metadata = new MetadataWriter()
    .string('general.architecture', arch)
    .string('general.type', 'model')
    .string('general.name', `verbatim synthetic ${name}`)
    .string('general.size_label', shape.sizeLabel)
    .uint32('general.file_type', FILE_TYPES[type])
    .uint32('general.quantization_version', 2)
    .string(RECIPE_KEY, recipe)
    .uint32(`${arch}.block_count`, shape.layers)
    .uint32(`${arch}.context_length`, context)
    .uint32(`${arch}.embedding_length`, shape.embedding)
    .uint32(`${arch}.feed_forward_length`, shape.feedForward)
  writeLayerMetadata(metadata, shape, vocab.tokens)
  vocab.write(metadata)
  return metadata
}

/** True when the file is there, whole, and of this recipe. */
function isMade(path: string, bytes: number, recipe: string): boolean {
  if (statSync(path, { throwIfNoEntry: false })?.size !== bytes) return false
  try {
    const entry = readGguf(path).entries.get(RECIPE_KEY)
    return entry !== undefined && ggufValue(entry) === recipe
  } catch {
    return false
  }
}

async function writeModel(
  path: string,
  layout: GgufLayout<WeightSpec>,
  seed: number,
  recipe: string,
  { threads = threadsFor(layout.bytes), progress, signal }: MakeModelOptions,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const temporary = `${path}.${process.pid}-${randomBytes(6).toString('hex')}.tmp`
  try {
    const file = await open(temporary, 'wx')
    try {
      if (threads > 1) await writeOnThreads(file, layout, seed, threads, { progress, signal })
      else {
        const fillOf = ({ type, weights, name }: WeightSpec) => fillWeights(type, weights, seed, name)
        await writeGguf(file, layout, fillOf, { progress, signal })
      }
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    // Accept a file that another process made first: Windows does not rename onto a file in use.
    if (!signal?.aborted && isMade(path, layout.bytes, recipe)) return
    throw error
  }
}

function threadsFor(bytes: number): number {
  return bytes < WORKERS_FROM_BYTES ? 1 : Math.min(availableParallelism(), MAX_THREADS)
}

const USAGE = `usage: make-model SHAPE [options]

shapes: ${Object.keys(SHAPES).join(', ')}

  --type TYPE      ${Object.keys(FILE_TYPES).join(', ')}
  --seed N         seed of the weights (0)
  --out PATH       file to write (models/generated/SHAPE-TYPE.gguf)
  --context N      context length the model claims
  --vocab NAME     any models/ggml-vocab-NAME.gguf of the llama.cpp source
  --template PATH  chat template to put in, or "none"
  --threads N      threads that fill and write tensors (one per processor; 1 for a small file)
`

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      type: { type: 'string' },
      seed: { type: 'string' },
      out: { type: 'string' },
      context: { type: 'string' },
      vocab: { type: 'string' },
      template: { type: 'string' },
      threads: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) {
    process.stdout.write(USAGE)
    return
  }
  const [shape, ...rest] = positionals
  if (shape === undefined) throw new Error(`no shape given\n\n${USAGE}`)
  if (rest.length > 0) throw new Error(`unexpected argument '${rest[0]}'`)

  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort(new Error('interrupted')))
  const terminal = process.stderr.isTTY
  const model = await makeModel({
    shape,
    type: values.type as ModelType | undefined,
    seed: values.seed === undefined ? undefined : toNumber('seed', values.seed),
    out: values.out,
    context: values.context === undefined ? undefined : toNumber('context', values.context),
    vocab: values.vocab,
    template: values.template,
    threads: values.threads === undefined ? undefined : toNumber('threads', values.threads),
    progress: terminal ? progressLine() : undefined,
    signal: stop.signal,
  }).finally(() => {
    if (terminal) process.stderr.write('\r\x1b[K')
  })
  process.stdout.write(`${model.path}\n`)
}

function toNumber(option: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`--${option} must be an integer, not '${text}'`)
  return Number(text)
}

/** Redraws one line, at most ten times a second. */
function progressLine(): (written: number, total: number) => void {
  let next = 0
  return (written, total) => {
    const now = performance.now()
    if (now < next) return
    next = now + 100
    const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(0)
    process.stderr.write(
      `\r\x1b[Kmaking the model: ${mebibytes(written)} of ${mebibytes(total)} MiB ` +
        `(${Math.floor((100 * written) / total)} %)`,
    )
  }
}

/** True when this file is run, not imported. */
function isMain(): boolean {
  const script = process.argv[1]
  return script !== undefined && existsSync(script) && realpathSync(script) === fileURLToPath(import.meta.url)
}

if (isMain()) {
  main().catch((error: unknown) => {
    process.stderr.write(`make-model: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  })
}
