// A request as people read it on the command line: whoever reviews broken glass sees who broke it, and why.

import { expect, it } from 'vitest'
import { approvalLines, approvalReport, brokenRemarks } from './approvals.ts'

const SHOWN = {
  approval: '01a1fb4e-4b03-7000-9706-07d651cd301a',
  status: 'carried-out',
  action: 'lab.danger@1',
  resource: 'lab',
  risk: 'high',
  requester: ['user:ann'],
  sentence: 'two people of security must agree',
  progress: ['security:2 (glass broken)'],
  requestedAt: '2026-11-20T10:00:00.000Z',
  expiresAt: '2026-11-21T10:00:00.000Z',
  inputDigest: 'sha256:00',
  votes: [],
  opinions: [],
  glass: [
    { by: 'user:eve', reason: 'the shop is down' },
    { by: 'user:fay', reason: 'it is' },
  ],
}

it('says who broke the glass and why, and what the review found', () => {
  const lines = (shown: object) => approvalReport(shown, { width: 80, isWhole: false }).join('\n')
  const before = lines(SHOWN)
  expect(before).toContain('user:eve: the shop is down')
  expect(before).toContain('user:fay: it is')
  expect(before).not.toContain('review')
  const review = { by: 'user:gus', finding: 'justified', note: 'it was down' }
  expect(lines({ ...SHOWN, review })).toContain('justified, by user:gus: it was down')
  expect(lines({ ...SHOWN, glass: [] })).not.toContain('user:eve')
})

it('tells the first of the two that a second one is needed', () => {
  const broken = { approval: SHOWN.approval, status: 'pending', owed: ['security:2'] }
  expect(brokenRemarks(broken)).toEqual([
    `it takes a second person: polity approvals break-glass ${SHOWN.approval} --reason "..."`,
  ])
  expect(brokenRemarks({ ...broken, status: 'approved', owed: [] })).toEqual([
    `the hub carries it out: polity approvals show ${SHOWN.approval}`,
  ])
})

it('shows on eighty columns what is asked, what it needs, who asks, and until when', () => {
  const waiting = {
    ...SHOWN,
    status: 'pending',
    progress: ['owner:1 (0 of 1)', 'security:2 (1 of 2)'],
    requester: ['agent:a2'],
  }
  const lines = approvalLines({ items: [waiting] }, { width: 80, isWhole: false })
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(80)
  const text = lines.join('\n')
  for (const part of ['lab.danger', 'owner:1 (0 of 1), security:2 (1 of 2)', 'agent:a2', '11-21'])
    expect(text).toContain(part)
  expect(text).not.toContain('…')
})
