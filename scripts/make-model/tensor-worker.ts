// A thread of `writeOnThreads`: fills and writes tensors until none is left, and reports the bytes it has written.
import { writeSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { fillWeights } from './blocks.js'
import { newChunk, piecesOf } from './gguf-writer.js'
import type { TensorWork } from './tensor-threads.js'

/** Bytes written between two reports: enough that these take no time, few enough for a progress line. */
const TOLD_BYTES = 2 ** 24

const { file, tensors, next, seed } = workerData as TensorWork
const chunk = newChunk()
let untold = 0

for (let tensor = take(); tensor !== undefined; tensor = take()) {
  const { type, weights, name } = tensor.spec
  for (const { bytes, position } of piecesOf(tensor, fillWeights(type, weights, seed, name), () => chunk)) {
    for (let done = 0; done < bytes.length; )
      done += writeSync(file, bytes, done, bytes.length - done, position + done)
    untold += bytes.length
    if (untold >= TOLD_BYTES) tell()
  }
}
tell()

function take() {
  return tensors[Atomics.add(next, 0, 1)]
}

function tell(): void {
  parentPort?.postMessage(untold)
  untold = 0
}
