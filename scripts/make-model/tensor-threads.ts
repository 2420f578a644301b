import type { FileHandle } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'
import { type GgufLayout, type PlacedTensor, type WriteOptions, writeAll } from './gguf-writer.js'
import type { WeightSpec } from './shapes.js'

/** The work of a `tensor-worker`. */
export interface TensorWork {
  /** Descriptor of the file, which all threads share. */
  readonly file: number
  /** The tensors, the largest first. */
  readonly tensors: readonly PlacedTensor<WeightSpec>[]
  /** The index of the next tensor to take, shared by all workers. */
  readonly next: Int32Array
  readonly seed: number
}

/**
 * Writes the file that `writeGguf` would write, with workers that each fill one tensor after the other. With many
 * workers the writes take most of the time: the system takes those to one file one at a time.
 */
export async function writeOnThreads(
  file: FileHandle,
  layout: GgufLayout<WeightSpec>,
  seed: number,
  threads: number,
  { progress, signal }: WriteOptions = {},
): Promise<void> {
  let written = 0
  const wrote = (bytes: number) => {
    written += bytes
    progress?.(written, layout.bytes)
  }
  await writeAll(file, { bytes: layout.header, position: 0 })
  wrote(layout.header.length)
  signal?.throwIfAborted()
  const workerData: TensorWork = {
    file: file.fd,
    tensors: layout.tensors.toSorted((a, b) => b.bytes - a.bytes),
    next: new Int32Array(new SharedArrayBuffer(4)),
    seed,
  }
  const module = workerModule()
  const workers: Worker[] = []
  const stop = () => Promise.all(workers.map((worker) => worker.terminate()))
  signal?.addEventListener('abort', stop)
  try {
    const count = Math.min(threads, layout.tensors.length)
    while (workers.length < count) workers.push(new Worker(module, { workerData, execArgv: [] }))
    await Promise.all(workers.map((worker) => endOf(worker, wrote)))
  } finally {
    signal?.removeEventListener('abort', stop)
    // Let none write to the descriptor once the file is closed.
    await stop()
  }
  signal?.throwIfAborted()
}

/** Resolves once a worker has ended or was stopped; rejects with an error of it or of `wrote`. */
function endOf(worker: Worker, wrote: (bytes: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.on('message', (bytes: number) => {
      try {
        wrote(bytes)
      } catch (error) {
        reject(error)
      }
    })
    worker.on('error', reject)
    worker.on('exit', () => resolve())
  })
}

/** Compiled, the worker's module runs as it is; TypeScript needs its loader in every thread. */
function workerModule(): URL {
  if (!import.meta.url.endsWith('.ts')) return new URL('./tensor-worker.js', import.meta.url)
  const script = `
    import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))}
    register()
    await import(${JSON.stringify(new URL('./tensor-worker.ts', import.meta.url))})`
  return new URL(`data:text/javascript,${encodeURIComponent(script)}`)
}
