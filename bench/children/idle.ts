// A Node.js process that does nothing: the delay of its event loop is what the machine alone causes.
import { setTimeout as sleep } from 'node:timers/promises'
import { withLoopDelay } from './measure.js'
import { serve } from './serve.js'

serve({
  idle: async ({ ms }) => (await withLoopDelay(() => sleep(ms)))[1],
})
