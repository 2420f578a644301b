// The other bindings of llama.cpp for Node.js: installed into bench/peers when they are first measured.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../peers', import.meta.url))

/** Packages of the binaries for this platform's CPU; those for GPUs and other platforms would take a gigabyte. */
function binaryPackages(): Record<string, string> {
  const { platform, arch } = process
  const short = { linux: 'linux', darwin: 'mac', win32: 'win' }[platform as string] ?? platform
  const metal = platform === 'darwin' && arch === 'arm64' ? '-metal' : ''
  return {
    'node-llama-cpp': `@node-llama-cpp/${short}-${arch}${metal}`,
    '@fugood/llama.node': `@fugood/node-llama-${platform}-${arch}`,
  }
}

/** Installs missing peers. One that cannot be installed is reported when it is started, and skipped. */
export function installPeers(): void {
  const { dependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  const binaries = binaryPackages()
  const names = Object.keys(dependencies)
  const isThere = (name: string) => existsSync(join(folder, 'node_modules', name, 'package.json'))
  if (names.every((name) => isThere(name) && isThere(binaries[name] ?? name))) return
  process.stderr.write(`[bench] installing ${names.join(' and ')} (about 110 MB, once)\n`)
  const wanted = names.map((name) => `${binaries[name]}@${dependencies[name]}`)
  // Leave out other platforms' binaries, and scripts that would build llama.cpp when no binary suits them.
  const options = [
    '--no-save',
    '--no-package-lock',
    '--omit=optional',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
  ]
  const { status } = spawnSync('npm', ['install', ...options, ...wanted], {
    cwd: folder,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  })
  if (status !== 0) process.stderr.write('[bench] they could not be installed: they will not be measured\n')
}
