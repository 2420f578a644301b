import { LABELS } from '../contenders/contender.js'
import type { Spread } from '../statistics.js'

/** A number with about three digits. */
export function short(value: number): string {
  const size = Math.abs(value)
  if (!Number.isFinite(value)) return '–'
  if (size >= 100) return value.toFixed(0)
  if (size >= 10) return value.toFixed(1)
  if (size >= 1) return value.toFixed(2)
  return value.toFixed(3)
}

/** `median (min–max)`, or a dash when nothing was measured. */
export function spread(value: Spread | null, format: (value: number) => string = short): string {
  if (!value) return '–'
  const { median, min, max, count } = value
  return count === 1 ? format(median) : `${format(median)} (${format(min)}–${format(max)})`
}

/** The name of a row: in bold if it is about this library. */
export function rowName(label: string, ours = label === LABELS.ours): string {
  return ours ? `**${label}**` : label
}

/** A ratio, with two or three digits after the point. */
export function ratio(value: Spread | null): string {
  return spread(value, (number) => number.toFixed(number < 10 ? 2 : 1))
}
