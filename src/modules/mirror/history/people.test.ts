// People and what they leave behind: mailmap, absence factor, degree of authorship.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { absenceFactor } from './activity.ts'
import { moduleOfPath } from './coupling.ts'
import { mapped, parseMailmap } from './mailmap.ts'
import { degreeOfAuthorship } from './ownership.ts'

describe('the mailmap', () => {
  const mailmap = parseMailmap(`# comment <x@y>
Proper Name <commit@a>
<proper@b> <Commit@B>
Proper C <proper@c> <commit@c>
One D <one@d> Nick One <shared@d>
Two D <two@d> Nick Two <shared@d>
broken line
<>
`)

  it.each([
    ['Any', 'commit@a', 'Proper Name', 'commit@a'],
    ['Any', 'COMMIT@b', 'Any', 'proper@b'],
    ['Any', 'commit@c', 'Proper C', 'proper@c'],
    ['nick one', 'shared@d', 'One D', 'one@d'],
    ['Nick Two', 'Shared@D', 'Two D', 'two@d'],
    ['Someone', 'shared@d', 'Someone', 'shared@d'],
    ['x', 'x@y', 'x', 'x@y'],
  ])('%s <%s> is %s <%s>', (name, email, properName, properEmail) => {
    expect(mapped(mailmap, { name, email })).toEqual({ name: properName, email: properEmail })
  })

  it('never fails, whatever it is given', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (text, name, email) => {
        const person = mapped(parseMailmap(`${text}\n${name} <${email}>`), { name, email })
        expect(typeof person.name).toBe('string')
      }),
    )
  })
})

describe('the absence factor', () => {
  it.each([
    [[], 0],
    [[5], 1],
    [[5, 5], 1],
    [[3, 3, 3], 2],
    [[1, 1, 1, 1, 1, 1], 3],
  ])('of %j is %i', (counts, factor) => {
    expect(absenceFactor(counts)).toBe(factor)
  })

  it('does not care about order, and never falls when the least active one does more', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 12 }), (counts) => {
        expect(absenceFactor(counts.toReversed())).toBe(absenceFactor(counts))
        const least = counts.indexOf(Math.min(...counts))
        const evened = counts.map((count, at) =>
          at === least && count < Math.max(...counts) ? count + 1 : count,
        )
        expect(absenceFactor(evened)).toBeGreaterThanOrEqual(absenceFactor(counts))
      }),
    )
  })
})

describe('the degree of authorship', () => {
  it('is 3.293 + 1.098 FA + 0.164 DL - 0.321 ln(1 + AC)', () => {
    expect(degreeOfAuthorship(true, 1, 0)).toBe(4.555)
    expect(degreeOfAuthorship(false, 2, 9)).toBeCloseTo(3.293 + 0.328 - 0.321 * Math.log(10), 9)
  })

  it('grows with own deliveries and falls with those of others', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.nat(1000), fc.nat(1000), (isFirst, own, others) => {
        const degree = degreeOfAuthorship(isFirst, own, others)
        expect(degreeOfAuthorship(isFirst, own + 1, others)).toBeGreaterThan(degree)
        expect(degreeOfAuthorship(isFirst, own, others + 1)).toBeLessThan(degree)
      }),
    )
  })
})

describe('the module of a path', () => {
  it.each([
    ['a.ts', '.'],
    ['src/a.ts', 'src'],
    ['src/kernel/a.ts', 'src/kernel'],
    ['docs/x/y.md', 'docs'],
    ['packages/one/src/a.ts', 'packages/one'],
  ])('%s is in %s', (path, module) => {
    expect(moduleOfPath(path)).toBe(module)
  })
})
