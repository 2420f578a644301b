import { expect, test } from 'vitest'
import { temporaryFolder } from './support/gguf-patch.js'
import { cuts, flips, loadDamaged, type Mutation } from './support/hostile.js'
import {
  contentOnly,
  gpt2Model,
  lfm2Model,
  mambaModel,
  spmModel,
  tinyModel,
  windowModel,
} from './support/model.js'

const folder = temporaryFolder()

// Damage the model with the Qwen2 vocabulary less often: that takes several times as long to load as the others.
const PARTS = [
  { model: spmModel, cut: 60, flipped: 430, chatTemplate: contentOnly },
  { model: gpt2Model, cut: 30, flipped: 60, chatTemplate: contentOnly },
  ...[mambaModel, lfm2Model, windowModel].map((model) => ({
    model,
    cut: 10,
    flipped: 60,
    chatTemplate: contentOnly,
  })),
  { model: tinyModel, cut: 10, flipped: 10, chatTemplate: undefined },
]

function split<T>(list: readonly T[]): [T[], T[]] {
  return [list.filter((_, i) => i % 2 === 0), list.filter((_, i) => i % 2 === 1)]
}

test.each(PARTS)(
  '$cut cut and $flipped damaged copies of the model load or are refused',
  async (part) => {
    const { model, cut, flipped, chatTemplate } = part
    const mutations: Mutation[] = [...cuts(model, cut), ...flips(model, flipped)]
    const reports = await Promise.all(
      split(mutations).map((half) => loadDamaged(model, folder, half, chatTemplate)),
    )
    const failures = reports.flatMap((report) => report.failures)
    const count = (name: string) => reports.reduce((sum, { outcomes }) => sum + (outcomes.get(name) ?? 0), 0)
    expect(failures, failures.join('\n')).toEqual([])
    // Check that the damage is real, and not all of it deadly.
    expect(count('MODEL_INVALID')).toBeGreaterThan(flipped / 20)
    expect(count('MODEL_TRUNCATED')).toBeGreaterThan(cut / 3)
    expect(count('ok')).toBeGreaterThan(flipped / 4)
  },
  300_000,
)
