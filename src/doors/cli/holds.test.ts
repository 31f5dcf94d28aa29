// Legal holds and erasure reports on a terminal: what is covered, what would go, what went.

import { describe, expect, it } from 'vitest'
import { erasureReportLines, erasureReportRemarks, holdLines } from './holds.ts'

const form = { width: undefined, isWhole: false }
const at = '2026-11-20T15:22:16.653Z'
const hold = { name: 'case-7', reason: 'in court', placedAt: at, placedBy: 'user:owner' }
const report = {
  subject: 'state/team/plan',
  state: 'stored',
  payloads: 1,
  erasures: [],
  holds: [],
  entries: [{ seq: 19, type: 'state.document-written@1', time: at, references: 1 }],
  decisions: [{ seq: 18, decision: 'd', action: 'state.put@1' }],
  minimumIndex: 0,
}
const linesOf = (part: object) => erasureReportLines({ report: { ...report, ...part }, envelope: {} }, form)

describe('legal holds', () => {
  it.each([
    [{ subject: 'state/hr/ada' }, 'state/hr/ada'],
    [{ from: 0, to: 9000 }, 'entries 0 to 9000'],
    [{ from: 4000 }, 'entries 4000 and on'],
    [{ subject: 'state/hr/ada', from: 3, to: 5 }, 'state/hr/ada, entries 3 to 5'],
  ])('say what they cover: %o', (covers, words) => {
    const [, line] = holdLines({ items: [{ ...hold, ...covers }] }, form)
    expect(line?.split(/ {2,}/)).toEqual(['case-7', words, 'in court', at, 'user:owner'])
  })

  it('are nothing when none stands', () => expect(holdLines({ items: [] }, form)).toEqual([]))
})

describe('an erasure report', () => {
  it('says beforehand what would go, from where, and what forbids it', () => {
    expect(linesOf({ holds: [hold] })).toEqual([
      'subject   state/team/plan',
      'state     stored',
      'payloads  1, which erasing would destroy',
      'held by   case-7',
      '',
      'ENTRY  PRIVATE VALUES  TYPE                      AT',
      `   19               1  state.document-written@1  ${at}`,
      '',
      'DECISION  ON',
      '      18  state.put@1',
    ])
  })

  it('says afterwards what went and by whom; the first releases did not count', () => {
    const erasures = [
      { seq: 43, at, by: 'user:owner', payloads: 1 },
      { seq: 50, at, by: 'user:ann' },
    ]
    const lines = linesOf({ state: 'erased', payloads: 0, erasures, minimumIndex: 7 })
    expect(lines.slice(0, 8)).toEqual([
      'subject   state/team/plan',
      'state     erased',
      'payloads  0',
      'pruned    below entry 7',
      '',
      'ERASED BY ENTRY  PAYLOADS  BY          AT',
      `             43         1  user:owner  ${at}`,
      `             50   unknown  user:ann    ${at}`,
    ])
  })

  it('leads to the signed file, and on when this is not all', () => {
    expect(erasureReportRemarks({ report })).toHaveLength(1)
    expect(erasureReportRemarks({ report: { ...report, after: 900 } })).toEqual([
      'the signed report with its proof is a file: polity erasure report state/team/plan --out FILE',
      'there is more: go on with --after 900',
    ])
  })
})
