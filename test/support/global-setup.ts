import { makeModel } from '../../scripts/make-model.js'
import { MODELS } from './model.js'

/** Makes the models that the tests load, once for all test files. */
export async function setup(): Promise<void> {
  await Promise.all(MODELS.map((options) => makeModel(options)))
}
