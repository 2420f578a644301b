// What the set-up step has for running and finding tools, with types.
interface SetupTools {
  /** Runs a command with its output on stderr; fails with the reason. */
  run: (command: string, args: readonly string[], reason: string) => void
  /** The path of a program on the PATH, or undefined. */
  findTool: (name: string) => string | undefined
  /** Fails with a list of what is missing to build native code, and how to get it. */
  requireTools: () => void
  /** A failure with a message for the user. */
  SetupFailure: new (
    message: string,
  ) => Error
}

interface Stamps {
  /** SHA-256 over the names and contents of files and, recursively, folders. */
  hashFiles: (paths: readonly string[]) => string
  hasStamp: (path: string, wanted: string) => boolean
  writeStamp: (path: string, value: string) => void
}

const load = (name: string) => import(new URL(`../scripts/setup/${name}`, import.meta.url).href)

export const { run, findTool, requireTools, SetupFailure } = (await load('tools.mjs')) as SetupTools
export const { hashFiles, hasStamp, writeStamp } = (await load('stamp.mjs')) as Stamps
