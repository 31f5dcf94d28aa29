// Reputations by example, against tails that can be counted by hand, and the properties that rules rely on.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { betaTail } from './beta-tail.ts'
import { KitError } from './error.ts'
import {
  cappedTo,
  discounted,
  type Evidence,
  faded,
  learned,
  lowerBound,
  type Memory,
  NO_EVIDENCE,
  OUTCOME,
  posteriorMean,
  type Reputation,
  sumOf,
} from './reputation.ts'

const DAY_MS = 86_400_000
const MEMORY: Memory = { halfLifeMs: 30 * DAY_MS, outcomesMax: 500 }
const AT = Date.parse('2026-11-20T10:00:00.000Z')

const outcomes = (good: number, bad = 0): Evidence => ({ positive: good * OUTCOME, negative: bad * OUTCOME })
const amount = fc.integer({ min: 0, max: 500 * OUTCOME })
const evidence: fc.Arbitrary<Evidence> = fc.record({ positive: amount, negative: amount })
const time = fc.integer({ min: 0, max: 4_102_444_800_000 })
const reputation: fc.Arbitrary<Reputation> = fc.record({ positive: amount, negative: amount, atMs: time })

describe('the bound of who', () => {
  it('is unknown lies far below one half, which is the mean', () => {
    expect(posteriorMean(NO_EVIDENCE)).toBe(500)
    expect(lowerBound(NO_EVIDENCE)).toBe(50)
  })

  it.each([
    [600, 5],
    [700, 8],
    [800, 13],
    [900, 28],
  ])('passes %i with %i outcomes that were all good, and with no fewer', (threshold, needed) => {
    expect(lowerBound(outcomes(needed))).toBeGreaterThanOrEqual(threshold)
    expect(lowerBound(outcomes(needed - 1))).toBeLessThan(threshold)
  })

  it('falls by one bad outcome more than a good one lifts it', () => {
    const before = lowerBound(outcomes(28))
    expect(lowerBound(outcomes(28, 1))).toBeLessThan(before - 40)
    expect(lowerBound(outcomes(29, 1))).toBeLessThan(before)
  })

  it('is never above the mean, nor off the scale', () => {
    fc.assert(
      fc.property(evidence, (each) => {
        const bound = lowerBound(each)
        expect(bound).toBeGreaterThanOrEqual(0)
        expect(bound).toBeLessThanOrEqual(posteriorMean(each))
      }),
    )
  })

  it('never falls by more good evidence, and never rises by more bad evidence', () => {
    fc.assert(
      fc.property(evidence, amount, (each, more) => {
        const bound = lowerBound(each)
        expect(lowerBound(sumOf(each, { positive: more, negative: 0 }))).toBeGreaterThanOrEqual(bound)
        expect(lowerBound(sumOf(each, { positive: 0, negative: more }))).toBeLessThanOrEqual(bound)
      }),
    )
  })
})

describe('the tail of a Beta distribution', () => {
  it('is the sum of binomial terms for whole shapes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 999 }),
        (a, b, thousandths) => {
          const x = thousandths / 1000
          expect(betaTail(x, a, b)).toBeCloseTo(binomialTail(x, a, b), 11)
        },
      ),
    )
  })

  it('is safe at the ends, and with more evidence than anybody has', () => {
    expect([betaTail(0, 3, 4), betaTail(1, 3, 4)]).toEqual([0, 1])
    expect(betaTail(0.5, 1e6, 1e6)).toBeCloseTo(0.5, 6)
    expect(betaTail(0.4, 1e6, 1e6)).toBe(0)
    expect(betaTail(0.6, 1e6, 1e6)).toBe(1)
  })

  it.each([
    [Number.NaN, 1, 1],
    [1.1, 1, 1],
    [0.5, 0.5, 1],
    [0.5, 1, Number.POSITIVE_INFINITY],
  ])('refuses %s with the shapes %s and %s', (x, a, b) => {
    expect(() => betaTail(x, a, b)).toThrow(KitError)
  })
})

describe('forgetting', () => {
  it('leaves half after a half-life, whatever the number of looks', () => {
    const known = { ...outcomes(28, 4), atMs: AT }
    expect(faded(known, AT + 30 * DAY_MS, MEMORY)).toEqual(outcomes(14, 2))
    let looked: Reputation = known
    for (let day = 1; day <= 30; day++) looked = learned(looked, NO_EVIDENCE, AT + day * DAY_MS, MEMORY)
    expect(looked.positive / OUTCOME).toBeCloseTo(14, 4)
  })

  it('goes on however often it is looked: many short stretches are a long one', () => {
    let looked: Reputation = { ...outcomes(28), atMs: AT }
    for (let minute = 1; minute <= 24 * 60; minute++)
      looked = learned(looked, NO_EVIDENCE, AT + minute * 60_000, MEMORY)
    const atOnce = faded({ ...outcomes(28), atMs: AT }, AT + DAY_MS, MEMORY)
    expect(looked.positive / OUTCOME).toBeCloseTo(atOnce.positive / OUTCOME, 3)
  })

  it('tends to the prior', () => {
    fc.assert(
      fc.property(reputation, (known) => {
        const later = faded(known, known.atMs + 100 * MEMORY.halfLifeMs, MEMORY)
        expect(later).toEqual(NO_EVIDENCE)
      }),
    )
  })

  it('never adds, and takes nothing when the clock went back', () => {
    fc.assert(
      fc.property(reputation, time, (known, nowMs) => {
        const left = faded(known, nowMs, MEMORY)
        expect(left.positive).toBeLessThanOrEqual(known.positive)
        expect(left.negative).toBeLessThanOrEqual(known.negative)
        if (nowMs <= known.atMs) expect(left).toEqual({ positive: known.positive, negative: known.negative })
      }),
    )
  })
})

describe('learning', () => {
  it('takes evidence of one time in any order', () => {
    fc.assert(
      fc.property(fc.array(evidence, { maxLength: 6 }), time, (all, atMs) => {
        const folded = (some: readonly Evidence[]) =>
          some.reduce<Reputation | undefined>((known, each) => learned(known, each, atMs, MEMORY), undefined)
        expect(folded([...all].reverse())).toEqual(folded(all))
      }),
    )
  })

  it('remembers no more than it may, of either sign', () => {
    const full = learned(undefined, outcomes(400, 10), AT, MEMORY)
    expect(learned(full, outcomes(400, 10), AT, MEMORY)).toEqual({ ...outcomes(500, 20), atMs: AT })
  })

  it('does not go back in time with evidence that comes late', () => {
    const known = learned(undefined, outcomes(4), AT, MEMORY)
    expect(learned(known, outcomes(1), AT - DAY_MS, MEMORY)).toEqual({ ...outcomes(5), atMs: AT })
  })

  it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])('refuses an amount of %s', (positive) => {
    expect(() => learned(undefined, { positive, negative: 0 }, AT, MEMORY)).toThrow(KitError)
  })

  it('refuses a time that is none', () => {
    expect(() => learned(undefined, outcomes(1), Number.NaN, MEMORY)).toThrow(KitError)
  })
})

describe('the opinion of somebody else', () => {
  it('counts nothing from whoever is unknown, or known for bad outcomes only', () => {
    expect(discounted(outcomes(5), NO_EVIDENCE)).toEqual(NO_EVIDENCE)
    expect(discounted(outcomes(0, 5), outcomes(0, 40))).toEqual(NO_EVIDENCE)
  })

  it('is discounted as in the paper', () => {
    // r = 2 * 8 * 5 / ((0 + 2) * (5 + 2) + 2 * 8)
    expect(discounted(outcomes(5), outcomes(8)).positive).toBe(Math.floor((80 / 30) * OUTCOME))
  })

  it('never counts more than what was said, and more from whoever is better known', () => {
    fc.assert(
      fc.property(evidence, evidence, amount, (opinion, reporter, more) => {
        const counted = discounted(opinion, reporter)
        expect(counted.positive).toBeLessThanOrEqual(opinion.positive)
        expect(counted.negative).toBeLessThanOrEqual(opinion.negative)
        const better = discounted(opinion, sumOf(reporter, { positive: more, negative: 0 }))
        expect(better.positive).toBeGreaterThanOrEqual(counted.positive)
      }),
    )
  })
})

describe('a cap', () => {
  it('keeps the proportion', () => {
    expect(cappedTo(outcomes(30, 10), 4)).toEqual(outcomes(3, 1))
    expect(cappedTo(outcomes(2, 1), 4)).toEqual(outcomes(2, 1))
  })
})

/** I_x(a, b) for whole shapes: a + b - 1 trials, a of them or more. */
function binomialTail(x: number, a: number, b: number): number {
  const trials = a + b - 1
  let term = (1 - x) ** trials
  let sum = 0
  for (let hits = 0; hits <= trials; hits++) {
    if (hits >= a) sum += term
    term *= ((trials - hits) / (hits + 1)) * (x / (1 - x))
  }
  return sum
}
