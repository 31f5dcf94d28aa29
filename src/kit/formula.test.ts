// Scored formulas by example, and the properties that every score must keep.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KitError } from './error.ts'
import { type Formula, replays, roundTo, score, weightedMean } from './formula.ts'

type Facts = Readonly<Record<string, number | null>>

const formula = (ids: readonly string[], minimumCoverage = 0.5): Formula<Facts> => ({
  id: 'example/1',
  max: 100,
  digits: 1,
  minimumCoverage,
  terms: ids.map((id, at) => ({
    id,
    weight: at + 1,
    measure: (facts) => ({ value: facts[id] ?? null, reason: 'given' }),
  })),
})

describe('score', () => {
  it('is the weighted mean of what is known', () => {
    const scored = score(formula(['a', 'b', 'c']), { a: 100, b: 40, c: null })
    expect(scored).toMatchObject({ formula: 'example/1', score: 60, coverage: 0.5 })
  })

  it('is null below the minimum coverage, and never 100 for want of facts', () => {
    expect(score(formula(['a', 'b', 'c']), { a: 100 }).score).toBeNull()
    expect(score(formula(['a'], 0), {}).score).toBeNull()
  })

  it('counts weight that no term can measure against coverage', () => {
    const half = { ...formula(['a'], 0), fullWeight: 2 }
    expect(score(half, { a: 10 })).toMatchObject({ score: 10, coverage: 0.5 })
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, -0.1, 100.1])('refuses %s from a term', (value) => {
    expect(() => score(formula(['a']), { a: value })).toThrow(KitError)
  })

  it('refuses two terms of one id and a term without weight', () => {
    expect(() => score(formula(['a', 'a']), { a: 1 })).toThrow(KitError)
    const [term] = formula(['a']).terms
    if (!term) throw new Error('the example has a term')
    expect(() => score({ ...formula([]), terms: [{ ...term, weight: 0 }] }, { a: 1 })).toThrow(KitError)
  })

  it('replays, and notices an edited result', () => {
    const facts = { a: 10, b: 20 }
    const stored = score(formula(['a', 'b']), facts)
    expect(replays(formula(['a', 'b']), facts, stored)).toBe(true)
    expect(replays(formula(['a', 'b']), facts, { ...stored, score: 99 })).toBe(false)
    expect(replays(formula(['a', 'b']), { a: 11, b: 20 }, stored)).toBe(false)
  })
})

const parts = fc.array(
  fc.record({
    weight: fc.constantFrom(2.5, 5, 7.5, 10),
    value: fc.option(fc.integer({ min: 0, max: 1000 }).map((tenths) => tenths / 10)),
  }),
  { minLength: 1, maxLength: 12 },
)

describe('weightedMean', () => {
  it('never leaves the range of what it averages', () => {
    fc.assert(
      fc.property(parts, (some) => {
        const known = some.flatMap(({ value }) => (value === null ? [] : [value]))
        const { mean, coverage } = weightedMean(some)
        expect(coverage).toBeGreaterThanOrEqual(0)
        expect(coverage).toBeLessThanOrEqual(1)
        if (mean === null) {
          expect(known).toEqual([])
          return
        }
        expect(mean).toBeGreaterThanOrEqual(Math.min(...known) - 1e-9)
        expect(mean).toBeLessThanOrEqual(Math.max(...known) + 1e-9)
      }),
    )
  })

  it('grows with each value, and does not care about order once rounded', () => {
    fc.assert(
      fc.property(parts, fc.nat(), fc.integer({ min: 1, max: 50 }), (some, which, more) => {
        const at = which % some.length
        const raised = some.map((part, k) =>
          k === at && part.value !== null ? { ...part, value: part.value + more } : part,
        )
        const before = weightedMean(some).mean
        const after = weightedMean(raised).mean
        if (before === null || after === null) return
        expect(after).toBeGreaterThanOrEqual(before)
        expect(roundTo(weightedMean(some.toReversed()).mean ?? 0, 6)).toBe(roundTo(before, 6))
      }),
    )
  })

  it('loses coverage when a value becomes unknown', () => {
    fc.assert(
      fc.property(parts, fc.nat(), (some, which) => {
        const at = which % some.length
        const lost = some.map((part, k) => (k === at ? { ...part, value: null } : part))
        expect(weightedMean(lost).coverage).toBeLessThanOrEqual(weightedMean(some).coverage)
      }),
    )
  })
})

describe('roundTo', () => {
  it.each([
    [1.005, 2, 1.01],
    [0.05, 1, 0.1],
    [84.949, 1, 84.9],
    [-1.25, 1, -1.3],
    [-0.01, 1, 0],
  ])('rounds %s at %s digits to %s', (value, digits, expected) => {
    expect(Object.is(roundTo(value, digits), expected)).toBe(true)
  })

  it('is idempotent', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1_000_000, max: 1_000_000 }),
        fc.integer({ min: 0, max: 4 }),
        (n, digits) => {
          const once = roundTo(n / 997, digits)
          expect(roundTo(once, digits)).toBe(once)
        },
      ),
    )
  })

  it('refuses what is not a number', () => {
    expect(() => roundTo(Number.NaN, 1)).toThrow(KitError)
  })
})
