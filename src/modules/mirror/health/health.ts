// `health/1`: six pillars of 0 to 100 and their weighted mean; what is not known drops out and costs coverage.

import { type Formula, type Measurement, roundTo, score } from '../../../kit/formula.ts'
import type { HealthFacts } from './facts.ts'

export const HEALTH_FORMULA = 'health/1'
const MIN_COVERAGE = 0.5

type PillarId = 'activity' | 'continuity' | 'hotspots' | 'structure' | 'practice' | 'security'
type FactValue = string | number | boolean

export interface Pillar {
  readonly id: PillarId
  readonly weight: number
  readonly score: number | null
  readonly reason: string
  readonly facts: Readonly<Record<string, FactValue>> | null
}

export interface Health {
  /** 0 to 100, one digit; null below half coverage. */
  readonly score: number | null
  readonly coverage: number
  readonly pillars: readonly Pillar[]
}

/** Full marks: 12 commits by people in 90 days, and a commit in each of 13 weeks. */
const FULL_COMMITS = 12
/** One person 40, two 70, three or more 100. */
const FACTOR_SCORES = [0, 40, 70, 100]
/** Each percent of coupled pairs across modules costs this much. */
const COUPLING_COST = 2
/** Test files per source file for full marks. */
const FULL_TEST_RATIO = 0.3

const PILLARS: readonly { id: PillarId; weight: number; measure(facts: HealthFacts): Measurement }[] = [
  { id: 'activity', weight: 20, measure: activity },
  { id: 'continuity', weight: 20, measure: continuity },
  { id: 'hotspots', weight: 20, measure: hotspots },
  { id: 'structure', weight: 10, measure: structure },
  { id: 'practice', weight: 10, measure: practice },
  { id: 'security', weight: 20, measure: security },
]

const FORMULA: Formula<HealthFacts> = {
  id: HEALTH_FORMULA,
  terms: PILLARS,
  max: 100,
  digits: 1,
  minimumCoverage: MIN_COVERAGE,
}

export function scoreHealth(facts: HealthFacts): Health {
  const scored = score(FORMULA, facts)
  return {
    score: scored.score,
    coverage: scored.coverage,
    pillars: PILLARS.map(({ id, weight }, at) => {
      const term = scored.terms[at]
      const value = term?.value ?? null
      return {
        id,
        weight,
        score: value === null ? null : roundTo(value, 1),
        reason: term?.reason ?? '',
        facts: facts[id],
      }
    }),
  }
}

function activity({ activity: facts, unknown }: HealthFacts): Measurement {
  if (!facts) return unknownPillar(unknown, 'activity')
  const commits = Math.min(1, facts.commits90Days / FULL_COMMITS)
  const weeks = Math.min(1, facts.activeWeeks / facts.weeks)
  return {
    value: 100 * (0.5 * commits + 0.5 * weeks),
    reason: `${facts.commits90Days} commits by people in 90 days, active in ${facts.activeWeeks} of ${facts.weeks} weeks`,
  }
}

function continuity({ continuity: facts, unknown }: HealthFacts): Measurement {
  if (!facts) return unknownPillar(unknown, 'continuity')
  const scale = (factor: number) => FACTOR_SCORES[Math.min(factor, FACTOR_SCORES.length - 1)] ?? 0
  return {
    value: (scale(facts.absenceFactor) + scale(facts.truckFactor)) / 2,
    reason: `half of a year's work is by ${facts.absenceFactor}, half of the files depend on ${facts.truckFactor}`,
  }
}

function hotspots({ hotspots: facts, unknown }: HealthFacts): Measurement {
  if (!facts || facts.churn === 0) return unknownPillar(unknown, 'hotspots')
  const share = Math.min(1, facts.complexChurn / facts.churn)
  return {
    value: 100 * (1 - share),
    reason: `${roundTo(100 * share, 1)} % of a year's changed ${facts.unit} fell on files with a complex function`,
  }
}

function structure({ structure: facts, unknown }: HealthFacts): Measurement {
  if (!facts || facts.pairs === 0) return unknownPillar(unknown, 'structure')
  const percent = Math.min(100, (100 * facts.acrossModules) / facts.pairs)
  return {
    value: Math.max(0, 100 - COUPLING_COST * percent),
    reason: `${facts.acrossModules} of ${facts.pairs} pairs of files that change together are in different modules`,
  }
}

function practice({ practice: facts, unknown }: HealthFacts): Measurement {
  if (!facts) return unknownPillar(unknown, 'practice')
  const ratio = facts.sourceFiles === 0 ? 0 : facts.testFiles / facts.sourceFiles
  const points: readonly (readonly [name: string, isThere: boolean, worth: number])[] = [
    ['a README', facts.readme, 10],
    ['CONTRIBUTING', facts.contributing, 10],
    ['a licence', facts.license, 10],
    ['a code of conduct', facts.codeOfConduct, 10],
    ['continuous integration', facts.ci, 20],
    ['a lockfile', facts.lockfile, 10],
    ['CODEOWNERS', facts.codeowners, 10],
  ]
  const there = points.reduce((sum, [, isThere, worth]) => sum + (isThere ? worth : 0), 0)
  const missing = points.filter(([, isThere]) => !isThere).map(([name]) => name)
  return {
    value: there + Math.min(1, ratio / FULL_TEST_RATIO) * 20,
    reason: `${missing.length === 0 ? 'nothing is missing' : `missing: ${missing.join(', ')}`}; ${roundTo(ratio, 2)} test files per source file`,
  }
}

function security({ security: facts, unknown }: HealthFacts): Measurement {
  if (!facts) return unknownPillar(unknown, 'security')
  return {
    value: 10 * facts.score,
    reason: `scorecard ${facts.score} of 10, ${roundTo(100 * facts.coverage, 1)} % of its weight measured`,
  }
}

const unknownPillar = (unknown: HealthFacts['unknown'], id: PillarId): Measurement => ({
  value: null,
  reason: unknown[id] ?? 'there is nothing to measure',
})
