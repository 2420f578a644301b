// Answers one task of tokens.ts on the CPU.
import { type CpuTask, outputsOf } from './outputs.js'

process.once('message', async (task) => {
  const { path, prompts } = task as CpuTask
  process.send?.(await outputsOf(path, prompts, { gpuLayers: 0, threads: 2 }), () => process.exit())
})
