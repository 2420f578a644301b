import type { ChildProcess } from 'node:child_process'

const started = new Set<ChildProcess>()

/** Remembers a process, so that it does not outlive this one whatever happens. */
export function keepTrackOf<P extends ChildProcess>(child: P): P {
  started.add(child)
  child.on('exit', () => started.delete(child))
  return child
}

/** Passes on the output of a measured process where it is wanted: in the logs of the GPU kit. */
export function logOutput(chunk: Buffer): void {
  if (process.env.VERBATIM_BENCH_LOG === '1') process.stderr.write(chunk)
}

/** The ids of tracked processes that have not ended. */
export function runningProcesses(): number[] {
  return [...started].flatMap(({ pid }) => pid ?? [])
}

/** Kills all tracked processes that have not ended. */
export function killAll(): void {
  for (const child of started) child.kill('SIGKILL')
}

process.on('exit', killAll)
// Exit at signals that would end this process without an 'exit' event.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1))
