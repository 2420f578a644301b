// The choice to build the CUDA backend, and for which GPUs. cmake/cuda.cmake looks for the tools that it needs.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fail } from './tools.mjs'

/**
 * @typedef {object} CudaChoice
 * @property {string} mode auto, on or off
 * @property {string} architectures as CMake writes them, or default or native
 */

// Choice of `npm run build:cuda`, kept so that a later `npm run setup` or `npm test` does not build anew.
const REMEMBERED = 'build/.verbatim-llama-cuda'
const LIBRARY = 'build/Release/libggml-cuda.so'

/**
 * The choice of the command line, of the environment, of the last `npm run build:cuda`, or none: then the backend is
 * built where a toolkit is found.
 *
 * @param {readonly string[]} args
 * @returns {CudaChoice}
 */
export function chooseCuda(args) {
  if (args.includes('--cuda')) return { mode: 'on', architectures: architecturesIn(args) }
  const mode = process.env.VERBATIM_CUDA
  if (mode !== undefined && !['auto', 'on', 'off'].includes(mode))
    return fail(`VERBATIM_CUDA must be auto, on or off, not '${mode}'`)
  if ((mode === undefined || mode === 'on') && existsSync(REMEMBERED))
    return JSON.parse(readFileSync(REMEMBERED, 'utf8'))
  return { mode: mode ?? 'auto', architectures: 'default' }
}

/**
 * The choice as options of CMake.
 *
 * @param {CudaChoice} choice
 */
export function cudaOptions({ mode, architectures }) {
  return [`--CDVERBATIM_CUDA=${mode}`, `--CDVERBATIM_CUDA_ARCHITECTURES=${architectures}`]
}

/**
 * Keeps the choice of the command line for later, once it is built.
 *
 * @param {readonly string[]} args
 * @param {CudaChoice} choice
 */
export function rememberCuda(args, choice) {
  if (args.includes('--cuda')) writeFileSync(REMEMBERED, JSON.stringify(choice))
}

/** Removes the backend of an earlier build, which would be loaded from beside the addon. */
export function dropCuda() {
  for (const path of [LIBRARY, REMEMBERED]) rmSync(path, { force: true })
}

/**
 * `--architectures 80,90` as CMake writes it; `default` without.
 *
 * @param {readonly string[]} args
 */
export function architecturesIn(args) {
  const at = args.findIndex((arg) => /^--architectures(=|$)/.test(arg))
  const option = args[at]
  if (option === undefined) return 'default'
  const given = option.includes('=') ? option.split('=')[1] : args[at + 1]
  if (given === 'native' || given === 'default') return given
  if (!given || !/^\d{2,3}[af]?(-real|-virtual)?(,\d{2,3}[af]?(-real|-virtual)?)*$/.test(given))
    return fail(
      `--architectures takes native, or compute capabilities such as 80,90 (for 8.0 and 9.0), not '${given}'`,
    )
  return given.replaceAll(',', ';')
}
