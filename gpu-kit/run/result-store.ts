// The results of the steps, a file for each: a step with a result need not be done again.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Mode, StepResult } from './step-types.js'

export class Store {
  readonly #folder: string
  readonly #mode: Mode

  constructor(work: string, mode: Mode) {
    this.#folder = join(work, 'steps')
    this.#mode = mode
  }

  /** Reads a step's result; undefined where the step has not ended yet, in this mode. */
  read(name: string): StepResult | undefined {
    try {
      const result = JSON.parse(readFileSync(this.#path(name), 'utf8')) as StepResult
      return result?.mode === this.#mode ? result : undefined
    } catch (error) {
      // Take a missing or incomplete file for no result.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return undefined
      throw error
    }
  }

  write(result: StepResult): void {
    mkdirSync(this.#folder, { recursive: true })
    const path = this.#path(result.name)
    // Write it whole or not at all, whenever the process is killed.
    writeFileSync(`${path}.partial`, `${JSON.stringify(result, undefined, 2)}\n`)
    renameSync(`${path}.partial`, path)
  }

  remove(name: string): void {
    rmSync(this.#path(name), { force: true })
  }

  #path(name: string): string {
    return join(this.#folder, `${name}.json`)
  }
}
