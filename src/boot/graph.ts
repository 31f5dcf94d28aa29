// Whether stages can be started at all: every name once, nothing required that is not there, no circle.

import { PolityError } from '../kernel/errors.ts'
import { cycleOf, unknownNeeds } from '../kit/graph.ts'

const STAGES_MAX = 256

interface Ordered {
  readonly id: string
  readonly requires?: readonly string[]
  readonly after?: readonly string[]
}

/** Throws `boot.invalid`, or `boot.cycle` with its members in order. */
export function requireSound(stages: readonly Ordered[]): void {
  if (stages.length > STAGES_MAX)
    throw new PolityError('boot.invalid', `a start has at most ${STAGES_MAX} stages, not ${stages.length}`)
  const required = new Map(stages.map(({ id, requires = [] }) => [id, requires]))
  if (required.size < stages.length) {
    const { id = '' } =
      stages.find((each, index) => stages.findIndex(({ id }) => id === each.id) < index) ?? {}
    throw new PolityError('boot.invalid', `two stages are called ${id}`, { stage: id })
  }
  const [missing] = unknownNeeds(required)
  if (missing !== undefined)
    throw new PolityError(
      'boot.invalid',
      `${missing.member} requires ${missing.need}, and there is no such stage`,
      {
        stage: missing.member,
      },
    )
  const cycle = cycleOf(
    new Map(stages.map(({ id, requires = [], after = [] }) => [id, [...requires, ...after]])),
  )
  if (cycle !== undefined)
    throw new PolityError('boot.cycle', `stages wait for each other: ${[...cycle, cycle[0]].join(' -> ')}`, {
      cycle,
    })
}
