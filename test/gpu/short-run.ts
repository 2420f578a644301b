// What compute-sanitizer watches.
import { shortRun } from './tokens.js'

await shortRun(process.argv[2] as string)
