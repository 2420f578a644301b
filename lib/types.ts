export type * from './input-types.js'
export type * from './memory-types.js'
export type * from './option-types.js'
export type * from './result-types.js'
