// Types of what callers pass: messages, and values of options.
/**
 * A value JSON can carry. Numbers mean what `JSON.stringify` writes for them; a `bigint` is written as an integer
 * with all its digits. What JSON would drop or replace (`undefined`, `NaN`, infinities, `-0`, functions, symbols,
 * `Date`, `Map`, array holes, lone surrogates, …) is refused by path when the call is made.
 */
export type JsonValue = null | boolean | number | bigint | string | readonly JsonValue[] | JsonObject

/** An object JSON can carry: see {@link JsonValue}. */
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/** A part of a message's content; the model's chat template decides which types there are. */
export interface ContentPart {
  /** Kind of the part, such as `'text'`. */
  readonly type: string
  // biome-ignore lint/suspicious/noExplicitAny: as in Message
  readonly [key: string]: any
}

/**
 * A message: any JSON object whose `role` is a string. Every member reaches the chat template as it is, which may
 * use it or not. Nothing is added, dropped, merged or reordered.
 *
 * A member that is present but `undefined` compiles and is then refused: JSON would silently drop it.
 */
export interface Message {
  /** Author of the message, such as `'system'`, `'user'`, `'assistant'` or `'tool'`. */
  readonly role: string
  /** The text, or its parts. */
  readonly content?: string | null | readonly ContentPart[]
  /** Further members that the template knows, such as `name`, `tool_calls`, `tool_call_id` or `reasoning_content`. */
  // biome-ignore lint/suspicious/noExplicitAny: with JsonValue here, a caller's interface types (which have no index signature) could not be passed; the check at run time is strict
  readonly [key: string]: any
}

/**
 * The messages of a request: at least one, or the same as JSON text. JSON text is parsed without loss, so it keeps
 * what JavaScript values cannot hold: numbers beyond double precision, `1.0` apart from `1`, and the written order
 * of integer-like keys.
 */
export type Messages = readonly Message[] | string

/** A tool's description: any JSON object, most often `{ type: 'function', function: { name, description, parameters } }`. */
export interface Tool {
  // biome-ignore lint/suspicious/noExplicitAny: as in Message
  readonly [key: string]: any
}

/**
 * Places where the spelling of a control token (such as `<|im_end|>`) becomes that token: in what the template itself
 * wrote (`'template'`: callers' text stays text, whatever it spells), everywhere (`'anywhere'`: as Transformers does,
 * for callers who trust their content), or also in messages of the roles named, such as replayed assistant messages.
 */
export type ControlTokens = 'template' | 'anywhere' | TrustedRoles

/** Roles whose messages may write control tokens, such as replayed assistant messages. */
export interface TrustedRoles {
  /** Compared with `role` as it is. */
  readonly trustRoles: readonly string[]
}

/** Something for each special token that chat templates can use, by the name it has there. */
export interface SpecialTokens<Value> {
  /** Begins a text. */
  readonly bos_token?: Value
  /** Ends a text. */
  readonly eos_token?: Value
  /** Stands for what the vocabulary does not have. */
  readonly unk_token?: Value
  /** Separates texts. */
  readonly sep_token?: Value
  /** Fills a batch. */
  readonly pad_token?: Value
  /** Stands for a whole text. */
  readonly cls_token?: Value
  /** Stands for what is to be guessed. */
  readonly mask_token?: Value
}

/** The name of a special token in chat templates. */
export type SpecialTokenName = keyof SpecialTokens<string>

/** Fraction of the model that has been loaded, from 0 to 1. */
export type LoadProgress = number

/** A line of the engine's log. */
export interface LogEntry {
  /** The level the engine gave it. */
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  /** The line, without its line end. */
  readonly message: string
}

/** A chat template of the model file, by its name there. */
export interface NamedChatTemplate {
  /** Such as `'tool_use'`; `'default'` is the one without a name. */
  readonly name: string
}

/** A chat template in a file of its own, in UTF-8. */
export interface ChatTemplateFile {
  /** The path of the file, or its `file:` URL. */
  readonly path: string | URL
}
