// Prompts of an exact length that share only their intended prefix.
import type { Child } from './contenders/child.js'
import type { BenchMessage, Prompt } from './protocol.js'

// Common words, most of them one token in most vocabularies.
const WORDS =
  `time year people way day man thing woman life child world school state family student group country problem hand part
  place case week company system program question work number night point home water room mother area money story fact
  month lot right study book eye job word business issue side kind head house service friend father power hour game line
  end member law car city name team minute idea body back parent face level office door health person art war history
  party result change morning reason girl guy moment air teacher force foot boy age policy music market sense nation plan
  college interest death course someone experience behind reach local six effect class control field development light`.split(
    /\s+/,
  )

/** A chat of one system message and one user message, and the lengths of its parts. */
export interface Chat {
  readonly prompt: Prompt
  /** Tokens up to the user's text, in common with other users of the same system message. */
  readonly prefixTokens: number
  /** Tokens after the prefix. */
  readonly suffixTokens: number
}

/** Makes prompts, and has this library render and tokenize them. */
export class PromptMaker {
  readonly #renderer: Child
  #state = 1

  constructor(renderer: Child) {
    this.#renderer = renderer
  }

  /** A prompt of exactly `tokens` tokens (or the shortest possible), which shares only the template with others. */
  async alone(tokens: number): Promise<Prompt> {
    const [prompt] = await this.#fit(tokens, (text) => [{ role: 'user', content: text }])
    return prompt
  }

  /**
   * Chats with one new system message. Their common prefix is `prefixTokens` long, within a token of the template;
   * each user's text ends the prompt `suffixTokens` later.
   */
  async sharing(count: number, prefixTokens: number, suffixTokens: number): Promise<Chat[]> {
    const chat = (system: string, user: string): BenchMessage[] => [
      { role: 'system', content: system },
      { role: 'user', content: user },
    ]
    // Make users' texts differ from their first token on, where the common prefix ends.
    const total = prefixTokens + suffixTokens
    const [, system] = await this.#fit(total, (text) => chat(text, this.#words(suffixTokens - 5, 'x').text))
    const chats: Prompt[] = []
    for (let i = 0; i < count; i++)
      chats.push((await this.#fit(total, (text) => chat(system, text), `${FIRST[i % FIRST.length]}`))[0])
    const shared = await this.#sharedTokens(chats, system, chat)
    return chats.map((prompt) => ({
      prompt,
      prefixTokens: shared,
      suffixTokens: prompt.tokenIds.length - shared,
    }))
  }

  async #sharedTokens(
    chats: readonly Prompt[],
    system: string,
    chat: (system: string, user: string) => BenchMessage[],
  ): Promise<number> {
    const one = chats[0]?.tokenIds ?? []
    const other = await this.#render(chat(system, 'Zebra'))
    let shared = 0
    while (shared < one.length && one[shared] === other.tokenIds[shared]) shared++
    return shared
  }

  /** Chooses the number of words of a text so that the prompt has `tokens` tokens. */
  async #fit(
    tokens: number,
    messages: (text: string) => BenchMessage[],
    first = 'Case',
  ): Promise<[prompt: Prompt, text: string]> {
    const words = this.#words(tokens, first)
    let count = Math.max(1, tokens - 24)
    let best: [Prompt, string] | undefined
    for (let attempt = 0; attempt < 12; attempt++) {
      const text = words.first(count)
      const prompt = await this.#render(messages(text))
      const missing = tokens - prompt.tokenIds.length
      if (!best || Math.abs(missing) < Math.abs(tokens - best[0].tokenIds.length)) best = [prompt, text]
      const next = Math.max(1, count + missing)
      if (next === count) break
      count = next
    }
    if (!best) throw new Error('no prompt')
    return best
  }

  #render(messages: readonly BenchMessage[]): Promise<Prompt> {
    return this.#renderer.call('render', { messages })
  }

  /** Words in an order that does not come again, after `first`. */
  #words(count: number, first: string): { text: string; first: (count: number) => string } {
    const words = Array.from({ length: Math.max(0, count) }, () => {
      this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0
      return WORDS[this.#state % WORDS.length] as string
    })
    const text = (length: number) => [first, ...words.slice(0, length - 1)].join(' ')
    return { text: text(count), first: text }
  }
}

/** First words of users' texts, so that they differ from their first token on. */
const FIRST =
  `Apple Bread Cloud Drum Earth Flower Green Horse Island Jump King Lemon Moon North Orange Paper Queen River Stone
  Table Under Valley White Yellow Zero About Blue Clear Dark Every Front Great`.split(/\s+/)
