import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeModel } from '../../scripts/make-model.js'
import { application, install, QUIET_NPM, repository, run, tarball, tools, work } from './support.js'

/** Installs the tools once, packs the package, and installs it in an empty folder. */
export async function setup(): Promise<void> {
  await makeModel({ shape: 'tiny' })
  await installTools()
  rmSync(work, { recursive: true, force: true })
  mkdirSync(application, { recursive: true })
  await run('npm', ['pack', '--pack-destination', work, ...QUIET_NPM], { cwd: repository })
  writeFileSync(join(application, 'package.json'), '{ "private": true, "type": "module" }\n')
  await install(application, tarball)
}

async function installTools(): Promise<void> {
  const folder = join(repository, 'test/package')
  const wanted = readFileSync(join(folder, 'package.json'), 'utf8')
  const stamp = join(tools, '.verbatim-llama-tools')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  await run('npm', ['install', '--no-package-lock', '--ignore-scripts', ...QUIET_NPM], { cwd: folder })
  writeFileSync(stamp, wanted)
}
