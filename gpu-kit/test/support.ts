import type { Stage, Step } from '../run/step-types.js'

/** A step of the GPU kit that does nothing. */
export function step(name: string, more: Partial<Step> = {}): Step {
  return {
    name,
    group: 'test',
    title: name,
    usualSeconds: 60,
    limitSeconds: 100,
    run: async () => ({}),
    ...more,
  }
}

/** A stage without a limit of its own. */
export const rest = (...steps: Step[]): Stage => ({ title: 'all', steps })
