import type { ChildMethods } from '../protocol.js'

interface Call {
  readonly id: number
  readonly method: keyof ChildMethods
  readonly params: never
}

/** Answers the calls that come over the IPC channel, and ends with the process at its other end. */
export function serve(methods: Partial<ChildMethods>): void {
  process.on('message', async ({ id, method, params }: Call) => {
    try {
      const call = methods[method]
      if (!call) throw new Error(`this process has no method '${method}'`)
      process.send?.({ id, result: await call(params) })
    } catch (error) {
      process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    }
  })
  process.on('disconnect', () => process.exit())
}
