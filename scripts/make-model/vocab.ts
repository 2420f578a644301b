import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ValueType } from './gguf-format.js'
import { type GgufEntry, ggufValue, readGguf } from './gguf-reader.js'
import { type MetadataWriter, string } from './gguf-writer.js'

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))
const QWEN2_TOKENS = 151_936
const QWEN2_TEMPLATE = 'Qwen-Qwen2.5-7B-Instruct.jinja'
const TEMPLATE_KEY = 'tokenizer.chat_template'
const TOKEN_TYPE_UNUSED = 5

/** A vocabulary and chat template, ready to go into a model. */
export interface Vocab {
  /** Number of tokens after padding. */
  readonly tokens: number
  /** Names the exact source: changes with the vocabulary file and with the template. */
  readonly fingerprint: { readonly vocab: string; readonly template: string }
  /** Adds all `tokenizer.*` keys. */
  write(metadata: MetadataWriter): void
}

/** The folder of llama.cpp's source: `LLAMA_CPP_DIR`, or `llama.cpp` in the repository. */
export function llamaCppDir(): string {
  const folder = process.env.LLAMA_CPP_DIR || join(REPOSITORY, 'llama.cpp')
  if (!existsSync(join(folder, 'models'))) {
    throw new Error(`no llama.cpp source in ${folder}: run "npm run setup", or set LLAMA_CPP_DIR to it`)
  }
  return folder
}

/**
 * Loads `models/ggml-vocab-NAME.gguf` of the llama.cpp source. `template` is a path, `none`, or undefined
 * for the usual one: that of Qwen2.5-Instruct for the vocabulary `qwen2`, the file's own for others.
 */
export function loadVocab(name: string, template: string | undefined): Vocab {
  const models = join(llamaCppDir(), 'models')
  const path = vocabPath(models, name)
  const file = readGguf(path)
  const keys = new Map([...file.entries].filter(([key]) => key.startsWith('tokenizer.')))
  const text = loadTemplate(models, name, template, keys.get(TEMPLATE_KEY))
  keys.delete(TEMPLATE_KEY)

  const listed = keys.get('tokenizer.ggml.tokens')
  if (listed?.elementType !== ValueType.string) throw new Error(`${path} has no list of tokens`)
  const tokens = name === 'qwen2' ? QWEN2_TOKENS : listed.count
  if (listed.count > tokens) throw new Error(`${path} has ${listed.count} tokens, more than ${tokens}`)

  return {
    tokens,
    fingerprint: {
      vocab: `${name}:${sha256(readFileSync(path))}`,
      template: text === '' ? '' : sha256(text),
    },
    write(metadata) {
      if (name === 'qwen2') writeQwen2(metadata, keys, tokens)
      else for (const entry of keys.values()) copy(metadata, entry)
      if (text !== '') metadata.string(TEMPLATE_KEY, text)
    },
  }
}

function vocabPath(models: string, name: string): string {
  const names = readdirSync(models)
    .map((file) => /^ggml-vocab-(.+)\.gguf$/.exec(file)?.[1])
    .filter((found) => found !== undefined)
    .sort()
  if (!names.includes(name)) throw new Error(`unknown vocabulary '${name}'; there are ${names.join(', ')}`)
  return join(models, `ggml-vocab-${name}.gguf`)
}

/** The template's text, verbatim; empty for none. */
function loadTemplate(
  models: string,
  vocab: string,
  template: string | undefined,
  own: GgufEntry | undefined,
): string {
  if (template === 'none') return ''
  if (template !== undefined) return readFileSync(resolve(template), 'utf8')
  if (vocab === 'qwen2') return readFileSync(join(models, 'templates', QWEN2_TEMPLATE), 'utf8')
  return own?.type === ValueType.string ? String(ggufValue(own)) : ''
}

/**
 * Writes the vocabulary, mended: the file is a conversion of the base model by an early converter.
 * Special ids become those of Qwen2.5-Instruct, and padding gets the type that today's converter gives
 * it: with the file's own (user-defined) a literal "[PAD151646]" in a text would become one token.
 */
function writeQwen2(metadata: MetadataWriter, keys: ReadonlyMap<string, GgufEntry>, count: number): void {
  const replaced = [
    'tokens',
    'token_type',
    'eos_token_id',
    'padding_token_id',
    'bos_token_id',
    'add_bos_token',
  ]
  for (const entry of keys.values()) {
    if (replaced.every((key) => entry.key !== `tokenizer.ggml.${key}`)) copy(metadata, entry)
  }

  const tokens = keys.get('tokenizer.ggml.tokens') as GgufEntry
  const types = keys.get('tokenizer.ggml.token_type')
  if (types?.elementType !== ValueType.int32 || types.count !== tokens.count) {
    throw new Error('the vocabulary has no type for each token')
  }
  const texts = ggufValue(tokens) as string[]
  const allTypes = Buffer.alloc(count * 4)
  types.raw.copy(allTypes)
  const padding: Buffer[] = []
  for (let id = 0; id < count; id++) {
    const pad = `[PAD${id}]`
    if (id >= texts.length) padding.push(string(pad))
    if (id >= texts.length || texts[id] === pad) allTypes.writeInt32LE(TOKEN_TYPE_UNUSED, id * 4)
  }
  metadata
    .rawArray(tokens.key, ValueType.string, count, Buffer.concat([tokens.raw, ...padding]))
    .rawArray(types.key, ValueType.int32, count, allTypes)

  const idOf = (text: string) => {
    const id = texts.indexOf(text)
    if (id < 0) throw new Error(`the vocabulary has no token ${text}`)
    return id
  }
  metadata
    .uint32('tokenizer.ggml.eos_token_id', idOf('<|im_end|>'))
    .uint32('tokenizer.ggml.padding_token_id', idOf('<|endoftext|>'))
    .uint32('tokenizer.ggml.bos_token_id', idOf('<|endoftext|>'))
    .bool('tokenizer.ggml.add_bos_token', false)
}

function copy(metadata: MetadataWriter, entry: GgufEntry): void {
  if (entry.elementType === undefined) metadata.raw(entry.key, entry.type, entry.raw)
  else metadata.rawArray(entry.key, entry.elementType, entry.count, entry.raw)
}

function sha256(data: Buffer | string): string {
  return createHash('sha256').update(data).digest('hex').slice(0, 16)
}
