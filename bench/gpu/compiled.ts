// Transformers compiled, for the report: compiling takes minutes, so that each size has a step of its own.
import { Skipped, type Step } from '../../scripts/gpu-kit/step.js'
import { short } from '../report/format.js'
import { streamSize } from './single-stream.js'
import { runTransformers, transformersProblem } from './transformers.js'

export function compiledStep(batch: number): Step {
  return {
    name: `bench-compiled-${batch}`,
    group: 'bench',
    title: `Transformers compiled, in batches of ${batch}`,
    after: ['check'],
    usualSeconds: 400,
    limitSeconds: 520,
    async run(context) {
      const problem = transformersProblem(context)
      if (problem !== null) throw new Skipped(problem)
      const { depth, generate } = streamSize(context)
      const name = `batch of ${batch}`
      const result = await runTransformers(context, 'compiled', [
        { name, requests: batch, batch, prompt: depth, generate },
      ])
      const { tokensPerSecond, firstTokenMs } = result.cases[name] ?? {}
      const cells = [tokensPerSecond, firstTokenMs, result.memoryMB].map((value) =>
        short(value ?? Number.NaN),
      )
      return {
        facts: { ...result },
        tables: [
          {
            title: `Transformers compiled, bfloat16: ${depth} tokens of prompt, ${generate} generated`,
            head: ['', 'tokens/s', 'first token, ms', 'memory, MB'],
            rows: [[name, ...cells]],
          },
        ],
      }
    },
  }
}
