import type { Step } from '../../scripts/gpu-kit/step.js'
import { LIFETIME_TESTS } from './lifetime.js'
import { REQUEST_TESTS } from './requests.js'
import { TOKEN_TESTS } from './tokens.js'

export const TEST_STEPS: readonly Step[] = [...TOKEN_TESTS, ...REQUEST_TESTS, ...LIFETIME_TESTS]
