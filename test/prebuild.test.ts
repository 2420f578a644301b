// What the packages bring along runs in processes that are not ours: no library may end them.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { llamaCppDir } from '../scripts/make-model/vocab.js'
import { checkBinaries, refuseAmx } from '../scripts/package/check-binaries.mjs'

const repository = fileURLToPath(new URL('..', import.meta.url))

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'prebuild-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function run(command: string, ...args: string[]): void {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  expect({ command, args, status, output: status === 0 ? '' : stdout + stderr }).toMatchObject({ status: 0 })
}

/** A target, as CMake's file API describes it. */
interface Target {
  readonly name: string
  readonly artifacts?: readonly { readonly path: string }[]
  readonly compileGroups?: readonly {
    readonly compileCommandFragments?: readonly { readonly fragment: string }[]
  }[]
}

/** Configures a build for other machines, compiling nothing. @returns its targets */
function configuredTargets(): Target[] {
  const query = join(folder, '.cmake/api/v1/query')
  mkdirSync(query, { recursive: true })
  writeFileSync(join(query, 'codemodel-v2'), '')
  const options = {
    CMAKE_BUILD_TYPE: 'Release',
    LLAMA_CPP_DIR: llamaCppDir(),
    VERBATIM_PREBUILD: 'ON',
    VERBATIM_BUILD_ADDON: 'OFF',
    VERBATIM_BUILD_TESTS: 'OFF',
    VERBATIM_CUDA: 'off',
  }
  run(
    'cmake',
    ...['-S', repository, '-B', folder],
    ...Object.entries(options).map(([name, value]) => `-D${name}=${value}`),
  )
  const reply = join(folder, '.cmake/api/v1/reply')
  return readdirSync(reply)
    .filter((name) => name.startsWith('target-'))
    .map((name) => JSON.parse(readFileSync(join(reply, name), 'utf8')) as Target)
}

describe.runIf(process.platform === 'linux' && process.arch === 'x64')('prebuilt libraries', () => {
  test('are of every generation of processors, and none is compiled for AMX', () => {
    const packed = configuredTargets().filter(({ artifacts }) =>
      artifacts?.some(({ path }) => /^Release\/[^/]+\.so$/.test(path)),
    )
    const names = packed.map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(['ggml-cpu-x64', 'ggml-cpu-haswell', 'ggml-cpu-zen4']))
    const flags = ({ compileGroups = [] }: Target) =>
      compileGroups.flatMap((group) => group.compileCommandFragments ?? []).map(({ fragment }) => fragment)
    expect(packed.flatMap(flags).join(' ')).toContain('-mavx512bf16')
    expect(packed.filter((target) => /-mamx/.test(flags(target).join(' '))).map(({ name }) => name)).toEqual(
      [],
    )
  }, 120_000)

  test('that are compiled for AMX all the same are refused, by packages and by the GPU kit', () => {
    const library = join(folder, 'libggml-cpu-any.so')
    const source = join(folder, 'any.cpp')
    const compile = (text: string) => {
      writeFileSync(source, text)
      run('c++', '-shared', '-fPIC', '-s', '-o', library, source)
    }
    compile('int ggml_cpu_has_amx_int8() { return 0; }')
    refuseAmx([library])
    checkBinaries(folder)
    compile('void* ggml_backend_amx_buffer_type() { return nullptr; }')
    expect(() => refuseAmx([library])).toThrow(/libggml-cpu-any\.so is compiled for AMX/)
    expect(() => checkBinaries(folder)).toThrow(/libggml-cpu-any\.so: is compiled for AMX/)
  })
})
