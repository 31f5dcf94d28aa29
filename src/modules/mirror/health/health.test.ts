// `health/1` by example, and what must hold for every repository.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { HealthFacts } from './facts.ts'
import { scoreHealth } from './health.ts'

const NOTHING: HealthFacts = {
  activity: null,
  continuity: null,
  hotspots: null,
  structure: null,
  practice: null,
  security: null,
  unknown: {},
}

const pillar = (facts: Partial<HealthFacts>, id: string) =>
  scoreHealth({ ...NOTHING, ...facts }).pillars.find((candidate) => candidate.id === id)?.score

const bool = fc.boolean()
const count = (max: number) => fc.nat({ max })
const known: fc.Arbitrary<{ [K in keyof HealthFacts]: NonNullable<HealthFacts[K]> }> = fc.record({
  activity: fc.record({ commits90Days: count(30), activeWeeks: count(13), weeks: fc.constant(13) }),
  continuity: fc.record({ absenceFactor: count(5), truckFactor: count(5) }),
  hotspots: fc.tuple(fc.integer({ min: 1, max: 5000 }), count(5000)).map(([churn, complex]) => ({
    churn,
    complexChurn: Math.min(churn, complex),
    unit: 'lines' as const,
    measuredFiles: 1,
    method: 'm',
  })),
  structure: fc
    .tuple(fc.integer({ min: 1, max: 500 }), count(500))
    .map(([pairs, across]) => ({ pairs, acrossModules: Math.min(pairs, across) })),
  practice: fc.record({
    readme: bool,
    contributing: bool,
    license: bool,
    codeOfConduct: bool,
    ci: bool,
    lockfile: bool,
    codeowners: bool,
    testFiles: count(50),
    sourceFiles: count(50),
  }),
  security: fc.record({ score: count(100).map((tenths) => tenths / 10), coverage: fc.constant(0.5) }),
  unknown: fc.constant({}),
})

describe('scoreHealth', () => {
  it('follows the published rules', () => {
    expect(pillar({ activity: { commits90Days: 6, activeWeeks: 13, weeks: 13 } }, 'activity')).toBe(75)
    expect(pillar({ continuity: { absenceFactor: 1, truckFactor: 2 } }, 'continuity')).toBe(55)
    expect(pillar({ continuity: { absenceFactor: 0, truckFactor: 9 } }, 'continuity')).toBe(50)
    expect(pillar({ structure: { pairs: 100, acrossModules: 10 } }, 'structure')).toBe(80)
    expect(pillar({ structure: { pairs: 10, acrossModules: 9 } }, 'structure')).toBe(0)
    expect(pillar({ security: { score: 8.3, coverage: 0.5 } }, 'security')).toBe(83)
  })

  it('is null below half coverage, and never 100 for want of facts', () => {
    expect(scoreHealth(NOTHING)).toMatchObject({ score: null, coverage: 0 })
    const two = {
      activity: { commits90Days: 99, activeWeeks: 13, weeks: 13 },
      security: { score: 10, coverage: 1 },
    }
    expect(scoreHealth({ ...NOTHING, ...two })).toMatchObject({ score: null, coverage: 0.4 })
    expect(
      pillar(
        { hotspots: { churn: 0, complexChurn: 0, unit: 'lines', measuredFiles: 0, method: '' } },
        'hotspots',
      ),
    ).toBeNull()
    expect(pillar({ structure: { pairs: 0, acrossModules: 0 } }, 'structure')).toBeNull()
  })

  it('stays within 0 and 100, replays, and keeps one digit', () => {
    fc.assert(
      fc.property(known, (facts) => {
        const health = scoreHealth(facts)
        expect(scoreHealth(structuredClone(facts))).toEqual(health)
        for (const score of [health.score, ...health.pillars.map((one) => one.score)]) {
          expect(score).toBeGreaterThanOrEqual(0)
          expect(score).toBeLessThanOrEqual(100)
          expect(Number((score ?? 0).toFixed(1))).toBe(score)
        }
      }),
    )
  })

  it('is monotone in each fact', () => {
    fc.assert(
      fc.property(known, (facts) => {
        const score = scoreHealth(facts).score ?? 0
        const { activity, continuity, hotspots, structure, practice, security } = facts
        const better: Partial<HealthFacts>[] = [
          { activity: { ...activity, commits90Days: activity.commits90Days + 1 } },
          { activity: { ...activity, activeWeeks: activity.activeWeeks + 1 } },
          { continuity: { ...continuity, absenceFactor: continuity.absenceFactor + 1 } },
          { continuity: { ...continuity, truckFactor: continuity.truckFactor + 1 } },
          { hotspots: { ...hotspots, complexChurn: Math.max(0, hotspots.complexChurn - 1) } },
          { structure: { ...structure, acrossModules: Math.max(0, structure.acrossModules - 1) } },
          { practice: { ...practice, ci: true } },
          { practice: { ...practice, codeowners: true, readme: true } },
          { practice: { ...practice, testFiles: practice.testFiles + 1 } },
          { security: { ...security, score: Math.min(10, security.score + 0.1) } },
        ]
        for (const change of better)
          expect(scoreHealth({ ...facts, ...change }).score).toBeGreaterThanOrEqual(score)
      }),
    )
  })

  it('losing the facts of a pillar leaves it unknown and lowers coverage; the others stay', () => {
    const ids = ['activity', 'continuity', 'hotspots', 'structure', 'practice', 'security'] as const
    fc.assert(
      fc.property(known, fc.constantFrom(...ids), (facts, lost) => {
        const before = scoreHealth(facts)
        const after = scoreHealth({ ...facts, [lost]: null })
        expect(after.coverage).toBeLessThan(before.coverage)
        for (const [at, { id, score }] of after.pillars.entries()) {
          expect(score).toBe(id === lost ? null : before.pillars[at]?.score)
        }
      }),
    )
  })
})
