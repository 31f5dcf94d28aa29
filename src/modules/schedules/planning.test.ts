// Which slots are carried out: every one once, carried out or told, whatever the rule and however long nobody looked.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Timetable, timetableOf } from './cron.ts'
import { CATCH_UP_MAX, type CatchUp, ON_TIME_MS, planOf, type Rule } from './planning.ts'

const MINUTE_MS = 60_000
const START_MS = Date.UTC(2026, 0, 1)
/** What croner answers for `* * * * *`, by arithmetic. */
const minutely: Timetable = {
  after: (ms) => Math.floor(ms / MINUTE_MS) * MINUTE_MS + MINUTE_MS,
  upTo: (ms, count) =>
    Array.from({ length: count }, (_, i) => Math.floor(ms / MINUTE_MS) * MINUTE_MS - i * MINUTE_MS).reverse(),
}

/** Looks again and again until nothing is due: the slots that were carried out, and how many were let go. */
function allDue(rule: Rule, cursorMs: number, nowMs: number) {
  const fired: number[] = []
  let missed = 0
  let isMore = false
  for (
    let plan = planOf(minutely, rule, cursorMs, nowMs);
    ;
    plan = planOf(minutely, rule, plan.cursorMs, nowMs)
  ) {
    missed += plan.missed?.count ?? 0
    isMore ||= plan.missed?.isMore ?? false
    if (plan.slotMs === undefined) return { fired, missed, isMore, cursorMs: plan.cursorMs }
    fired.push(plan.slotMs)
  }
}
const minutesAfter = (slots: readonly number[]) => slots.map((ms) => (ms - START_MS) / MINUTE_MS)

describe('what was missed', () => {
  const nowMs = START_MS + 5 * MINUTE_MS + 1_000

  it.each<[CatchUp, number[], number]>([
    ['none', [5], 4],
    ['last', [5], 4],
    ['all', [1, 2, 3, 4, 5], 0],
  ])('%s', (catchUp, fired, missed) => {
    const told = allDue({ catchUp }, START_MS, nowMs)
    expect(minutesAfter(told.fired)).toEqual(fired)
    expect(told).toMatchObject({ missed, isMore: false })
  })

  it('is not made up where nothing is to be made up', () => {
    const hourly = timetableOf('0 * * * *', 'UTC', START_MS)
    const late = START_MS + 3_600_000 + ON_TIME_MS + 1
    expect(planOf(hourly, { catchUp: 'none' }, START_MS, late)).toEqual({
      cursorMs: START_MS + 3_600_000,
      missed: { fromMs: START_MS + 3_600_000, toMs: START_MS + 3_600_000, count: 1, isMore: false },
    })
    expect(planOf(hourly, { catchUp: 'last' }, START_MS, late).slotMs).toBe(START_MS + 3_600_000)
    expect(planOf(hourly, { catchUp: 'last', lateMaxMs: 1000 }, START_MS, late).slotMs).toBeUndefined()
  })

  it('is bounded, and says so', () => {
    const told = allDue({ catchUp: 'all' }, START_MS, START_MS + 365 * 24 * 60 * MINUTE_MS)
    expect(told.fired).toHaveLength(CATCH_UP_MAX)
    expect(told).toMatchObject({ isMore: true })
    expect(allDue({ catchUp: 'all' }, START_MS, START_MS + 100 * MINUTE_MS)).toMatchObject({
      missed: 0,
      isMore: false,
    })
  })

  it('is nothing before the first slot, and after the last', () => {
    expect(planOf(minutely, { catchUp: 'all' }, START_MS, START_MS + 59_999)).toEqual({ cursorMs: START_MS })
    // A clock that was set back does not repeat anything.
    expect(planOf(minutely, { catchUp: 'all' }, START_MS, START_MS - 3_600_000)).toEqual({
      cursorMs: START_MS,
    })
  })
})

describe('looking at any times', () => {
  it('deals with every slot exactly once', () => {
    const rule = fc.record({
      catchUp: fc.constantFrom<CatchUp>('none', 'last', 'all'),
      lateMaxMs: fc.option(fc.integer({ min: 1, max: 20 * MINUTE_MS }), { nil: undefined }),
    })
    fc.assert(
      fc.property(
        rule,
        fc.array(fc.integer({ min: 0, max: 30 * MINUTE_MS }), { maxLength: 8 }),
        ({ catchUp, lateMaxMs }, pauses) => {
          let [cursorMs, nowMs, handled] = [START_MS, START_MS, 0]
          const seen = new Set<number>()
          for (const pauseMs of pauses) {
            nowMs += pauseMs
            const told = allDue(
              { catchUp, ...(lateMaxMs === undefined ? {} : { lateMaxMs }) },
              cursorMs,
              nowMs,
            )
            for (const slotMs of told.fired) {
              expect(seen.has(slotMs)).toBe(false)
              expect(nowMs - slotMs).toBeLessThanOrEqual(lateMaxMs ?? Number.POSITIVE_INFINITY)
              seen.add(slotMs)
            }
            handled += told.fired.length + told.missed
            cursorMs = told.cursorMs
          }
          expect(handled).toBe(Math.floor((nowMs - START_MS) / MINUTE_MS))
        },
      ),
      { numRuns: 300 },
    )
  })
})
