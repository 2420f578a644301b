import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { hashFiles } from '../setup/stamp.mjs'

/** Files that have passed, as long as they and what they include stay as they are. */
export class PassedFiles {
  #path
  #common
  /** @type {Record<string, { inputs: string[], hash: string }>} */
  #files

  /**
   * @param {string} path where they are remembered
   * @param {string} common what all of them depend on
   */
  constructor(path, common) {
    this.#path = path
    this.#common = common
    this.#files = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {}
  }

  /** @param {string} file */
  has(file) {
    const known = this.#files[file]
    return known !== undefined && known.hash === this.#hash(known.inputs)
  }

  /**
   * @param {string} file
   * @param {string[]} inputs the file, and every header of ours that it includes
   */
  add(file, inputs) {
    this.#files[file] = { inputs, hash: this.#hash(inputs) }
  }

  write() {
    writeFileSync(this.#path, JSON.stringify(this.#files))
  }

  /** @param {string[]} inputs */
  #hash(inputs) {
    return createHash('sha256')
      .update(`${hashFiles(inputs)} ${this.#common}`)
      .digest('hex')
  }
}
