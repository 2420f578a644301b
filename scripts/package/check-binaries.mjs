// Refuses prebuilt libraries that need too much of a machine, by their ELF headers, with binutils (Linux only).
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fail, repositoryRoot, say } from '../setup/tools.mjs'

/**
 * Newest versions that a library may need: systems with glibc 2.34 have them (RHEL 9, Ubuntu 22.04, Debian 12).
 *
 * @type {Record<string, string>}
 */
const NEWEST = { GLIBC: '2.34', GLIBCXX: '3.4.29', CXXABI: '1.3.13', GCC: '12.0.0' }

/** Libraries of every system that Node.js runs on; not libgomp, which slim images lack. */
const SYSTEM =
  /^(lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+)\.so\.\d+|ld-linux-(x86-64|aarch64)\.so\.\d+|libc\.musl-\w+\.so\.1)$/

/** Libraries of the CUDA toolkit and the driver. */
const CUDA = /^lib(cudart|cublas|cuda)\.so\.\d+$/

/** A function of ggml's CPU backends that are compiled for AMX, which end the process (cmake/prebuild.cmake says why). */
const AMX = /ggml_backend_amx_buffer_type/

const OWN = /^libverbatim-llama-[\d.]+-(llama|ggml|ggml-base)\.so$/

/**
 * Fails when libraries of a folder would not load everywhere, naming all reasons.
 *
 * @param {string} folder
 */
export function checkBinaries(folder, { cuda = false } = {}) {
  if (process.platform !== 'linux') return say('the libraries are checked on Linux only')
  const names = readdirSync(folder).filter((name) => /\.(so|node)$/.test(name))
  if (names.length === 0) fail(`no libraries in ${folder}`)
  const problems = names.flatMap((name) =>
    problemsOf(join(folder, name), cuda).map((problem) => `  ${name}: ${problem}`),
  )
  if (problems.length > 0) fail(`these libraries would not load everywhere:\n${problems.join('\n')}`)
}

/**
 * Fails where one of the libraries is compiled for AMX.
 *
 * @param {readonly string[]} paths
 */
export function refuseAmx(paths) {
  for (const path of paths)
    if (usesAmx(path)) fail(`${path} is compiled for AMX and would end the process of whoever loads it`)
}

/** @param {string} path */
const usesAmx = (path) => AMX.test(read(['--dyn-syms', '--wide', path]))

/**
 * @param {string} path
 * @param {boolean} cuda
 */
function problemsOf(path, cuda) {
  /** @type {string[]} */
  const problems = []
  for (const [, library = '', number = ''] of read(['--version-info', '--wide', path]).matchAll(
    /Name: (GLIBC|GLIBCXX|CXXABI|GCC)_([\d.]+)/g,
  ))
    if (isNewer(number, NEWEST[library] ?? '0')) problems.push(`needs ${library}_${number}`)
  const dynamic = read(['--dynamic', '--wide', path])
  for (const [, needed = ''] of dynamic.matchAll(/\(NEEDED\).*\[(.*)\]/g))
    if (!SYSTEM.test(needed) && !OWN.test(needed) && !(cuda && CUDA.test(needed)))
      problems.push(`needs ${needed}`)
  const [, runPath] = /\((?:RUNPATH|RPATH)\).*\[(.*)\]/.exec(dynamic) ?? []
  if (runPath !== undefined && runPath !== '$ORIGIN') problems.push(`looks for libraries in ${runPath}`)
  if (usesAmx(path)) problems.push('is compiled for AMX')
  if (/\.symtab|\.debug_/.test(read(['--section-headers', '--wide', path]))) problems.push('is not stripped')
  if (readFileSync(path).includes(repositoryRoot)) problems.push('names folders of this machine')
  return [...new Set(problems)]
}

/** @param {readonly string[]} args */
function read(args) {
  const { error, status, stdout } = spawnSync('readelf', args, { encoding: 'utf8', maxBuffer: 2 ** 28 })
  if (error || status !== 0) fail(`readelf (binutils) could not read ${args.at(-1)}`)
  return stdout
}

/**
 * @param {string} version
 * @param {string} limit
 */
function isNewer(version, limit) {
  const [a = [], b = []] = [version, limit].map((text) => text.split('.').map(Number))
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return false
}
