// Parts of the set-up that the benchmarks use.
export { forgetFormerPlace } from '../scripts/setup/moved-build.mjs'
export { hashFiles, hasStamp, writeStamp } from '../scripts/setup/stamp.mjs'
export { findTool, requireTools, run, SetupFailure } from '../scripts/setup/tools.mjs'
