import type { ChosenTokenLogprob, TokenLogprob } from '../types.js'

/** Log probabilities in the shape of OpenAI's API. */
export function openAiLogprobs(logprobs: readonly ChosenTokenLogprob[]) {
  return {
    content: logprobs.map((token) => ({ ...shown(token), top_logprobs: token.top.map(shown) })),
    refusal: null,
  }
}

function shown({ text, logprob }: TokenLogprob) {
  // Leave out the bytes of a part of a character: they are not known here.
  const bytes = text.includes('\uFFFD') ? null : [...Buffer.from(text)]
  return { token: text, logprob, bytes }
}
