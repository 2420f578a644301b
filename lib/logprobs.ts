import type { NativeLogprobs } from './native.js'
import type { ChosenTokenLogprob, TokenLogprob } from './types.js'

/** Unpacks log probabilities into the objects of the public API. */
export function readLogprobs(native: NativeLogprobs): ChosenTokenLogprob[] {
  const { tokenIds, values, text, textLengths, topCounts } = native
  let token = 0
  let begin = 0
  const next = (): TokenLogprob => {
    const end = begin + (textLengths[token] as number)
    const read = {
      tokenId: tokenIds[token] as number,
      text: text.slice(begin, end),
      logprob: values[token] as number,
    }
    token++
    begin = end
    return read
  }
  const read: ChosenTokenLogprob[] = []
  for (const count of topCounts) {
    const { tokenId, text, logprob } = next()
    const top: TokenLogprob[] = []
    for (let i = 0; i < count; i++) top.push(next())
    read.push({ tokenId, text, logprob, top })
  }
  return read
}

/** A plain array of the numbers, several times faster than Array.from for hundreds of thousands. */
export function toNumbers(array: Int32Array): number[] {
  const { length } = array
  const numbers = new Array<number>(length)
  for (let i = 0; i < length; i++) numbers[i] = array[i] as number
  return numbers
}
