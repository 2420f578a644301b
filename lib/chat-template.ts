import { loadAddon } from './addon.js'
import type { NativeChatTemplate } from './native.js'
import { fromNative, type NativeError } from './native-error.js'
import { readSpecialTokens, readTemplateSource, readTemplateVariables } from './options/arguments.js'
import { readTemplateRenderOptions } from './options/read.js'
import type { RenderedText, SpecialTokens, TemplateRenderOptions } from './types.js'

/**
 * A Jinja chat template, rendered byte for byte as Hugging Face transformers renders it, with the origin of every
 * character. It needs no model. Parsed once, immutable; renders run side by side, off the JavaScript thread.
 *
 * ```ts
 * const template = new ChatTemplate(source)
 * const { text, spans } = await template.render({ messages, add_generation_prompt: true, tools: null, documents: null })
 * ```
 */
export class ChatTemplate {
  /** The template as it was given. */
  readonly source: string
  readonly #native: NativeChatTemplate
  readonly #specialTokens: SpecialTokens<string | null>

  /**
   * @param source the Jinja template
   * @param specialTokens values of `bos_token`, `eos_token` … unless `render` is given others. Default: none.
   * @throws TemplateError (`TEMPLATE_SYNTAX`), TemplateLimitError, InvalidOptionError, AddonLoadError
   */
  constructor(source: string, specialTokens: SpecialTokens<string> = {}) {
    this.source = readTemplateSource(source)
    this.#specialTokens = readSpecialTokens(specialTokens)
    try {
      this.#native = new (loadAddon().ChatTemplate)(this.source)
    } catch (error) {
      throw 'fields' in (error as object) ? fromNative(error as NativeError) : error
    }
  }

  /**
   * Renders the template with these variables and nothing else: no variable is added but the special tokens.
   *
   * Rejects with `TemplateError` (`TEMPLATE_RENDER`), `TemplateLimitError` or `InvalidOptionError`.
   *
   * @param variables an object, or the same as JSON text, which keeps `1.0`, large integers and key order
   */
  async render(variables: object | string, options?: TemplateRenderOptions): Promise<RenderedText> {
    const json = readTemplateVariables(variables)
    const { now, specialTokens } = readTemplateRenderOptions(options)
    const texts: Record<string, string> = {}
    for (const [name, text] of Object.entries({ ...this.#specialTokens, ...specialTokens }))
      if (text !== null) texts[name] = text
    try {
      return await this.#native.render(json, texts, now)
    } catch (error) {
      throw fromNative(error as NativeError)
    }
  }
}
