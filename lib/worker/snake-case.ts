import { GENERATE_ROWS } from '../options/generate-options.js'
import { snakeCase } from '../snake-case.js'

export { camelCase, snakeCase } from '../snake-case.js'

/** `maxTokens` of a type as `max_tokens`. */
export type SnakeCase<S extends string> = S extends `${infer Head}${infer Tail}`
  ? `${Head extends Lowercase<Head> ? Head : `_${Lowercase<Head>}`}${SnakeCase<Tail>}`
  : S

/** A result of the library with all of its names in snake_case; values stay as they are. */
export function withSnakeCaseNames(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withSnakeCaseNames)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [snakeCase(name), withSnakeCaseNames(member)]),
  )
}

/** The path of an option, such as `controlTokens.trustRoles`; what follows in JSON that the caller wrote stays. */
export function snakeCasePath(path: string): string {
  return path.replace(/^(controlTokens\.trustRoles\b|[A-Za-z]+)/, snakeCase)
}

/** Names of options that are spelled differently in a body. */
const RENAMED = ['controlTokens.trustRoles', ...Object.keys(GENERATE_ROWS), 'trustRoles'].filter((name) =>
  /[A-Z]/.test(name),
)

/** A quoted text, a member of the caller's JSON, or one of those names. */
const MENTIONED = new RegExp(`"(?:[^"\\\\]|\\\\.)*"|\\b(?:${RENAMED.join('|')})\\b|\\.\\w+`, 'g')

/** A message of the library, with the names of options as bodies spell them; what it quotes stays as it is. */
export function inSnakeCase(message: string): string {
  return message.replace(MENTIONED, (text) => (/^[".]/.test(text) ? text : snakeCase(text)))
}
