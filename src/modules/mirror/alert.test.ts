import { describe, expect, it } from 'vitest'
import { alertOf, HEALTH_CLEARS_AT, HEALTH_FALLS_BELOW } from './alert.ts'

/** What a series of scores tells, one word each. */
function toldOf(scores: readonly (number | null)[]): (string | null)[] {
  let isAlerting = false
  return scores.map((health) => {
    const alert = alertOf(health, isAlerting)
    if (alert !== null) isAlerting = alert === 'fell'
    return alert
  })
}

describe('a health alert', () => {
  it('fires once below the limit, not again while the score wavers, and clears at a higher one', () => {
    expect(toldOf([75, 69.9, 72.9, 69, 0, 73, 70, 69.9])).toEqual([
      ...[null, 'fell', null, null, null, 'recovered', null, 'fell'],
    ])
  })

  it('has its limits where it says', () => {
    expect(alertOf(HEALTH_FALLS_BELOW, false)).toBeNull()
    expect(alertOf(HEALTH_CLEARS_AT, true)).toBe('recovered')
    expect(alertOf(HEALTH_CLEARS_AT, false)).toBeNull()
  })

  it('takes an unknown health for no news', () => {
    expect(toldOf([null, 60, null, 60, 80, null])).toEqual([null, 'fell', null, null, 'recovered', null])
  })
})
