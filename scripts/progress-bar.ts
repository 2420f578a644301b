import { SingleBar } from 'cli-progress'

/**
 * Shows a bar on stderr while some work is in progress; nothing where stderr is not a terminal.
 *
 * @param format of the bar, as cli-progress has it: `'loading {bar} {percentage} %'`
 * @param work the work; it calls `onProgress` with the fraction that is done, from 0 to 1
 */
export async function withProgressBar<T>(
  format: string,
  work: (onProgress: (fraction: number) => void) => Promise<T>,
): Promise<T> {
  const bar = new SingleBar({ format, stream: process.stderr, clearOnComplete: true, hideCursor: true })
  bar.start(1, 0)
  try {
    return await work((fraction) => bar.update(fraction))
  } finally {
    bar.stop()
  }
}
