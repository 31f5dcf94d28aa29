import { describe, expect, it } from 'vitest'
import { trendOf } from './trend.ts'

const on = (day: string, health: number | null, formula = 'health/1') => ({
  asOf: `2026-${day}T12:00:00Z`,
  health,
  formula,
})

describe('trend', () => {
  it('compares with the previous analysis and with those nearest to 7 and 30 days before', () => {
    const history = [on('01-01', 60), on('01-20', 66.5), on('01-24', 71), on('01-31', 80.2)]
    expect(trendOf(history)).toEqual({
      sincePrevious: { points: 9.2, asOf: '2026-01-24T12:00:00Z' },
      since7Days: { points: 9.2, asOf: '2026-01-24T12:00:00Z' },
      since30Days: { points: 20.2, asOf: '2026-01-01T12:00:00Z' },
    })
  })

  it('does not depend on the order in which analyses were made', () => {
    const history = [on('01-31', 80), on('01-01', 60), on('01-24', 70)]
    expect(trendOf(history)).toEqual(trendOf([...history].reverse()))
  })

  it.each([
    ['a first analysis', [on('01-31', 80)]],
    ['another formula', [on('01-01', 60, 'health/0'), on('01-31', 80)]],
    ['an unknown health now', [on('01-01', 60), on('01-31', null)]],
    ['an unknown health then', [on('01-01', null), on('01-31', 80)]],
    ['nothing', []],
  ])('has nothing to say about %s', (_, history) => {
    expect(trendOf(history)).toEqual({ sincePrevious: null, since7Days: null, since30Days: null })
  })

  it('does not call yesterday a month', () => {
    expect(trendOf([on('01-30', 60), on('01-31', 80)])).toMatchObject({ since7Days: null, since30Days: null })
  })
})
