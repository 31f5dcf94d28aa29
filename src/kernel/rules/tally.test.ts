// Counts of several stretches add up, in any order, and stay bounded.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addTallies, bounded, EMPTY_TALLY, GROUP_MAX, OTHERS, type Tally } from './tally.ts'

const group = fc
  .dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.integer({ min: 1, max: 9 }))
  .map((counts) => bounded(new Map(Object.entries(counts))))
const tally = fc.tuple(fc.nat(99), fc.nat(9), fc.nat(9), group, group, group).map(
  ([looked, denied, suspended, policies, principals, shadow]): Tally => ({
    ...EMPTY_TALLY,
    ...{ looked, denied, suspended, policies, principals, shadow },
  }),
)

describe('tallies', () => {
  it('add up, whichever comes first', () => {
    fc.assert(
      fc.property(tally, tally, tally, (a, b, c) => {
        expect(addTallies(a, addTallies(b, c))).toEqual(addTallies(addTallies(c, a), b))
        expect(addTallies(a, EMPTY_TALLY)).toEqual(a)
      }),
    )
  })

  it('count the smallest groups together, and lose none of them', () => {
    const many = new Map(Array.from({ length: GROUP_MAX + 10 }, (_, at) => [`name-${at}`, at + 1]))
    const shown = bounded(many)
    expect(shown).toHaveLength(GROUP_MAX + 1)
    expect(shown[0]).toEqual({ name: `name-${GROUP_MAX + 9}`, count: GROUP_MAX + 10 })
    expect(shown.at(-1)).toEqual({ name: OTHERS, count: 55 })
    const sum = (counts: Iterable<number>) => [...counts].reduce((total, each) => total + each, 0)
    expect(sum(shown.map(({ count }) => count))).toBe(sum(many.values()))
  })
})
