import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export const repository = fileURLToPath(new URL('../..', import.meta.url))

/** The package as npm installs it, in an application of its own; without an addon, unless it is put there. */
export class InstalledPackage {
  /** The folder of the application. */
  readonly application = realpathSync(mkdtempSync(join(tmpdir(), 'verbatim-llama-')))
  readonly root: string
  /** The URL that a script imports. */
  readonly indexUrl: string

  /** @param folder in the application where `node_modules` is */
  constructor(folder = '.') {
    const modules = join(this.application, folder, 'node_modules')
    this.root = join(modules, 'verbatim-llama')
    this.indexUrl = pathToFileURL(join(this.root, 'dist/index.js')).href
    for (const name of ['dist', 'package.json']) this.copy(join(repository, name), name)
    cpSync(join(repository, 'node_modules/node-gyp-build'), join(modules, 'node-gyp-build'), {
      recursive: true,
    })
  }

  /** Copies a file or folder into the package. */
  copy(from: string, to: string): void {
    cpSync(from, join(this.root, to), { recursive: true })
  }

  /** Writes a file, and its folder where it is not there. Relative paths start in the package. */
  write(path: string, text: string): void {
    const file = join(this.root, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }

  /** Installs a plugin beside the package. `library`: a file to copy; without it the library is missing. */
  addPlugin(name: string, version: string, libraryName: string, library?: string): string {
    const folder = join('..', name)
    this.write(join(folder, 'package.json'), JSON.stringify({ name, version }))
    if (library !== undefined) this.copy(library, join(folder, libraryName))
    return join(this.root, folder, libraryName)
  }

  remove(): void {
    rmSync(this.application, { recursive: true })
  }
}
