// Times of a step's parts, measured in a process of this library: by the suite `step`, and by the GPU kit.
import type { StepPart, StepTimes } from '#lib/step-profile.js'
import type { Child } from './contenders/child.js'
import type { Prompt } from './protocol.js'
import { short, spread } from './report/format.js'
import type { Rounds } from './statistics.js'
import type { Goal, Table } from './suite.js'

/** The parts, in the order of the engine's loop. */
const PARTS: readonly { readonly part: StepPart; readonly label: string }[] = [
  { part: 'scheduling', label: 'scheduling' },
  { part: 'submit', label: 'submit: llama_decode()' },
  { part: 'wait', label: 'wait: the device, and the copy of the logits' },
  { part: 'sampling', label: 'sampling' },
  { part: 'emission', label: 'emission' },
  { part: 'idle', label: 'idle' },
]
const STEP = 'step'
const UNCOVERED = 'not covered'
/** Most of a step that no part may cover, in percent. */
const MOST_UNCOVERED = 3

const PROBE_STEPS = 16
/** Cells of the cache that are enough for the probe of the logits. */
export const probeCells = (sequences: number, depth: number) => depth + sequences * 2 * PROBE_STEPS

/** A test to profile: one sequence for each of `prompts`, all generating together. */
export interface StepTest {
  readonly prompts: readonly Prompt[]
  /** Tokens that each generates, at temperature 0.7 and top-p 0.9. */
  readonly generate: number
  /** Tokens that the prompts have in common. */
  readonly depth: number
}

const series = (count: number, what: string) => `${count} sequences: ${what}`

/**
 * Profiles one round of a test, and adds it to the series.
 *
 * @returns the reason that there is no step without logits, for models whose cache cannot be shared; else null
 */
export async function profileSteps(
  rounds: Rounds,
  round: number,
  child: Child,
  test: StepTest,
): Promise<string | null> {
  const { prompts, generate, depth } = test
  const count = prompts.length
  const requests = prompts.map((prompt) => ({
    prompt,
    maxTokens: generate,
    sampling: 'nucleus' as const,
    stream: true,
  }))
  const { steps } = await child.call('profile', { requests, most: 100 * generate })
  addSteps(rounds, round, count, steps)
  try {
    const probe = await child.call('probe', { sequences: count, depth, steps: PROBE_STEPS })
    for (const kind of ['all', 'one', 'none'] as const)
      rounds.add(series(count, `logits of ${kind}`), round, probe[kind].submitMs + probe[kind].waitMs)
    return null
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? ''
  }
}

/** Means over the steps in which all sequences generate and nothing else is computed. */
export function addSteps(rounds: Rounds, round: number, count: number, steps: readonly StepTimes[]): void {
  const whole = steps.filter(
    ({ generating, promptTokens, drafted }) => generating === count && promptTokens === 0 && drafted === 0,
  )
  const mean = (value: (step: StepTimes) => number) =>
    whole.reduce((sum, step) => sum + value(step), 0) / whole.length
  const total = mean((step) => step.total)
  const covered = mean(({ parts }) => PARTS.reduce((sum, { part }) => sum + parts[part], 0))
  rounds.add(series(count, STEP), round, total)
  for (const { part } of PARTS)
    rounds.add(
      series(count, part),
      round,
      mean(({ parts }) => parts[part]),
    )
  rounds.add(series(count, UNCOVERED), round, total - covered)
  rounds.add(series(count, `${UNCOVERED}, %`), round, (100 * (total - covered)) / total)
}

/** A table of the times of a step's parts, for each number of sequences. */
export function stepTable(rounds: Rounds, counts: readonly number[], title: string): Table {
  const cell = (count: number, what: string) => {
    const share = rounds.ratio(series(count, what), series(count, STEP))
    return [spread(rounds.spread(series(count, what))), share ? `${short(100 * share.median)} %` : '–']
  }
  const row = (label: string, what: string) => [label, ...counts.flatMap((count) => cell(count, what))]
  return {
    title,
    head: [
      '',
      ...counts.flatMap((count) => [`${count === 1 ? 'one sequence' : `${count} sequences`}, ms`, '']),
    ],
    rows: [
      ...PARTS.map(({ part, label }) => row(label, part)),
      row(UNCOVERED, UNCOVERED),
      row('**a step**', STEP),
      row('the same step by itself, with all logits', 'logits of all'),
      row('with the logits of one sequence', 'logits of one'),
      row('with none, and no output layer', 'logits of none'),
      [
        'the logits’ part of that: computed and copied, estimated',
        ...counts.flatMap((count) => copyCell(rounds, count)),
      ],
    ],
  }
}

/** Estimates the logits of `count` sequences from those of all but one, the difference of two steps. */
function copyCell(rounds: Rounds, count: number): string[] {
  if (count === 1) return ['–', '–']
  const name = series(count, 'logits’ part')
  const sources = [series(count, 'logits of all'), series(count, 'logits of one')]
  rounds.derive(name, sources, (all = 0, one = 0) => ((all - one) * count) / (count - 1))
  const copy = rounds.spread(name)
  if (copy && copy.median < 0) return ['within the noise', '–']
  const whole = rounds.spread(series(count, STEP))
  return [spread(copy), copy && whole ? `${short((100 * copy.median) / whole.median)} %` : '–']
}

/** The goal of a profile that can be trusted: parts cover nearly all of a step. */
export function stepGoals(rounds: Rounds, counts: readonly number[], about = ''): Goal[] {
  return counts.map((count) => ({
    number: 9,
    text: `${about}What no part of a step covers, ${count === 1 ? 'one sequence' : `${count} sequences`}`,
    measured: rounds.spread(series(count, `${UNCOVERED}, %`)),
    limit: MOST_UNCOVERED,
    want: 'at most',
    unit: '%',
  }))
}

/** Notes on reading the table. */
export const STEP_LEGEND = [
  'A step is one turn of the engine: it computes one batch, and each sequence gets its next token. Scheduling: who is in the batch, and what the cache holds of them. Emission: the text of the token, stop strings, waking JavaScript. Idle: nothing to do.',
  'A round’s figure is the mean over the steps in which all sequences generate and nothing else is computed. Each part is timed by itself; "not covered" is the step less their sum.',
  'Where the CPU computes, llama_decode() does all of it; on a GPU it submits the work, and the wait is for the device.',
  'Below the step: medians of a batch of as many sequences that is decoded again and again by itself, after the tokens that they share. With the logits of one sequence it reads the same weights, so that the difference is what the logits of the others take to compute and to copy; times n / (n - 1) it is an estimate for all. With none there is no output layer at all.',
] as const
