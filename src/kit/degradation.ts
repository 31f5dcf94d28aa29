// Degradation: how much of a group of targets is lost, in one word, computed from what each of them still does.

import { type Formula, type Scored, score, type Term } from './formula.ts'

export type Priority = 'critical' | 'high' | 'medium' | 'low'
export type DegradationLevel = 'none' | 'partial' | 'severe' | 'critical'

/**
 * `well`: answers by itself. `degraded`: does not, but its fallback worked, so nothing is lost. `lost`: does not, and
 * neither did a fallback. `unknown`: was not asked yet.
 */
export type Standing = 'well' | 'degraded' | 'lost' | 'unknown'

export interface GroupMember {
  readonly name: string
  readonly priority: Priority
  readonly standing: Standing
}

export interface Degradation {
  readonly level: DegradationLevel
  /** One sentence for people: why this level. */
  readonly reason: string
  /** What the group still does, 0 to 100, by priority; null where nobody was asked yet. */
  readonly scored: Scored
}

/**
 * `degradation/1`. A critical target that is lost makes the level critical; a lost one of high priority, or more than
 * MANY that do not work by themselves, makes it severe; any other loss makes it partial. A fallback that worked is
 * never worse than severe. The score is the mean by priority of what each target still does: by itself 100, by its
 * fallback 50, lost 0.
 */
export const DEGRADATION_FORMULA = 'degradation/1'

const MANY = 2
const WEIGHTS: Readonly<Record<Priority, number>> = { critical: 8, high: 4, medium: 2, low: 1 }
const VALUES: Readonly<Record<Standing, number | null>> = { well: 100, degraded: 50, lost: 0, unknown: null }
const REASONS: Readonly<Record<Standing, string>> = {
  well: 'answers by itself',
  degraded: 'does not answer; its fallback does the work',
  lost: 'does not answer, and no fallback did the work',
  unknown: 'was not asked yet',
}

/** @throws KitError `formula` (two members of one name) */
export function degradationOf(group: readonly GroupMember[]): Degradation {
  const lost = group.filter(({ standing }) => standing === 'lost')
  const failing = group.filter(({ standing }) => standing === 'lost' || standing === 'degraded')
  return { ...levelOf(lost, failing), scored: score(formulaOf(group), undefined) }
}

function levelOf(
  lost: readonly GroupMember[],
  failing: readonly GroupMember[],
): Pick<Degradation, 'level' | 'reason'> {
  const critical = lost.filter(({ priority }) => priority === 'critical')
  if (critical.length > 0) return { level: 'critical', reason: `lost, and critical: ${namesOf(critical)}` }
  const high = lost.filter(({ priority }) => priority === 'high')
  if (high.length > 0) return { level: 'severe', reason: `lost, and of high priority: ${namesOf(high)}` }
  if (failing.length > MANY)
    return { level: 'severe', reason: `more than ${MANY} do not answer: ${namesOf(failing)}` }
  if (lost.length > 0) return { level: 'partial', reason: `lost: ${namesOf(lost)}` }
  if (failing.length > 0) return { level: 'partial', reason: `by fallback: ${namesOf(failing)}` }
  return { level: 'none', reason: 'nothing is lost' }
}

const namesOf = (members: readonly GroupMember[]): string => members.map(({ name }) => name).join(', ')

const formulaOf = (group: readonly GroupMember[]): Formula<undefined> => ({
  id: DEGRADATION_FORMULA,
  terms: group.map(
    ({ name, priority, standing }): Term<undefined> => ({
      id: name,
      weight: WEIGHTS[priority],
      measure: () => ({ value: VALUES[standing], reason: REASONS[standing] }),
    }),
  ),
  max: 100,
  digits: 0,
  minimumCoverage: 0,
})
