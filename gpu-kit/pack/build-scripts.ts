// What the scripts that set up and package have for the kit, with types.
interface CmakeJs {
  /** Configures a build in a folder. */
  configureNative: (folder: string, options: readonly string[]) => void
  /** Builds what `options` name, or everything. */
  compileNative: (folder: string, options?: readonly string[]) => void
}

interface Cuda {
  /** `--architectures 80,90` among the arguments as CMake writes it; `default` without. */
  architecturesIn: (args: readonly string[]) => string
}

interface Sources {
  stageSources: (stage: string, llamaCppDir: string) => void
  copyAll: (from: string, to: string, names: readonly string[]) => void
}

const load = (name: string) => import(new URL(`../../scripts/${name}`, import.meta.url).href)

export const { configureNative, compileNative } = (await load('setup/cmake-js.mjs')) as CmakeJs
export const { architecturesIn } = (await load('setup/cuda.mjs')) as Cuda
export const { stageSources, copyAll } = (await load('package/sources.mjs')) as Sources
