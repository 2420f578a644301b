import { BuildFailure, type BuildOptions, buildFromSource } from './build.js'

/** `verbatim-llama build`: everything it says is on stderr. Returns the exit status. */
export async function runBuild(options: Pick<BuildOptions, 'cuda' | 'jobs'>): Promise<number> {
  const say = (text: string) => process.stderr.write(`${text}\n`)
  const stop = new AbortController()
  const interrupt = () => stop.abort(new BuildFailure('interrupted'))
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  try {
    let shown = ''
    const path = await buildFromSource({
      ...options,
      signal: stop.signal,
      onProgress: (step, fraction) => {
        // Report every five percent, which is readable in a log too.
        const line = fraction === undefined ? step : `${step}: ${Math.floor(fraction * 20) * 5} %`
        if (line !== shown) say(line)
        shown = line
      },
    })
    say(`built ${path}`)
    return 0
  } catch (error) {
    if (!(error instanceof BuildFailure)) throw error
    say(error.message)
    return 1
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  }
}
