// Answers one task of tokens.ts on the CPU.
import { availableParallelism } from 'node:os'
import { type CpuTask, outputsOf } from './outputs.js'

const threads = Math.max(2, Math.floor(availableParallelism() / 2))
process.once('message', async (task) => {
  const { path, prompts } = task as CpuTask
  process.send?.(await outputsOf(path, prompts, { gpuLayers: 0, threads }), () => process.exit())
})
