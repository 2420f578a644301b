// Parts of the set-up that the benchmarks use.
export { hashFiles, hasStamp, writeStamp } from '../scripts/setup/stamp.mjs'
export { findTool, requireTools, run, SetupFailure } from '../scripts/setup/tools.mjs'
