// When a schedule is due: clock changes, both directions in agreement, and patterns that are none.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PolityError } from '../../kernel/errors.ts'
import { timetableOf } from './cron.ts'

const at = (text: string) => Date.parse(text)
const FROM = at('2026-01-01T00:00:00Z')
const table = (cron: string, timezone = 'Europe/Berlin') => timetableOf(cron, timezone, FROM)

function slots(cron: string, from: string, to: string, timezone?: string): string[] {
  const { after } = table(cron, timezone)
  const found: string[] = []
  for (let ms = after(at(from)); ms !== undefined && ms <= at(to); ms = after(ms))
    found.push(new Date(ms).toISOString().slice(0, 16))
  return found
}

function messageOf(cron: string): string {
  try {
    table(cron)
  } catch (error) {
    if (error instanceof PolityError) return error.message
    throw error
  }
  throw new Error('it was accepted')
}

function refusal(cron: string, timezone: string): string {
  try {
    timetableOf(cron, timezone, FROM)
  } catch (error) {
    if (!(error instanceof PolityError) || error.code !== 'input.invalid') throw error
    return (error.facts.violations as { pointer: string }[])[0]?.pointer ?? ''
  }
  throw new Error('it was accepted')
}

describe('daylight saving time', () => {
  it('moves a fixed time out of the hour that is skipped', () => {
    expect(slots('30 2 * * *', '2026-03-28T12:00:00Z', '2026-03-30T12:00:00Z')).toEqual([
      '2026-03-29T01:00',
      '2026-03-30T00:30',
    ])
  })

  it('takes a fixed time once in the hour that comes twice', () => {
    expect(slots('30 2 * * *', '2026-10-24T12:00:00Z', '2026-10-26T12:00:00Z')).toEqual([
      '2026-10-25T00:30',
      '2026-10-26T01:30',
    ])
  })

  it('leaves intervals as they are', () => {
    const half = Array.from({ length: 8 }, (_, i) =>
      new Date(at('2026-10-25T00:00:00Z') + (i + 1) * 1_800_000).toISOString().slice(0, 16),
    )
    expect(slots('*/30 * * * *', '2026-10-25T00:00:00Z', '2026-10-25T04:00:00Z')).toEqual(half)
    expect(slots('*/30 * * * *', '2026-03-29T00:00:00Z', '2026-03-29T02:00:00Z')).toHaveLength(4)
  })

  it('is that of the time zone', () => {
    expect(slots('0 9 * * 1-5', '2026-01-02T00:00:00Z', '2026-01-05T23:00:00Z', 'America/New_York')).toEqual([
      '2026-01-02T14:00',
      '2026-01-05T14:00',
    ])
  })
})

describe('looking back', () => {
  it('finds what looking forward finds, the time itself included', () => {
    const field = (max: number) =>
      fc.oneof(
        fc.constant('*'),
        fc.nat(max).map(String),
        fc.integer({ min: 2, max: 15 }).map((step) => `*/${step}`),
      )
    const zone = fc.constantFrom(
      'Europe/Berlin',
      'America/New_York',
      'Australia/Lord_Howe',
      'UTC',
      'Asia/Kathmandu',
    )
    const minutes = fc.integer({ min: 0, max: 366 * 24 * 60 })
    fc.assert(
      fc.property(field(59), field(23), zone, minutes, (minute, hour, timezone, offset) => {
        const { after, upTo } = table(`${minute} ${hour} * * *`, timezone)
        let ms = FROM + offset * 60_000
        const forward: number[] = []
        for (let i = 0; i < 6; i++) {
          ms = after(ms) ?? Number.NaN
          forward.push(ms)
        }
        expect(upTo(ms, 6)).toEqual(forward)
        expect(upTo(ms + 999, 1)).toEqual([ms])
        expect(upTo(ms - 1, 1)).toEqual([forward[4]])
      }),
      { numRuns: 40 },
    )
  })
})

describe('a schedule that is none', () => {
  it.each([
    ['', 'UTC', '/cron'],
    ['* * * *', 'UTC', '/cron'],
    ['* * * * * *', 'UTC', '/cron'],
    ['60 * * * *', 'UTC', '/cron'],
    ['*/0 * * * *', 'UTC', '/cron'],
    ['constructor', 'UTC', '/cron'],
    ['\u0000', 'UTC', '/cron'],
    ['0 0 30 2 *', 'UTC', '/cron'],
    ['* * * * *', 'Europe/Nowhere', '/timezone'],
    ['* * * * *', '', '/timezone'],
    ['* * * * *', '../../etc', '/timezone'],
  ])('%j in %j', (cron, timezone, pointer) => {
    expect(refusal(cron, timezone)).toBe(pointer)
  })

  it.each([
    ['', 'has 0 fields'],
    ['@often', 'has 1 field'],
    ['* * * *', 'has 4 fields'],
    ['0 30 9 * * 1-5', 'has 6 fields'],
  ])('%j is told how many fields there must be, with an example', (cron, sentence) => {
    const [example = ''] = /30 9 \* \* 1-5/.exec(messageOf(cron)) ?? []
    expect(messageOf(cron)).toContain(`/cron ${sentence} and needs five`)
    expect(messageOf(cron)).not.toContain('CronPattern')
    expect(slots(example, '2026-01-02T00:00:00Z', '2026-01-05T23:00:00Z', 'UTC')).toEqual([
      '2026-01-02T09:30',
      '2026-01-05T09:30',
    ])
  })

  it('of five fields is told what is wrong with which', () => {
    expect(messageOf('60 * * * *')).toContain('minute: 60')
  })
})
