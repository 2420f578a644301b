// Transformers compiled, for the report: compiling takes minutes, so that each size has a step of its own.

import { short } from '../../bench/report/format.js'
import { CALL_SECONDS, Skipped, type Step } from '../run/step-types.js'
import { streamSize } from './single-stream.js'
import { type CaseResult, runTransformers, transformersProblem } from './transformers.js'

export function compiledStep(batch: number): Step {
  return {
    name: `bench-compiled-${batch}`,
    group: 'bench',
    title: `Transformers compiled, in batches of ${batch}`,
    after: ['check'],
    usualSeconds: 30, // comes last: the time that is left may be enough
    limitSeconds: CALL_SECONDS,
    async run(context) {
      const problem = transformersProblem()
      if (problem !== null) throw new Skipped(problem)
      const { depth, generate } = streamSize(context)
      const name = `batch of ${batch}`
      let found: CaseResult | undefined
      const cases = [{ name, requests: batch, batch, prompt: depth, generate }]
      const result = await runTransformers(context, 'compiled', cases, (_, measured) => {
        found = measured
      })
      const cells = [found?.tokensPerSecond, found?.firstTokenMs, result.memoryMB].map((value) =>
        short(value ?? Number.NaN),
      )
      return {
        facts: { ...result, ...found },
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
