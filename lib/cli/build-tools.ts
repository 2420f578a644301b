// What the machine must have for a build, looked for before the build begins.
import { accessSync, constants, existsSync, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const isWindows = process.platform === 'win32'

/** Folders in which NVIDIA's and others' packages put nvcc, if it is not on the PATH. */
const CUDA_FOLDERS = ['/usr/local', '/opt']

/** The programs that a build needs and this machine lacks, all at once. CMake looks closer, at versions for example. */
export function missingTools(env: NodeJS.ProcessEnv = process.env): string[] {
  const has = (...names: string[]) => names.some((name) => onPath(name, env))
  const missing = has('cmake') ? [] : ['CMake 3.19 or later']
  // CMake finds Visual Studio by itself.
  if (isWindows) return missing
  const compiler = (variable: string, wanted: string, ...names: string[]) => {
    const [chosen] = (env[variable] ?? '').trim().split(/\s+/)
    if (!chosen && !has(...names)) missing.push(wanted)
    if (chosen && !existsSync(chosen) && !has(chosen))
      missing.push(`${chosen}, which the variable ${variable} names`)
  }
  compiler('CXX', 'a C++20 compiler (GCC 11, Clang 14)', 'c++', 'g++', 'clang++')
  compiler('CC', 'a C compiler', 'cc', 'gcc', 'clang')
  if (!has('ninja', 'make', 'gmake')) missing.push('make or Ninja')
  return missing
}

/**
 * True where there is an nvcc in any place in which CMake looks. What else the CUDA backend needs, CMake knows better.
 *
 * @param cudaFolders folders of folders `cuda…`
 */
export function hasNvcc(
  env: NodeJS.ProcessEnv = process.env,
  cudaFolders: readonly string[] = CUDA_FOLDERS,
): boolean {
  const roots = [
    env.CUDAToolkit_ROOT,
    env.CUDA_PATH,
    env.CUDA_HOME,
    ...(env.CMAKE_PREFIX_PATH ?? '').split(delimiter),
  ]
  const usual = cudaFolders.flatMap((folder) =>
    existsSync(folder)
      ? readdirSync(folder)
          .filter((name) => name.startsWith('cuda'))
          .map((name) => join(folder, name))
      : [],
  )
  return (
    Boolean(env.CUDACXX) ||
    onPath('nvcc', env) ||
    [...roots, ...usual].some(
      (root) => root && existsSync(join(root, 'bin', isWindows ? 'nvcc.exe' : 'nvcc')),
    )
  )
}

export function onPath(program: string, env: NodeJS.ProcessEnv = process.env): boolean {
  const name = isWindows ? `${program}.exe` : program
  return (env.PATH ?? '').split(delimiter).some((folder) => folder && existsSync(join(folder, name)))
}

/** The first of these files and folders that is there and may not be changed by this user. */
export function unwritable(paths: readonly string[]): string | undefined {
  return paths.find((path) => {
    if (!existsSync(path)) return false
    try {
      accessSync(path, constants.W_OK)
      return false
    } catch {
      return true
    }
  })
}

/** What a build needs, and the commands that install it on this system. */
export function whatIsNeeded(): string {
  const packages =
    process.platform === 'darwin'
      ? 'xcode-select --install and brew install cmake'
      : isWindows
        ? 'winget install Kitware.CMake and Microsoft.VisualStudio.2022.BuildTools'
        : existsSync('/etc/alpine-release')
          ? 'apk add cmake g++ make linux-headers'
          : 'apt-get install cmake g++ make (Debian, Ubuntu), or dnf install cmake gcc-c++ make (Fedora, RHEL)'
  return `The build needs CMake 3.19 or later and a C++20 compiler (GCC 11, Clang 14, MSVC 2022): ${packages}.`
}
