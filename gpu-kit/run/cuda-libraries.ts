// Finds the libraries of CUDA that the packed backend was linked to by name only: in the toolkit, on the loader's path,
// or in the packages of Python, whichever this machine has.
import { existsSync, readdirSync, realpathSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { ask, findCudaTool, PYTHON } from './machine-programs.js'

/** A folder to look into, and its kind. */
export interface Place {
  readonly what: 'toolkit' | 'loader' | 'Python' | 'driver'
  readonly folder: string
}

export interface FoundLibraries {
  /** The place of each library; null for one that is nowhere. */
  readonly found: Readonly<Record<string, Place | null>>
  /** LD_LIBRARY_PATH with its former folders, and those that the loader would not look into by itself. */
  readonly libraryPath: string
}

/** Looks for each library, by its SONAME, in the places in their order. */
export function findLibraries(names: readonly string[], places = cudaPlaces()): FoundLibraries {
  const found = Object.fromEntries(
    names.map((name) => [name, places.find(({ folder }) => existsSync(join(folder, name))) ?? null]),
  )
  const folders = Object.values(found).flatMap((place) =>
    place && place.what !== 'loader' ? [place.folder] : [],
  )
  // Put them first, so that one toolkit's libraries do not load another's.
  const path = [...new Set(folders), ...loaderVariable()]
  return { found, libraryPath: path.join(delimiter) }
}

function cudaPlaces(): Place[] {
  const place = (what: Place['what']) => (folder: string) => ({ what, folder })
  return [
    ...toolkitFolders().map(place('toolkit')),
    ...loaderFolders().map(place('loader')),
    ...pythonFolders().map(place('Python')),
    ...['/usr/local/nvidia/lib64', '/usr/lib/wsl/lib'].map(place('driver')),
  ]
}

function toolkitFolders(): string[] {
  const nvcc = findCudaTool('nvcc')
  const path = nvcc && (existsSync(nvcc) ? nvcc : ask('sh', ['-c', `command -v ${nvcc}`]))
  const roots = [
    ...(path ? [dirname(dirname(realpathSync(path)))] : []),
    ...(process.env.CUDA_HOME ? [process.env.CUDA_HOME] : []),
    '/usr/local/cuda',
    ...list('/usr/local')
      .filter((name) => /^cuda-\d/.test(name))
      .map((name) => `/usr/local/${name}`),
  ]
  return roots.flatMap((root) => [`${root}/lib64`, `${root}/targets/x86_64-linux/lib`])
}

const loaderVariable = () => (process.env.LD_LIBRARY_PATH ?? '').split(delimiter).filter(Boolean)

/** Folders that the loader looks into by itself. */
function loaderFolders(): string[] {
  const cache = ask('ldconfig', ['-p']) ?? ask('/sbin/ldconfig', ['-p']) ?? ''
  const known = [...cache.matchAll(/=> (\/.*)\/[^/]+$/gm)].map(([, folder]) => folder as string)
  const standard = ['/lib/x86_64-linux-gnu', '/usr/lib/x86_64-linux-gnu', '/lib64', '/usr/lib64']
  return [...new Set([...loaderVariable(), ...known, ...standard])]
}

/** Folders of NVIDIA's Python packages: nvidia/cublas/lib, nvidia/cu13/lib and the like, beside torch. */
function pythonFolders(): string[] {
  const paths = ask(PYTHON, ['-c', 'import sys; print("\\n".join(sys.path))']) ?? ''
  return paths
    .split('\n')
    .filter(Boolean)
    .flatMap((path) => list(join(path, 'nvidia')).map((name) => join(path, 'nvidia', name, 'lib')))
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
