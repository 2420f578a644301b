import { invalidOption } from '../json-shape.js'
import { wrongValue } from '../options/bag.js'

/** The farthest time from 1970 that a Date can hold, in milliseconds. */
const LAST_TIME = 8_640_000_000_000_000

/** The most digits behind a second that are taken: nanoseconds, the finest of any clock that is written so. */
const MOST_DIGITS = 9

const TIME =
  /^(\d{4}-\d\d-(\d\d))T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.(\d+))?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/i

/** A field that takes a time: milliseconds since 1970, or RFC 3339, whose letters may be small. */
export const TIME_FIELD = {
  schema: {
    description: `The clock of templates has milliseconds: of a text with finer ones, up to ${MOST_DIGITS} digits behind the second, these count.`,
    anyOf: [
      { type: 'integer', minimum: -LAST_TIME, maximum: LAST_TIME },
      { type: 'string', format: 'date-time' },
    ],
  },
  read: readTime,
}

function readTime(value: unknown, path: string): Date {
  if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= LAST_TIME)
    return new Date(value)
  const [, date, day, fraction] = (typeof value === 'string' && TIME.exec(value)) || []
  // Date reads the 30th of February as the 1st of March.
  if (new Date(`${date}T00:00:00Z`).getUTCDate() !== Number(day)) {
    throw wrongValue(
      path,
      `a date and time with a time zone, such as 2024-01-01T00:00:00Z, or an integer from -${LAST_TIME} to ${LAST_TIME}, the milliseconds since 1970`,
      value,
    )
  }
  if (fraction !== undefined && fraction.length > MOST_DIGITS)
    throw invalidOption(path, `must have at most ${MOST_DIGITS} digits behind its seconds.`)
  // Cut rather than leave it to Date, of which the standard says nothing beyond three digits.
  const milliseconds = (value as string).replace(/(\.\d{3})\d+/, '$1')
  return new Date(milliseconds.toUpperCase())
}
