// What waits, read from the API, and how much time is left for it.

import { describe, expect, it } from 'vitest'
import { leftOf, readWaiting, shownOf } from './approvals.ts'

const AT = Date.parse('2026-11-20T10:00:00.000Z')

describe('the time that is left', () => {
  it.each([
    ['2026-11-20T10:00:59.000Z', 'ends in 0 min 59 s'],
    ['2026-11-20T11:00:00.000Z', 'ends in 1 h 0 min'],
    ['2026-11-21T09:59:00.000Z', 'ends in 23 h 59 min'],
    ['2026-11-22T11:00:00.000Z', 'ends in 2 d 1 h'],
    ['2026-11-20T10:00:00.000Z', 'ending now'],
    ['2026-11-19T10:00:00.000Z', 'ending now'],
    ['soon', ''],
  ])('until %s: %s', (expiresAt, left) => {
    expect(leftOf(expiresAt, AT)).toBe(left)
  })
})

it('a request of a later release, or a broken one, is shown as far as it goes and answered by nobody', () => {
  expect(
    readWaiting({ items: [{ action: 'lab.danger@1', requester: ['user:ann', 7], isYours: 'yes' }, null] }),
  ).toMatchObject([
    { action: 'lab.danger', isYours: false, answers: [], isReviewOwed: false, progress: [] },
    { action: '', isYours: false, answers: [] },
  ])
  expect(readWaiting(null)).toEqual([])
})

it('shows what is for whoever looks before what is for others, and says where there is more', () => {
  const waiting = (approval: string, status = 'pending') => readWaiting({ items: [{ approval, status }] })
  const others = Array.from({ length: 51 }, (_, at) => waiting(`other-${at}`)).flat()
  const { waiting: shown, isMore } = shownOf([waiting('mine'), others, []])
  expect([shown.length, shown[0]?.approval, isMore]).toEqual([51, 'mine', true])
  const changed = shownOf([waiting('mine'), [...waiting('mine', 'approved'), ...waiting('other')], []])
  expect(changed).toMatchObject({
    waiting: [{ approval: 'mine', status: 'approved' }, { approval: 'other' }],
    isMore: false,
  })
})
