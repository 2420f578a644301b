import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ModelLoadError } from './errors.js'
import type { NativeAddon } from './native.js'
import type { NativeError } from './native-error.js'

/** Real headers have up to some 30 MB; the engine reads none beyond 96 MiB. */
const MAX_HEADER_BYTES = 128 * 1024 * 1024
const FIRST_PIECE_BYTES = 1024 * 1024

/**
 * Calls `use` with a file that has the header of the remote one and its length, but no weights: a hole takes no room
 * on the disk.
 *
 * @throws ModelLoadError when the server does not send a part of the file, or when it has no complete header
 */
export async function withRemoteHeader<T>(
  url: string,
  signal: AbortSignal | null,
  addon: Pick<NativeAddon, 'hasWholeHeader'>,
  use: (file: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'verbatim-llama-'))
  const path = join(folder, fileName(url))
  try {
    const file = await open(path, 'w')
    try {
      let begin = 0
      for (let size = FIRST_PIECE_BYTES; ; size *= 2) {
        const { bytes, total } = await readPart(url, begin, size, signal)
        await file.write(bytes, 0, bytes.length, begin)
        begin += bytes.length
        if (begin >= total || (await isWhole(addon, path))) {
          await file.truncate(total)
          break
        }
        if (begin > MAX_HEADER_BYTES)
          throw new ModelLoadError(
            'MODEL_INVALID',
            `No GGUF header ends in the first ${begin} bytes of ${url}.`,
            {
              path: url,
            },
          )
      }
    } finally {
      await file.close()
    }
    return await use(path)
  } catch (error) {
    throw ofUrl(error, path, url)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The name that the file has at its address: of a model in several files it says which one it is. */
function fileName(url: string): string {
  const name = URL.canParse(url) ? new URL(url).pathname.split('/').at(-1) : ''
  return name && /^[\w-][\w.-]*$/.test(name) && name.length < 256 ? name : 'header.gguf'
}

/** A failure to read our copy of the header, told of the address that the caller knows. */
function ofUrl(error: unknown, copy: string, url: string): unknown {
  if (!(error instanceof ModelLoadError) || error.path === url) return error
  const { code, message, path, ...fields } = error
  if (path !== copy)
    return new ModelLoadError(
      'MODEL_UNSUPPORTED',
      `${url} is one of several files of a model, of which the header of one is not enough. Download them all, and pass the path of the first.`,
      { path: url },
    )
  return new ModelLoadError(code, message.replaceAll(copy, url), { ...fields, path: url })
}

/** True for a file that is no GGUF, too: its use refuses it. */
async function isWhole(addon: Pick<NativeAddon, 'hasWholeHeader'>, path: string): Promise<boolean> {
  try {
    return await addon.hasWholeHeader(path)
  } catch (error) {
    return (error as NativeError).code !== 'MODEL_TRUNCATED'
  }
}

async function readPart(
  url: string,
  begin: number,
  size: number,
  signal: AbortSignal | null,
): Promise<{ readonly bytes: Uint8Array; readonly total: number }> {
  const refused = (reason: string, cause?: unknown) =>
    new ModelLoadError('MODEL_NOT_FOUND', `Cannot read ${url}: ${reason}`, { path: url }, { cause })
  try {
    const response = await fetch(url, { headers: { range: `bytes=${begin}-${begin + size - 1}` }, signal })
    const total = Number(/\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1])
    // Cancel an answer without ranges: the server would send gigabytes.
    if (response.status !== 206 || !Number.isSafeInteger(total)) {
      await response.body?.cancel()
      throw refused(
        response.status >= 400
          ? `the server answers ${response.status}.`
          : 'the server does not send parts of files. Download the file and pass its path.',
      )
    }
    const bytes = await readAtMost(size, response)
    if (bytes === null) throw refused('the server sends nothing, or more than it was asked for.')
    return { bytes, total }
  } catch (error) {
    signal?.throwIfAborted()
    if (error instanceof ModelLoadError) throw error
    throw refused('the request failed. Check the address and the network.', error)
  }
}

async function readAtMost(size: number, { body }: Response): Promise<Uint8Array | null> {
  const bytes = new Uint8Array(size)
  let length = 0
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    if (length + chunk.length > size) return null // which cancels the rest
    bytes.set(chunk, length)
    length += chunk.length
  }
  return length === 0 ? null : bytes.subarray(0, length)
}
