// Counts: bounded by what each claim says, never below nothing, and settled where they were claimed.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../kit/codes.fixture.ts'
import { asPolityError } from '../errors.ts'
import { type CountChange, type CountRow, counted, sumOf } from './count.ts'

const place = { table: 't', key: 'k' }
const claim = (atMs: number, used: number, max?: number, fromMs = 0): CountChange => ({
  atMs,
  used,
  reserved: 0,
  claim: max === undefined ? { fromMs } : { fromMs, max },
})
const all = (...changes: readonly CountChange[]) =>
  changes.reduce<CountRow | undefined>((row, change) => counted(row, change, place), undefined)
describe('a count', () => {
  it('takes claims up to their bound and not one more', () => {
    const full = all(claim(0, 7, 10), claim(0, 3, 10))
    expect(sumOf(full ?? { slices: [] })).toBe(10)
    expect(codeOf(() => counted(full, claim(0, 1, 10), place))).toBe('expectation.failed')
    expect(sumOf(counted(full, claim(0, 1), place))).toBe(11)
  })

  it('lets go of slices that are too old, and of nothing else', () => {
    const row = all(claim(10, 4, 10), claim(20, 4, 10), claim(30, 2, 10, 20))
    expect(row?.slices.map(({ atMs }) => atMs)).toEqual([20, 30])
    expect(codeOf(() => counted(row, claim(30, 5, 10, 20), place))).toBe('expectation.failed')
    expect(sumOf(counted(row, claim(40, 5, 10, 30), place))).toBe(7)
  })

  it('refuses a claim of a moment that is over: its maker looks again', () => {
    expect(codeOf(() => all(claim(20, 1, 10), claim(10, 1, 10)))).toBe('expectation.failed')
  })

  it('settles in the slice of the claim, also when others have begun, and nowhere once that is gone', () => {
    const reserved: CountChange = { atMs: 10, used: 0, reserved: 5, claim: { fromMs: 0, max: 9 } }
    const settled: CountChange = { atMs: 10, used: 3, reserved: -5 }
    expect(all(reserved, claim(20, 1, 9), settled)?.slices[0]).toEqual({ atMs: 10, used: 3, reserved: 0 })
    expect(all(reserved, claim(20, 1, 9, 20), settled)?.slices).toEqual([{ atMs: 20, used: 1, reserved: 0 }])
    expect(counted(undefined, settled, place)).toEqual({ slices: [] })
  })

  it('is never negative, unsafe or long, whatever it is told', () => {
    const number = fc.integer({ min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER })
    const change = fc.record({
      atMs: fc.nat(1000),
      used: number,
      reserved: number,
      claim: fc.option(fc.record({ fromMs: fc.nat(1000) }), { nil: undefined }),
    })
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
        let row: CountRow | undefined
        for (const { claim: made, ...rest } of changes)
          try {
            row = counted(row, made === undefined ? rest : { ...rest, claim: made }, place)
          } catch (error) {
            expect(asPolityError(error).code).toBe('expectation.failed')
          }
        for (const { used, reserved } of row?.slices ?? []) {
          expect(Math.min(used, reserved)).toBeGreaterThanOrEqual(0)
          expect(Number.isSafeInteger(used) && Number.isSafeInteger(reserved)).toBe(true)
        }
        expect(row?.slices.length ?? 0).toBeLessThanOrEqual(16)
      }),
    )
  })
})
