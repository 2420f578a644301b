// The GPU kit is packed with a CUDA backend that is built where neither cuBLAS nor a driver is.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { llamaCppVersion } from '../../bench/contenders/llama-cpp.js'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const standIns = join(repository, 'gpu-kit/pack/cuda-stand-ins.cmake')

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpu-kit-pack-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function run(command: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', cwd: folder })
  expect({ command, args, status, output: status === 0 ? '' : stdout + stderr }).toMatchObject({ status: 0 })
  return stdout
}

test.runIf(process.platform === 'linux')(
  'a library that is linked to stand-ins needs the real ones by their names, and no folder of this machine',
  () => {
    writeFileSync(
      join(folder, 'CMakeLists.txt'),
      `cmake_minimum_required(VERSION 3.19)
       project(stand-ins C)
       set(CUDAToolkit_VERSION_MAJOR 13)
       set(CMAKE_BUILD_WITH_INSTALL_RPATH ON)
       include("${standIns}")
       verbatim_cuda_stand_ins()
       add_library(backend SHARED backend.c)
       target_link_libraries(backend PRIVATE CUDA::cublas CUDA::cuda_driver)`,
    )
    writeFileSync(
      join(folder, 'backend.c'),
      'int cublasCreate_v2(void**); int cuMemMap(void); int use(void) { return cublasCreate_v2(0) + cuMemMap(); }',
    )
    run('cmake', '-S', '.', '-B', 'build')
    run('cmake', '--build', 'build')
    const dynamic = run('readelf', '--dynamic', '--wide', 'build/libbackend.so')
    const needed = [...dynamic.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name)
    expect(needed).toEqual(expect.arrayContaining(['libcublas.so.13', 'libcuda.so.1']))
    expect(dynamic).not.toContain(folder)
  },
)

test('every function that is declared has a stand-in, and the other way round', () => {
  const header = readFileSync(join(repository, 'gpu-kit/pack/cuda-stand-ins/cublas_v2.h'), 'utf8')
  const renamed = new Map([...header.matchAll(/#define (cublas\w+) (\w+)/g)].map(([, a, b]) => [a, b]))
  const declared = [...header.matchAll(/^(?:cublasStatus_t|const char\*) (\w+)\(/gm)].map(
    ([, name]) => renamed.get(name) ?? name,
  )
  const [, list = ''] = /"(cublasCreate_v2[^"]*)"/.exec(readFileSync(standIns, 'utf8')) ?? []
  expect(declared.toSorted()).toEqual(list.replaceAll(/\\\n/g, '').split(';').toSorted())
})

describe.runIf(process.platform === 'linux')('npm run gpu-kit refuses', () => {
  const pack = (...args: string[]) => {
    const tsx = join(repository, 'node_modules/tsx/dist/cli.mjs')
    const script = join(repository, 'gpu-kit/pack/command.ts')
    const { status, stderr } = spawnSync(process.execPath, [tsx, script, ...args], {
      encoding: 'utf8',
      env: { ...process.env, INIT_CWD: folder },
    })
    expect(status).toBe(1)
    return stderr
  }

  test.each([
    [['--with-backend', '--backend', 'x.so'], /not both/],
    [['--architectures', '90'], /belongs to --with-backend/],
    [['--with-backend', '--architectures', 'sm_90'], /compute capabilities such as 80,90/],
    [['--backend', 'missing.so'], /missing\.so is not there/],
    [['--backends'], /--backends/],
  ])('the arguments %j', (args, reason) => {
    expect(pack(...args)).toMatch(reason)
  })

  test.runIf(process.platform === 'linux')(
    'a library that is no backend, or one of another llama.cpp',
    () => {
      writeFileSync(join(folder, 'other.c'), 'int nothing;')
      run('cc', '-shared', '-o', 'other.so', 'other.c')
      expect(pack('--backend', 'other.so')).toMatch(/other\.so is no CUDA backend of this version/)
      const version = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')).version
      const base = `libverbatim-llama-${version}-ggml-base.so`
      run('cc', '-shared', `-Wl,-soname,${base}`, '-o', base, 'other.c')
      run('cc', '-shared', '-Wl,--no-as-needed', '-o', 'libggml-cuda.so', 'other.c', base)
      const origin = { llamaCpp: 'v0.4.0', nvcc: '13.0', architectures: '90-real' }
      writeFileSync(join(folder, 'libggml-cuda.so.json'), JSON.stringify(origin))
      expect(pack('--backend', 'libggml-cuda.so')).toContain(
        `is of llama.cpp v0.4.0, this is ${llamaCppVersion()}`,
      )
    },
  )
})
