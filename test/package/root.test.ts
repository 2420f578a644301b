// The package in a root of its own: Node.js, the libraries that Node.js is linked with, npm, and nothing else. No shell,
// compiler, CMake, git or Python.
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  manifest,
  model,
  NODE_VERSIONS,
  nodeOf,
  QUIET_NPM,
  repository,
  run,
  tarball,
  tools,
  work,
} from './support.js'

const root = join(work, 'root')
const inRoot = (path: string) => join(root, path)

/** Runs Node.js in that root. Namespaces let any user do it, with the folders of the kernel that Node.js reads. */
function runNode(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const script = 'mount -t proc proc "$1/proc" && cd "$1" && exec chroot "$@"'
  const namespaces = ['--user', '--map-root-user', '--mount', '--pid', '--fork']
  const command = ['sh', '-c', script, 'sh', root, '/usr/bin/node', ...args]
  return run('unshare', [...namespaces, ...command], {
    cwd: root,
    env: { HOME: '/home', PATH: '/usr/bin:/usr/sbin:/bin:/sbin', TMPDIR: '/tmp', ...env },
  })
}

async function copyWithLibraries(program: string, to: string): Promise<void> {
  copyInto(program, to)
  const { stdout } = await run('ldd', [program], { cwd: work })
  for (const [, library] of stdout.matchAll(/(\/\S+) \(0x/g)) copyInto(library as string, library as string)
}

function copyInto(from: string, to: string): void {
  mkdirSync(dirname(inRoot(to)), { recursive: true })
  copyFileSync(from, inRoot(to))
}

describe.runIf(process.platform === 'linux').each(NODE_VERSIONS)(
  'with Node.js %i and nothing else',
  (major) => {
    beforeAll(async () => {
      rmSync(root, { recursive: true, force: true })
      for (const folder of ['proc', 'tmp', 'home', 'application'])
        mkdirSync(inRoot(folder), { recursive: true })
      await copyWithLibraries(nodeOf(major), '/usr/bin/node')
      const npm = dirname(createRequire(await npmFile()).resolve('npm/package.json'))
      cpSync(npm, inRoot('npm'), { recursive: true, dereference: true })
      const certificates = process.env.NODE_EXTRA_CA_CERTS
      for (const path of ['/etc/resolv.conf', '/etc/hosts', certificates])
        if (path && existsSync(path)) copyInto(path, path)
      copyFileSync(tarball, inRoot('verbatim-llama.tgz'))
      copyFileSync(model, inRoot('model.gguf'))
      writeFileSync(inRoot('application/package.json'), '{ "private": true, "type": "module" }\n')
      await runNode([
        '/npm/bin/npm-cli.js',
        'install',
        '/verbatim-llama.tgz',
        '--ignore-scripts',
        ...QUIET_NPM,
        '--prefix',
        '/application',
      ])
    })

    test('has no tool to build with', () => {
      expect(readdirSync(inRoot('usr/bin'))).toEqual(['node'])
      for (const folder of ['bin', 'sbin', 'usr/sbin', 'usr/local'])
        expect(existsSync(inRoot(folder))).toBe(false)
    })

    test('runs the example', async () => {
      const { transformSync } = createRequire(join(tools, 'x.js'))('esbuild')
      const source = readFileSync(join(repository, 'examples/basic.ts'), 'utf8')
      writeFileSync(
        inRoot('application/basic.mjs'),
        transformSync(source, { loader: 'ts', format: 'esm' }).code,
      )
      const { stdout, stderr } = await runNode(['/application/basic.mjs', '/model.gguf'])
      expect(stdout).toContain('finishReason:')
      expect(stderr).toBe('')
    })

    test.runIf(manifest.exports['./worker'])('runs the worker', async () => {
      writeFileSync(
        inRoot('application/worker.mjs'),
        `import { loadModel } from 'verbatim-llama'
      import { createWorker } from 'verbatim-llama/worker'
      const model = await loadModel('/model.gguf', { contextSize: 512 })
      const worker = createWorker({ model })
      const body = JSON.stringify({ messages: [{ role: 'user', content: 'Hello' }], max_tokens: 4 })
      const headers = { 'content-type': 'application/json' }
      const answer = await worker.request('/generate', { method: 'POST', headers, body })
      console.log(answer.status, await answer.text())
      await model.dispose()`,
      )
      const { stdout } = await runNode(['/application/worker.mjs'])
      expect(stdout).toMatch(/^200 .*"finish_reason"/)
    })

    test.runIf(manifest.exports['./worker'])('runs `serve`', async () => {
      writeFileSync(
        inRoot('application/serve.mjs'),
        `import { spawn } from 'node:child_process'
      const program = '/application/node_modules/verbatim-llama/${manifest.bin['verbatim-llama']}'
      const port = 20000 + process.pid + Math.floor(Math.random() * 20000)
      const arguments_ = [program, 'serve', '/model.gguf', '--port', String(port), '--context-size', '512']
      const server = spawn(process.execPath, arguments_, { stdio: 'inherit' })
      const closed = new Promise((resolve) => server.once('close', (code, signal) => resolve(signal ?? code)))
      const url = 'http://127.0.0.1:' + port
      while (!(await fetch(url + '/ready').catch(() => undefined))?.ok) {
        if (server.exitCode !== null) throw new Error('it ended')
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      const body = JSON.stringify({ messages: [{ role: 'user', content: 'Hello' }], max_tokens: 4 })
      const headers = { 'content-type': 'application/json' }
      const answer = await fetch(url + '/chat', { method: 'POST', headers, body })
      console.log('status', answer.status)
      server.kill('SIGTERM')
      console.log('ended', await closed)`,
      )
      const { stdout } = await runNode(['/application/serve.mjs'])
      expect(stdout).toContain('status 200')
      expect(stdout).toContain('ended 0')
    })
  },
)

/** A file in the folder where npm is installed. */
async function npmFile(): Promise<string> {
  const { stdout } = await run('npm', ['root', '--global'], { cwd: work })
  return join(stdout.trim(), 'x.js')
}
