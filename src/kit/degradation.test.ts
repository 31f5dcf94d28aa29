import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type DegradationLevel,
  degradationOf,
  type GroupMember,
  type Priority,
  type Standing,
} from './degradation.ts'

const LEVELS: readonly DegradationLevel[] = ['none', 'partial', 'severe', 'critical']
const STANDINGS: readonly Standing[] = ['well', 'degraded', 'lost', 'unknown']

const services = (
  standings: Partial<Record<'shadowscrolls' | 'legio' | 'swarm' | 'monitor', Standing>>,
): GroupMember[] =>
  (
    [
      ['shadowscrolls', 'critical'],
      ['legio', 'high'],
      ['swarm', 'medium'],
      ['monitor', 'low'],
    ] as const
  ).map(([name, priority]) => ({ name, priority, standing: standings[name] ?? 'well' }))

const group: fc.Arbitrary<GroupMember[]> = fc.uniqueArray(
  fc.record({
    name: fc.string({ maxLength: 8 }),
    priority: fc.constantFrom<Priority>('critical', 'high', 'medium', 'low'),
    standing: fc.constantFrom(...STANDINGS),
  }),
  { selector: ({ name }) => name, maxLength: 12 },
)

describe('the level of degradation', () => {
  it.each<[DegradationLevel, Parameters<typeof services>[0]]>([
    ['none', {}],
    ['none', { shadowscrolls: 'unknown' }],
    ['partial', { shadowscrolls: 'degraded' }],
    ['partial', { legio: 'degraded', monitor: 'degraded' }],
    ['partial', { monitor: 'lost' }],
    ['partial', { swarm: 'lost', monitor: 'lost' }],
    ['severe', { legio: 'lost' }],
    ['severe', { shadowscrolls: 'degraded', legio: 'degraded', swarm: 'degraded' }],
    ['severe', { swarm: 'lost', monitor: 'lost', shadowscrolls: 'degraded' }],
    ['critical', { shadowscrolls: 'lost' }],
    ['critical', { shadowscrolls: 'lost', legio: 'lost', swarm: 'lost', monitor: 'lost' }],
  ])('is %s with %j', (level, standings) => {
    expect(degradationOf(services(standings)).level).toBe(level)
  })

  it('of nobody is none, and scores nothing', () => {
    expect(degradationOf([])).toMatchObject({ level: 'none', scored: { score: null, coverage: 0 } })
  })

  it('is critical only where a critical target is lost', () => {
    fc.assert(
      fc.property(group, (members) => {
        const isLost = members.some(
          ({ priority, standing }) => priority === 'critical' && standing === 'lost',
        )
        expect(degradationOf(members).level === 'critical').toBe(isLost)
      }),
    )
  })

  it('is none exactly where nobody fails', () => {
    fc.assert(
      fc.property(group, (members) => {
        const isFailing = members.some(({ standing }) => standing === 'lost' || standing === 'degraded')
        expect(degradationOf(members).level === 'none').toBe(!isFailing)
      }),
    )
  })

  it('never falls when a target gets worse, nor rises when one recovers', () => {
    const order: readonly Standing[] = ['well', 'degraded', 'lost']
    fc.assert(
      fc.property(group, fc.nat(), (members, at) => {
        const known = members.filter(({ standing }) => standing !== 'unknown')
        fc.pre(known.length > 0)
        const place = at % known.length
        const worse = known.map((member, index) =>
          index === place
            ? { ...member, standing: order[Math.min(2, order.indexOf(member.standing) + 1)] ?? 'lost' }
            : member,
        )
        const [before, after] = [degradationOf(known), degradationOf(worse)]
        expect(LEVELS.indexOf(after.level)).toBeGreaterThanOrEqual(LEVELS.indexOf(before.level))
        expect(after.scored.score ?? 0).toBeLessThanOrEqual(before.scored.score ?? 0)
      }),
    )
  })

  it('does not depend on the order of the group, and says by which formula', () => {
    fc.assert(
      fc.property(group, (members) => {
        const { level, scored } = degradationOf(members)
        const turned = degradationOf([...members].reverse())
        expect(turned.level).toBe(level)
        expect(turned.scored.score).toBe(scored.score)
        expect(scored.formula).toBe('degradation/1')
      }),
    )
  })

  it('explains itself', () => {
    const { reason, scored } = degradationOf(services({ shadowscrolls: 'degraded', monitor: 'lost' }))
    expect(reason).toBe('lost: monitor')
    expect(scored).toMatchObject({ score: 67, coverage: 1 })
    expect(scored.terms.map(({ id, value }) => [id, value])).toEqual([
      ['shadowscrolls', 50],
      ['legio', 100],
      ['swarm', 100],
      ['monitor', 0],
    ])
  })

  it('refuses two members of one name', () => {
    const [one] = services({})
    if (one) expect(() => degradationOf([one, one])).toThrow(/share an id/)
  })
})
