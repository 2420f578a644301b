// Writes the reference of the API, docs/api/, from the types and comments of lib/. Fails where a name is not documented
// or not exported, or a link leads nowhere.
//
//   npm run docs
//   npm run docs -- --check   writes nothing, and fails where docs/api/ is out of date
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { hashFiles, hasStamp, writeStamp } from './setup/stamp.mjs'
import { fail, repositoryRoot, run, SetupFailure, say } from './setup/tools.mjs'

const OUT = 'docs/api'
/** Package of TypeDoc, which needs a TypeScript older than this repository's. */
const TOOLS = join(repositoryRoot, 'docs/reference')
/**
 * Names by which users import the modules.
 *
 * @type {Record<string, string>}
 */
const MODULES = { index: 'verbatim-llama', worker: 'verbatim-llama/worker' }

process.chdir(repositoryRoot)
try {
  installTools()
  if (process.argv.includes('--check')) await check()
  else await write(OUT)
} catch (error) {
  if (!(error instanceof SetupFailure)) throw error
  say(error.message)
  process.exitCode = 1
}

function installTools() {
  const wanted = hashFiles([join(TOOLS, 'package.json'), join(TOOLS, 'package-lock.json')])
  const stamp = join(TOOLS, 'node_modules/.verbatim-llama-packages')
  if (hasStamp(stamp, wanted)) return
  say('installing TypeDoc')
  run('npm', ['ci', '--prefix', TOOLS, '--no-audit', '--no-fund'], 'TypeDoc could not be installed')
  writeStamp(stamp, wanted)
}

/** @param {string} out */
async function write(out) {
  const typedoc = createRequire(join(TOOLS, 'package.json')).resolve('typedoc')
  const { Application, TSConfigReader, TypeDocReader } = await import(pathToFileURL(typedoc).href)
  const options = { options: join(TOOLS, 'typedoc.json'), out, logLevel: 'Warn' }
  const application = await Application.bootstrapWithPlugins(options, [
    new TypeDocReader(),
    new TSConfigReader(),
  ])
  const project = await application.convert()
  if (!project) fail('the types of lib/ could not be read')
  for (const module of project.children) module.name = MODULES[module.name]
  application.validate(project)
  if (!application.logger.hasErrors() && !application.logger.hasWarnings())
    await application.generateOutputs(project)
  if (application.logger.hasErrors() || application.logger.hasWarnings()) fail(`${out} was not written`)
}

async function check() {
  const out = mkdtempSync(join(tmpdir(), 'verbatim-llama-reference-'))
  try {
    await write(out)
    if (contents(out) !== contents(OUT)) fail(`${OUT} is not what lib/ says: npm run docs`)
  } finally {
    rmSync(out, { recursive: true })
  }
}

/** @param {string} folder */
function contents(folder) {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.md'),
  )
  return JSON.stringify(files.sort().map((name) => [name, readFileSync(join(folder, name), 'utf8')]))
}
