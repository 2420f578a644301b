// Messages of every shape and size, to measure calls with.
import type { Message } from 'verbatim-llama'

const english = 'The quick brown fox jumps over the lazy dog, and nobody knows why it still does. '
const worldly = 'Größe, żółć, кириллица, 漢字かな交じり文, العربية, 🙂🚀 und noch mehr Text dazwischen. '

/** A text of about `bytes` bytes of UTF-8. */
function textOf(bytes: number, sample: string): string {
  // Make a flat string, as a received one is: repeat() makes a rope, which the first call would flatten.
  const bytesOfSample = Buffer.byteLength(sample)
  return Buffer.from(sample.repeat(Math.ceil(bytes / bytesOfSample))).toString()
}

function user(content: string): Message {
  return { role: 'user', content }
}

/** A conversation of `count` small messages, about 100 bytes of JSON each. */
function conversation(count: number): Message[] {
  return Array.from({ length: count }, (_, i) => ({
    role: i % 2 === 0 ? 'user' : 'assistant',
    content: `${i}: ${english.slice(0, 60)}`,
  }))
}

export interface Case {
  readonly name: string
  readonly messages: readonly Message[] | string
  /** The text for tokenize(). */
  readonly text: string
}

/** All cases, the largest first, so that the very first call is a cold one with 1 MB. */
export function messageCases(): Case[] {
  const cases: Case[] = []
  for (const [size, bytes] of [
    ['1 MB', 1e6],
    ['100 KB', 1e5],
    ['10 KB', 1e4],
    ['1 KB', 1e3],
  ] as const) {
    const ascii = textOf(bytes, english)
    const other = textOf(bytes, worldly)
    const many = conversation(bytes / 100)
    cases.push(
      { name: `${size}, one ASCII text`, messages: [user(ascii)], text: ascii },
      { name: `${size}, one text of many scripts`, messages: [user(other)], text: other },
      { name: `${size}, ${many.length} messages`, messages: many, text: JSON.stringify(many) },
      {
        name: `${size}, ${many.length} messages as JSON text`,
        messages: JSON.stringify(many),
        text: JSON.stringify(many),
      },
    )
  }
  cases.push({
    name: '2 messages, 150 bytes',
    messages: [
      { role: 'system', content: 'You answer briefly.' },
      { role: 'user', content: 'Why is the sky blue, and why is it red in the evening?' },
    ],
    text: 'Why is the sky blue, and why is it red in the evening?',
  })
  return cases
}
