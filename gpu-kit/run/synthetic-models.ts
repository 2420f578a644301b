// The models that are measured: random weights in the shape of real ones, made where they are needed.
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type ModelType, makeModel } from '../../scripts/make-model.js'
import { CALL_SECONDS, type KitContext, type Step, type StepResult } from './step-types.js'

/** True for a model that is not there any more, or that another call had elsewhere. */
export function isStaleModel({ name, findings }: StepResult, { models }: KitContext): boolean {
  const path = findings.facts?.path
  return (
    name.startsWith('model-') && !(typeof path === 'string' && dirname(path) === models && existsSync(path))
  )
}

/** Shape of the model of the benchmarks, the same for every contender. */
export function benchShape({ cpuOnly }: KitContext): string {
  return cpuOnly ? 'tiny' : 'qwen2.5-7b'
}

export function benchModel(context: KitContext, type: ModelType): string {
  return join(context.models, `${benchShape(context)}-${type}.gguf`)
}

/** Path of the model of the tests: large enough for a GPU to be worth it, small enough to be loaded many times. */
export function testModel(context: KitContext): string {
  return join(context.models, `${testShape(context)}-Q8_0.gguf`)
}

function testShape({ cpuOnly }: KitContext): string {
  return cpuOnly ? 'tiny' : 'qwen2.5-0.5b'
}

/** Path of the kit's trained model, whose likeliest token is far ahead of the next. */
export function trainedModel(root: string): string {
  return join(root, 'models/verbatim-tiny.gguf')
}

export const testModelStep = modelStep('model-tests', 'the model of the tests', (context) => ({
  shape: testShape(context),
  type: 'Q8_0',
  out: testModel(context),
}))

export const benchModelStep = (type: ModelType) =>
  modelStep(`model-${type}`, `the model of the benchmarks in ${type}`, (context) => ({
    shape: benchShape(context),
    type,
    out: benchModel(context, type),
  }))

function modelStep(
  name: string,
  title: string,
  options: (context: KitContext) => { shape: string; type: ModelType; out: string },
): Step {
  return {
    name,
    group: 'build',
    title,
    after: ['check', 'backend'], // without one nothing is measured
    usualSeconds: 10,
    limitSeconds: CALL_SECONDS,
    async run(context) {
      const wanted = options(context)
      // Remove the rest of a step that was killed.
      for (const file of readdirSync(context.models))
        if (file.startsWith(`${basename(wanted.out)}.`)) rmSync(join(context.models, file))
      const { path, bytes, elapsed } = await makeModel(wanted)
      return { facts: { path, bytes, seconds: Math.round(elapsed) / 1000 } }
    },
  }
}
