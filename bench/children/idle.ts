// A Node.js process that does nothing: the machine alone causes the delay of its event loop.
import { setTimeout as sleep } from 'node:timers/promises'
import { withLoopDelay } from './measure.js'
import { serve } from './serve.js'

serve({
  idle: async ({ ms }) => (await withLoopDelay(() => sleep(ms)))[1],
})
