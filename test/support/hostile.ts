import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { readGguf } from '../../scripts/make-model/gguf-reader.js'
import { string } from '../../scripts/make-model/gguf-writer.js'
import { Random } from '../../scripts/make-model/random.js'

/** A damaged copy of a file: only its first `cut` bytes, or with one byte XORed. */
export type Mutation = { readonly cut: number } | { readonly at: number; readonly xor: number }

/** Outcomes of the damaged files. */
export interface HostileReport {
  /** The number of times of each outcome: `ok`, or the code of the error. */
  readonly outcomes: ReadonlyMap<string, number>
  /** The files that were handled in no acceptable way. */
  readonly failures: readonly string[]
}

const SILENCE_LIMIT_MS = 30_000

// Script that handles one file after the other, and prints a line before and after each.
const CHILD = `
import { readFileSync, unlinkSync, writeFileSync } from 'node:fs'
const { indexUrl, model: path, folder, chatTemplate, mutations, from } = JSON.parse(readFileSync(0, 'utf8'))
const { estimateMemory, loadModel, VerbatimError } = await import(indexUrl)
const whole = readFileSync(path)
for (let i = from; i < mutations.length; i++) {
  const { cut, at, xor } = mutations[i]
  const bytes = cut === undefined ? Buffer.from(whole) : whole.subarray(0, cut)
  if (at !== undefined) bytes[at] ^= xor
  const copy = folder + '/' + process.pid + '-' + i + '.gguf'
  writeFileSync(copy, bytes)
  console.log('begin ' + i)
  let outcome = 'ok'
  let model
  try {
    const messages = [{ role: 'user', content: 'a' }]
    const memory = { contextSize: chatTemplate ? 16 : 64, maxSequences: 1 }
    await estimateMemory(copy, memory) // goes through the motions of loading without allocating
    model = await loadModel(copy, { ...memory, threads: 1, chatTemplate })
    await model.renderPrompt(messages)
    await model.generateInference(messages, { maxTokens: 4, seed: 1 })
  } catch (error) {
    outcome = error instanceof VerbatimError ? error.code : 'UNTYPED ' + error
    if (outcome === 'INTERNAL') outcome += ' ' + error.message
  }
  await model?.dispose()
  unlinkSync(copy)
  console.log('end ' + i + ' ' + outcome)
}`

/** Random numbers below a bound, the same for the same seed. */
function random(seed: string): (bound: number) => number {
  const source = new Random(0, seed)
  const word = new Uint32Array(1)
  return (bound) => {
    source.fill(word, 1, 0)
    return Math.floor(((word[0] as number) / 2 ** 32) * bound)
  }
}

/** Makes cuts: a few at the very start, half of the rest in the metadata, half anywhere. */
export function cuts(path: string, count: number): Mutation[] {
  const { dataOffset, size } = readGguf(path)
  const below = random('cuts')
  return Array.from({ length: count }, (_, i) => ({
    cut: below(i % 10 === 0 ? 64 : i % 2 === 0 ? dataOffset : size),
  }))
}

/** Makes flips: half anywhere, the others in the hyper-parameters, the vocabulary's start and the tensor table. */
export function flips(path: string, count: number): Mutation[] {
  const { dataOffset, size, tensors } = readGguf(path)
  const table = readFileSync(path).indexOf(string(tensors[0]?.name ?? ''))
  const below = random('flips')
  const place = (i: number) => {
    if (i % 2 === 0) return below(size)
    if (i % 6 === 1) return below(1200)
    if (i % 6 === 3) return below(65_536)
    return table + below(dataOffset - table)
  }
  return Array.from({ length: count }, (_, i) => ({ at: place(i), xor: 1 + below(255) }))
}

/** Loads every damaged copy of the model in a child process; a child that dies is replaced by another. */
export async function loadDamaged(
  model: string,
  folder: string,
  mutations: readonly Mutation[],
  chatTemplate?: string,
): Promise<HostileReport> {
  const outcomes = new Map<string, number>()
  const failures: string[] = []
  const indexUrl = new URL('../../dist/index.js', import.meta.url).href
  for (let from = 0; from < mutations.length; ) {
    const input = JSON.stringify({ indexUrl, model, folder, chatTemplate, mutations, from })
    const { handled, end } = await oneChild(input, (outcome, i) => {
      const known = /^[A-Za-z_]+$/.test(outcome)
      const name = known ? outcome : 'unacceptable'
      outcomes.set(name, (outcomes.get(name) ?? 0) + 1)
      if (!known) failures.push(`${JSON.stringify(mutations[i])}: ${outcome}`)
    })
    from = handled
    if (end === 'exits (0)' && from === mutations.length) break
    failures.push(`${JSON.stringify(mutations[from])}: ${end}`)
    from++
  }
  return { outcomes, failures }
}

/** Runs a child; returns the number of files it has handled, and its end. */
function oneChild(
  input: string,
  report: (outcome: string, index: number) => void,
): Promise<{ handled: number; end: string }> {
  const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '--eval', CHILD])
  let handled = (JSON.parse(input) as { from: number }).from
  let stderr = ''
  let hangs = false
  const limit = setTimeout(() => {
    hangs = true
    child.kill('SIGKILL')
  }, SILENCE_LIMIT_MS)
  createInterface(child.stdout).on('line', (line) => {
    limit.refresh()
    const ended = /^end (\d+) (.*)$/.exec(line)
    if (!ended) return
    handled = Number(ended[1]) + 1
    report(ended[2] as string, handled - 1)
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text
  })
  child.stdin.on('error', () => {}) // a child that died at once
  child.stdin.end(input)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(limit)
      const how = hangs ? 'hangs' : `exits (${signal ?? code})`
      resolve({ handled, end: how + stderr.slice(-500) })
    })
  })
}
