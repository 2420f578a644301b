// Checks that docs/structure.md names every file once, and that nothing reaches upwards: C++ includes follow the order
// of the rooms there, TypeScript imports follow the floors below, and no files of lib/ import each other in a circle.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Folders whose files docs/structure.md names one by one. */
const NAMED = ['cpp', 'binding', 'lib', 'scripts', 'bench', 'gpu-kit']

/** Folders in order: each may import from itself and from those before it. */
const FLOORS = ['lib', 'lib/worker', 'lib/cli', 'scripts', 'bench', 'gpu-kit', 'test']

const SOURCE = /\.(cpp|h|ts|mjs|py|sh)$/

/** Mistakes in the structure: a sentence for each. */
function structureMistakes(folder: string): string[] {
  const files = NAMED.flatMap((name) => sources(folder, name))
  const page = readFileSync(join(folder, 'docs/structure.md'), 'utf8')
  const rooms = readRooms(page)
  return [
    ...unnamed(files, rooms),
    ...unnamedFolders(folder, page),
    ...climbingIncludes(folder, files, rooms),
    ...climbingImports(folder),
    ...circles(folder, sources(folder, 'lib')),
  ]
}

function sources(folder: string, path: string): string[] {
  if (!existsSync(join(folder, path))) return []
  return readdirSync(join(folder, path), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && SOURCE.test(entry.name))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .filter((file) => !/(^|\/)(node_modules|build)\//.test(file))
    .sort()
}

interface Room {
  readonly path: string
  readonly names: { readonly name: string; readonly sentence: string }[]
}

/** The rooms in their order: `### cpp/base/` and the lines `- name: sentence` below it. */
function readRooms(text: string): Room[] {
  const rooms: Room[] = []
  for (const line of text.split('\n')) {
    const [, path] = /^### `([^`]+)`/.exec(line) ?? []
    if (path !== undefined) rooms.push({ path, names: [] })
    const [, name, sentence = ''] = /^- `([^`]+)`: (.*)$/.exec(line) ?? []
    if (line.startsWith('## Other folders')) break
    if (name !== undefined) rooms.at(-1)?.names.push({ name, sentence: sentence.trim() })
  }
  return rooms
}

/** A unit of C++ is named without its ending, and stands for its header and its source. */
function unit(file: string): string {
  return /^(cpp|binding)\//.test(file) ? file.replace(/\.(cpp|h)$/, '') : file
}

function unnamed(files: readonly string[], rooms: readonly Room[]): string[] {
  const units = new Set(files.map(unit))
  const seen = new Set<string>()
  const mistakes: string[] = []
  for (const { path, names } of rooms)
    for (const { name, sentence } of names) {
      const named = posix.join(path, name)
      if (!units.has(named)) mistakes.push(`docs/structure.md names ${named}, which is not there.`)
      if (seen.has(named)) mistakes.push(`docs/structure.md names ${named} twice.`)
      if (sentence === '') mistakes.push(`docs/structure.md has no sentence for ${named}.`)
      seen.add(named)
    }
  for (const name of units) if (!seen.has(name)) mistakes.push(`docs/structure.md does not name ${name}.`)
  return mistakes
}

/** Every folder at the top has a line, or rooms of its own. */
function unnamedFolders(folder: string, page: string): string[] {
  const { stdout } = spawnSync('git', ['ls-files'], { cwd: folder, encoding: 'utf8' })
  const folders = new Set(stdout.split('\n').flatMap((file) => /^([^./][^/]*)\//.exec(file)?.[1] ?? []))
  return [...folders]
    .filter((name) => !page.includes(`\`${name}/`))
    .map((name) => `docs/structure.md does not name ${name}/.`)
}

function climbingIncludes(folder: string, files: readonly string[], rooms: readonly Room[]): string[] {
  const cpp = rooms.filter(({ path }) => path.startsWith('cpp/'))
  const floorOf = new Map(
    cpp.flatMap(({ path, names }, floor) =>
      names.map(({ name }) => [posix.join(path, name), floor] as const),
    ),
  )
  const mistakes: string[] = []
  for (const file of files.filter((each) => each.startsWith('cpp/'))) {
    const floor = floorOf.get(unit(file))
    for (const [, included = ''] of readFileSync(join(folder, file), 'utf8').matchAll(
      /^\s*#\s*include\s*["<]([^">]+)[">]/gm,
    )) {
      if (/^(napi|node_api|js_native_api)\b/.test(included))
        mistakes.push(`${file} includes <${included}>: cpp/ knows no Node-API.`)
      if (/(^|\/)\.{1,2}\/|\/\//.test(included))
        mistakes.push(`${file} includes "${included}" by a path, not by its room.`)
      const path = `cpp/${included}`
      if (!existsSync(join(folder, path))) {
        if (existsSync(join(folder, dirname(file), included)))
          mistakes.push(`${file} includes "${included}" without its room.`)
        continue // llama.cpp's, or made by CMake
      }
      const other = floorOf.get(unit(path))
      if (floor !== undefined && other !== undefined && other > floor)
        mistakes.push(
          `${file} includes "${included}", which climbs: ${cpp[other]?.path} comes later in docs/structure.md.`,
        )
    }
  }
  return mistakes
}

function floorOf(file: string): number {
  return FLOORS.findLastIndex((folder) => file.startsWith(`${folder}/`))
}

function importsOf(folder: string, file: string): string[] {
  const text = readFileSync(join(folder, file), 'utf8')
  const imports =
    /^(?:import|export)\b[^'"]*?from '([.#][^']+)'|^import '([.#][^']+)'|\bimport\('([.#][^']+)'\)/gm
  return [...text.matchAll(imports)].map(([, from, bare, dynamic]) => {
    const path = (from ?? bare ?? dynamic ?? '').replace(/\.js$/, '.ts')
    return path.startsWith('#lib/') ? path.slice(1) : posix.join(posix.dirname(file), path)
  })
}

function climbingImports(folder: string): string[] {
  const mistakes: string[] = []
  const tops = new Set(FLOORS.map((path) => path.replace(/\/.*/, '')))
  for (const file of [...tops]
    .flatMap((top) => sources(folder, top))
    .filter((each) => /\.(ts|mjs)$/.test(each)))
    for (const imported of importsOf(folder, file)) {
      const [own, other] = [floorOf(file), floorOf(imported)]
      if (other < 0) continue
      const climbs = other > own || (FLOORS[own] === 'test' && FLOORS[other] === 'gpu-kit')
      if (climbs)
        mistakes.push(`${file} imports ${imported}, which climbs: ${FLOORS[other]}/ stands above it.`)
    }
  return mistakes
}

/** Each circle once, by the files on it. */
function circles(folder: string, files: readonly string[]): string[] {
  const imports = new Map(files.map((file) => [file, importsOf(folder, file)]))
  const state = new Map<string, 'open' | 'done'>()
  const path: string[] = []
  const mistakes: string[] = []
  const visit = (file: string) => {
    if (state.get(file) === 'done' || !imports.has(file)) return
    if (state.get(file) === 'open') {
      mistakes.push(`A circle of imports: ${[...path.slice(path.indexOf(file)), file].join(' -> ')}.`)
      return
    }
    state.set(file, 'open')
    path.push(file)
    for (const imported of imports.get(file) ?? []) visit(imported)
    path.pop()
    state.set(file, 'done')
  }
  for (const file of files) visit(file)
  return mistakes
}

const mistakes = structureMistakes(root)
for (const mistake of mistakes) process.stderr.write(`${mistake}\n`)
process.exitCode = mistakes.length === 0 ? 0 : 1
