// Whose a lease is: another hub's only while it has not run out, and never where no other hub can be.

import { expect, it } from 'vitest'
import { isElsewhere } from './lease.ts'

const taker = (nowMs: number, isAlone = false) => ({ env: { now: () => nowMs }, holder: 'here', isAlone })
const row = { holder: 'there', expiresAtMs: 1000 }

it('is elsewhere up to its end, and for everybody from then on', () => {
  expect([999, 1000, 1001].map((nowMs) => isElsewhere(taker(nowMs), row))).toEqual([true, false, false])
})

it('is never elsewhere for its own holder', () => {
  expect(isElsewhere(taker(0), { ...row, holder: 'here' })).toBe(false)
})

it('counts for nothing where this hub is alone', () => {
  expect(isElsewhere(taker(0, true), row)).toBe(false)
})
