// The manifest of a kit: written when it is packed, read where it runs.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Manifest {
  readonly commit: string | null
  readonly packed: string
  readonly node: string | null
  /** The folder of the addon and its backends. */
  readonly addon: string
  readonly addonRunsOn: string
  /** True when llama.cpp's programs lie beside the addon. */
  readonly programs: boolean
  /** The packed CUDA backend; null where the machine compiles it. */
  readonly backend: PackedBackend | null
}

/** The CUDA backend of a kit. */
export interface PackedBackend extends BackendOrigin {
  /** The SONAMEs of CUDA's libraries that it was linked to. */
  readonly needs: readonly string[]
  readonly sha256: string
}

/** Origin of a backend's build; null where nothing was written beside it. */
export interface BackendOrigin {
  readonly llamaCpp: string | null
  readonly nvcc: string | null
  readonly architectures: string | null
}

/** Reads the manifest; null in a folder that was not packed, as in the repository. */
export function readManifest(root: string): Manifest | null {
  try {
    return JSON.parse(readFileSync(join(root, 'manifest.json'), 'utf8')) as Manifest
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    if (error instanceof SyntaxError) throw new Error('manifest.json is damaged: unpack the kit anew')
    throw error
  }
}
