import type { FileHandle } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'
import { type GgufLayout, type PlacedTensor, type WriteOptions, writeAll } from './gguf-writer.js'
import type { WeightSpec } from './shapes.js'

/** What a `tensor-worker` is given. */
export interface TensorWork {
  /** Descriptor of the file; all threads have the same ones. */
  readonly file: number
  /** The largest first. */
  readonly tensors: readonly PlacedTensor<WeightSpec>[]
  /** Shared by all workers: the index of the next tensor to take. */
  readonly next: Int32Array
  readonly seed: number
}

/**
 * Writes the file that `writeGguf` would write, with workers that each fill one tensor after the other. The system
 * takes the writes to one file one at a time: they are what is left of the time where there are many workers.
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
    // None may write to the descriptor once the file is closed.
    await stop()
  }
  signal?.throwIfAborted()
}

/** Resolves once a worker has ended or was stopped; rejects with what it or `wrote` has thrown. */
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
