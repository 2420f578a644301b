import { BuildFailure, buildFromSource, CUDA_CHOICES, type CudaChoice } from './build.js'

/** The options of `verbatim-llama build`, as the command line has them. */
export interface BuildCommandOptions {
  /** `auto`, `on` or `off`. */
  readonly cuda?: string | undefined
  /** A whole number from 1. */
  readonly jobs?: string | undefined
}

/** `verbatim-llama build`: everything it says is on stderr. Returns the exit status. */
export async function runBuild({ cuda = 'auto', jobs }: BuildCommandOptions): Promise<number> {
  const say = (text: string) => process.stderr.write(`${text}\n`)
  if (!CUDA_CHOICES.includes(cuda as CudaChoice)) {
    say(`--cuda must be ${CUDA_CHOICES.join(', ')}, not '${cuda}'`)
    return 2
  }
  if (jobs !== undefined && !/^[1-9]\d{0,3}$/.test(jobs)) {
    say(`--jobs must be a whole number from 1, not '${jobs}'`)
    return 2
  }
  const stop = new AbortController()
  const interrupt = () => stop.abort(new BuildFailure('interrupted'))
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  try {
    let shown = ''
    const path = await buildFromSource({
      cuda: cuda as CudaChoice,
      ...(jobs && { jobs: Number(jobs) }),
      signal: stop.signal,
      onProgress: (step, fraction) => {
        // Every five percent, so that it is readable in a log too.
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
