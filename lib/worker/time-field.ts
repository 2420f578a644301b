import { invalidOption } from '../json-shape.js'
import { wrongValue } from '../options/bag.js'

/** The farthest time from 1970 that a Date can hold, in milliseconds. */
const LAST_TIME = 8_640_000_000_000_000

const TIME =
  /^(\d{4}-\d\d-(\d\d))T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.(\d+))?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/

/** A field that takes a time: milliseconds since 1970, or ISO 8601 with a time zone. */
export const TIME_FIELD = {
  schema: {
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
  if (fraction !== undefined && fraction.length > 3)
    throw invalidOption(
      path,
      'must have at most three digits behind its seconds: times are counted in milliseconds here.',
    )
  return new Date(value as string)
}
