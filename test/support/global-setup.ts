import { makeModel } from '../../scripts/make-model.js'

/** Makes the models that the tests load, once for all test files. */
export async function setup(): Promise<void> {
  await makeModel({ shape: 'tiny' })
}
