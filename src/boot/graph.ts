// Whether stages can be started at all: every name once, nothing required that is not there, no circle.

import { PolityError } from '../kernel/errors.ts'
import type { Stage } from './stages.ts'

export const STAGES_MAX = 256

type Ordered = Pick<Stage, 'id' | 'requires' | 'after'>

/** Throws `boot.invalid`, or `boot.cycle` with its members in order. */
export function requireSound(stages: readonly Ordered[]): void {
  if (stages.length > STAGES_MAX)
    throw new PolityError('boot.invalid', `a start has at most ${STAGES_MAX} stages, not ${stages.length}`)
  const ids = new Set<string>()
  for (const { id } of stages) {
    if (ids.has(id)) throw new PolityError('boot.invalid', `two stages are called ${id}`, { stage: id })
    ids.add(id)
  }
  for (const { id, requires = [] } of stages)
    for (const each of requires)
      if (!ids.has(each))
        throw new PolityError('boot.invalid', `${id} requires ${each}, and there is no such stage`, {
          stage: id,
        })
  const cycle = cycleOf(stages, ids)
  if (cycle !== undefined)
    throw new PolityError('boot.cycle', `stages wait for each other: ${cycle.join(' -> ')}`, { cycle })
}

/** Takes away what waits for nobody until nothing is left (Kahn 1962); what is left holds a circle. */
function cycleOf(stages: readonly Ordered[], ids: ReadonlySet<string>): string[] | undefined {
  const waiting = new Map(
    stages.map(({ id, requires = [], after = [] }) => [
      id,
      [...requires, ...after].filter((each) => ids.has(each)),
    ]),
  )
  for (let isShrinking = true; isShrinking; ) {
    const free = [...waiting].filter(([, before]) => !before.some((each) => waiting.has(each)))
    for (const [id] of free) waiting.delete(id)
    isShrinking = free.length > 0
  }
  const path: string[] = []
  for (let at = waiting.keys().next().value; at !== undefined; ) {
    const begun = path.indexOf(at)
    if (begun >= 0) return [...path.slice(begun), at]
    path.push(at)
    at = waiting.get(at)?.find((each) => waiting.has(each))
  }
  return undefined
}
