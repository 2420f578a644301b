// The row of an option. The tables of rows are in generate-options.ts and load-options.ts; types, checks, fields of HTTP
// bodies, the OpenAPI document, flags, help and receipts are made from them.
import type { NamedChatTemplate, SpecialTokens } from '../input-types.js'
import type { JsonShape } from '../json-shape.js'

/** A range of numbers; `above` excludes the lower bound. */
export interface NumberRange {
  readonly integer?: boolean
  readonly min?: number
  readonly above?: number
  readonly max: number
}

/** The largest 32-bit integer, the type that the engine counts with. */
export const MAX_INT32 = 2 ** 31 - 1

/** The values an option takes. */
export type Takes =
  | { readonly kind: 'number'; readonly range: NumberRange; readonly or?: string }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'choice'; readonly values: readonly (string | boolean)[]; readonly type?: string }
  | { readonly kind: 'json'; readonly shape: JsonShape; readonly type: string }
  /** A text that is not empty, or an array of at most `most` such texts. */
  | { readonly kind: 'texts'; readonly most: number }
  /** An array of 1 to `most` names, each once. */
  | { readonly kind: 'names'; readonly most: number; readonly wanted: string }
  /** An array of 1 to `most` numbers from 0, one of them above. */
  | { readonly kind: 'shares'; readonly most: number; readonly wanted: string }
  | { readonly kind: 'date' }
  | { readonly kind: 'controlTokens'; readonly wanted: string }
  | { readonly kind: 'chatTemplate' }
  | { readonly kind: 'specialTokens' }
  /** An object with options of its own, of the named type. */
  | { readonly kind: 'options'; readonly type: string; readonly rows: OptionRows }
  | { readonly kind: 'signal' }
  | { readonly kind: 'callback'; readonly type: string }

/** All that is known of one option. */
export interface OptionRow {
  /** Effect of the option, in one sentence: for hovers, the OpenAPI document and `--help`. */
  readonly sentence: string
  /** Further facts for readers of the type. */
  readonly more?: string
  readonly takes: Takes
  /** The value when it is not given; null where there is none, or the engine chooses. */
  readonly default: string | number | boolean | readonly never[] | null
  /** The default in words, where the value does not say it. */
  readonly defaultText?: string
  /** True for an option that must be given. Default: false. */
  readonly required?: true
  /** Names that other packages have for it, in lower case without `_` and `-`. */
  readonly aliases?: readonly string[]
  /** False keeps the option out of HTTP bodies and the flags of `serve`. Default: true. */
  readonly remote?: false
  /** True puts the option among the sampler's values in a receipt. Default: false. */
  readonly receipt?: true
  /**
   * Refuses a value that would contradict others or have no effect: the reason reads on from the option's name.
   *
   * @param options the values of all options, defaults included
   * @param isGiven true for the name of an option that was given
   */
  readonly refuse?: (
    options: Readonly<Record<string, unknown>>,
    isGiven: (name: string) => boolean,
  ) => string | undefined
}

export type OptionRows = Readonly<Record<string, OptionRow>>

/** A checked value, as the native side takes it: JSON as text, times in milliseconds since 1970. */
type CheckedValue<T extends Takes> = T extends { kind: 'number'; or: infer Word extends string }
  ? number | Word
  : T extends { kind: 'number' | 'date' }
    ? number
    : T extends { kind: 'boolean' }
      ? boolean
      : T extends { kind: 'choice'; values: readonly (infer Value)[] }
        ? Value
        : T extends { kind: 'json' }
          ? string
          : T extends { kind: 'texts' | 'names' }
            ? readonly string[]
            : T extends { kind: 'shares' }
              ? readonly number[]
              : T extends { kind: 'controlTokens' }
                ? 'anywhere' | readonly string[]
                : T extends { kind: 'chatTemplate' }
                  ? string | NamedChatTemplate | { readonly path: string }
                  : T extends { kind: 'specialTokens' }
                    ? SpecialTokens<string | null>
                    : T extends { kind: 'options'; rows: infer Rows extends OptionRows }
                      ? Checked<Rows>
                      : T extends { kind: 'signal' }
                        ? AbortSignal
                        : (argument: never) => void

/** The options of these rows, checked and copied; null where there is none. */
export type Checked<Rows extends OptionRows> = {
  readonly [Name in keyof Rows]:
    | CheckedValue<Rows[Name]['takes']>
    | (Rows[Name]['default'] extends null
        ? Rows[Name]['takes']['kind'] extends 'date' | 'specialTokens'
          ? never
          : null
        : never)
}

/**
 * The table, of which all objects have lost their prototypes: members that are not given are absent, whatever was
 * added to Object.prototype.
 */
export function ownOnly<T extends object>(table: T): T {
  for (const member of Object.values(table)) {
    if (typeof member === 'object' && member !== null && Object.getPrototypeOf(member) === Object.prototype)
      ownOnly(member)
  }
  return Object.setPrototypeOf(table, null)
}

/** Words for the default, in Markdown. */
export function defaultText({ defaultText, default: value }: OptionRow): string {
  return defaultText ?? (typeof value === 'string' ? `\`${value}\`` : String(value))
}

/** Words for the values of a range, such as `an integer from 1 to 240`. */
export function rangeText({ integer, min, above, max }: NumberRange): string {
  const kind = integer ? 'an integer' : 'a number'
  return above === undefined ? `${kind} from ${min} to ${max}` : `${kind} above ${above} and at most ${max}`
}
