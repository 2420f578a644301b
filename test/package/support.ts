import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { GENERATED_MODELS } from '../../scripts/make-model.js'

export const repository = fileURLToPath(new URL('../..', import.meta.url))
export const manifest = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'))
export const model = join(GENERATED_MODELS, 'tiny-Q8_0.gguf')

/** Folder of everything that the tests make. */
export const work = join(repository, 'build-package')
export const tarball = join(work, `verbatim-llama-${manifest.version}.tgz`)

/** An application that has installed the tarball; its folder has nothing else. */
export const application = join(work, 'application')
export const installed = join(application, 'node_modules/verbatim-llama')

/** Folder of the packages of test/package/package.json. */
export const tools = join(repository, 'test/package/node_modules')

/** The Node.js of a major version. */
export const nodeOf = (major: number) => join(tools, `node${major}`, 'bin/node')
export const NODE_VERSIONS = [20, 22, 24, 26]

export interface RunOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** The status that the program must end with; null for any. Default: 0. */
  readonly status?: number | null | undefined
}

export interface Output {
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program. Rejects, with its output, when it ends with another status. */
export async function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Output> {
  const { cwd = application, env, status = 0 } = options
  const child = spawn(program, args, { cwd, env: cleanEnvironment(env), stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text))
  const ended = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(signal ?? code))
  })
  if (status !== null && ended !== status)
    throw new Error(
      `${program} ${args.join(' ')} ended with ${ended}\n${stdout.slice(-4000)}\n${stderr.slice(-4000)}`,
    )
  return { stdout, stderr }
}

/** The environment of a user's shell: without variables of npm and vitest for programs that they start. */
function cleanEnvironment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) =>
      !/^(npm_(lifecycle|package|command|execpath)|VITEST|NODE_ENV$|NODE_OPTIONS$|TEST$)/.test(name),
  )
  return { ...Object.fromEntries(kept), ...more }
}

/** Options that keep npm from extras; its registry settings stay the user's. */
export const QUIET_NPM = ['--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error']

/** Installs tarballs in a folder, without scripts. */
export async function install(folder: string, ...packages: readonly string[]): Promise<void> {
  await run('npm', ['install', ...packages, '--ignore-scripts', ...QUIET_NPM], { cwd: folder })
}
