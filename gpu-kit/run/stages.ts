// All stages of the kit, the most valuable first, for when time on the GPU is short.
import { besideTransformersStep } from '../gpu-bench/beside-transformers.js'
import { compiledStep } from '../gpu-bench/compiled.js'
import { fanOutStep, manyStep } from '../gpu-bench/fan-out.js'
import { oneStreamStep, singleStreamStep } from '../gpu-bench/single-stream.js'
import { MEMORY_TESTS, PAIR_TESTS } from '../gpu-tests/lifetime.js'
import { REQUEST_TESTS } from '../gpu-tests/requests.js'
import { memcheck } from '../gpu-tests/sanitizer.js'
import { TOKEN_TESTS, tokens } from '../gpu-tests/tokens.js'
import { check } from './machine-inventory.js'
import { addon, backend, blocker, programs } from './packed-or-built.js'
import type { Stage } from './step-types.js'
import { benchModelStep, testModelStep } from './synthetic-models.js'

/** The stages; their limits together are at most the seven minutes of a call with --budget 420. */
export const STAGES: readonly Stage[] = [
  {
    title: 'the backend loads, and a greedy answer equals the CPU’s',
    limitSeconds: 60,
    steps: [check, addon, backend, tokens],
  },
  {
    title: 'one stream of Q4_K 7B against llama-bench',
    limitSeconds: 75,
    steps: [programs, testModelStep, benchModelStep('Q4_K'), oneStreamStep('Q4_K')],
  },
  {
    title: '32 requests that share 1000 tokens, and where the time of a step goes',
    limitSeconds: 60,
    steps: [manyStep('Q4_K')],
  },
  {
    title: 'F16 7B, one stream and 32 requests, against Transformers',
    limitSeconds: 115,
    steps: [benchModelStep('F16'), besideTransformersStep()],
  },
  {
    title: 'a filled card, dispose, 20 times loaded and disposed of',
    limitSeconds: 60,
    steps: [blocker, ...MEMORY_TESTS],
  },
  {
    title: 'the rest of the tests',
    limitSeconds: 50,
    steps: [...TOKEN_TESTS, ...REQUEST_TESTS, ...PAIR_TESTS, memcheck],
  },
  {
    title: 'the rest of the benchmarks',
    steps: [
      singleStreamStep('Q4_K'),
      singleStreamStep('F16'),
      fanOutStep('F16'),
      fanOutStep('Q4_K'),
      benchModelStep('Q8_0'),
      singleStreamStep('Q8_0'),
      fanOutStep('Q8_0'),
      ...[1, 8].map(compiledStep),
    ],
  },
]

export const STEPS = STAGES.flatMap(({ steps }) => steps)
