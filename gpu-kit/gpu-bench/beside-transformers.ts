// This library beside Transformers, eager, on weights in half precision of the same shape.

import { ratio, rowName, spread } from '../../bench/report/format.js'
import type { Table } from '../../bench/suite.js'
import type { ModelType } from '../../scripts/make-model.js'
import type { Findings, Step } from '../run/step-types.js'
import { type Contest, contestStep, OURS, series, type Turn } from './contest.js'
import { fanOutLoad, fanOutSize, fanOutTable, measureFanOut, seconds, ways } from './fan-out.js'
import { measureStream, ONE, speed, streamSize } from './single-stream.js'
import { runTransformers, transformersProblem } from './transformers.js'

const EAGER = 'Transformers, eager'
const BATCH = 8
/** Half precision: Transformers has no quantized weights in a comparable form. */
const TYPE: ModelType = 'F16'

/** Measures one stream, and many requests, which Transformers takes in batches. */
export function besideTransformersStep(): Step {
  return contestStep('transformers', 'beside Transformers', TYPE, 60, (contest) => {
    const { many } = fanOutSize(contest.context)
    const ours = (round: number) =>
      contest.withOurs(round, fanOutLoad(contest.context), async (running) => {
        for (const sampling of ['greedy', 'nucleus'] as const)
          await running.run([
            { prompt: await contest.prompts.alone(64), maxTokens: 8, sampling, stream: true },
          ])
        await measureStream(contest, running, round, OURS, ONE, 'nucleus')
        await measureFanOut(contest, running, round, many)
      })
    return contest.run([[OURS, ours], ...transformersTurn(contest, many)], () => describe(contest, many))
  })
}

function transformersTurn(contest: Contest, many: number): Turn[] {
  const { context, rounds, versions } = contest
  const problem = transformersProblem()
  if (problem !== null) {
    contest.missing[EAGER] = problem
    return []
  }
  const { depth, generate } = streamSize(context)
  const fan = fanOutSize(context)
  const cases = [
    { name: ONE, requests: 1, batch: 1, prompt: depth, generate },
    {
      name: ways(many),
      requests: many,
      batch: Math.min(BATCH, many),
      prompt: fan.prefix + fan.suffix,
      generate: fan.generate,
    },
  ]
  const measure = async (round: number) => {
    const result = await runTransformers(context, 'eager', cases, (name, found) => {
      rounds.add(speed(EAGER, name), round, found.tokensPerSecond)
      rounds.add(series(EAGER, `${name}, first token`), round, found.firstTokenMs)
      rounds.add(series(EAGER, `${name}, seconds`), round, found.seconds)
      contest.tell()
    })
    Object.assign(versions, result.versions)
    rounds.add(series(EAGER, 'memory'), round, result.memoryMB)
  }
  return [[EAGER, measure]]
}

function describe(contest: Contest, many: number): Findings {
  const { rounds, context } = contest
  const { depth, generate } = streamSize(context)
  const stream: Table = {
    title: `${TYPE}: one stream at 0.7/0.9, ${depth} tokens of prompt, ${generate} generated`,
    head: ['', 'tokens/s', 'ours / this', 'first token, ms', 'memory, MB'],
    rows: [OURS, EAGER]
      .filter((who) => rounds.spread(speed(who, ONE)))
      .map((who) => [
        rowName(who, who === OURS),
        spread(rounds.spread(speed(who, ONE))),
        ratio(rounds.ratio(speed(OURS, ONE), speed(who, ONE))),
        spread(rounds.spread(series(who, `${ONE}, first token`))),
        spread(rounds.spread(series(who, 'memory'))),
      ]),
  }
  return {
    tables: [stream, fanOutTable(contest, many, [OURS, EAGER])],
    goals: [
      contest.goal(
        3,
        'one stream, of eager Transformers in bfloat16',
        speed(OURS, ONE),
        speed(EAGER, ONE),
        3,
      ),
      contest.goal(
        4,
        `${many} requests at once, against Transformers in batches of ${BATCH}: times as fast`,
        seconds(EAGER, many),
        seconds(OURS, many),
        5,
      ),
    ],
  }
}
