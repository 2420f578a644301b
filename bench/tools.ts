// What the benchmarks take of the set-up.
export { hashFiles, hasStamp, writeStamp } from '../scripts/setup/stamp.mjs'
export { findTool, requireTools, run, SetupFailure } from '../scripts/setup/tools.mjs'
