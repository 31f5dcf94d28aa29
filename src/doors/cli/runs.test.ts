// How a run reads: what became of word to its caller stands in one line.

import { expect, it } from 'vitest'
import { runReport } from './runs.ts'

const RUN = {
  run: 'r1',
  action: 'flow.play@1',
  status: 'done',
  principal: 'user:owner',
  decision: 'd1',
  startedAt: '2026-01-01T00:00:00.000Z',
}
const line = (callback: object) =>
  runReport({ ...RUN, callback }, { width: undefined, isWhole: false }).find((each) =>
    each.startsWith('callback'),
  )

it.each([
  [{ state: 'waiting', attempts: 0 }, 'waiting'],
  [{ state: 'delivered', attempts: 1, answered: 204 }, 'delivered, 1 attempt: answered 204'],
  [
    { state: 'due', attempts: 2, error: 'egress.redirected: elsewhere', next: '2026-01-01T00:00:05.000Z' },
    'due, 2 attempts, next 2026-01-01T00:00:05.000Z: egress.redirected: elsewhere',
  ],
])('%j', (callback, text) => expect(line(callback)).toMatch(new RegExp(`^callback +${text}$`)))

it('says nothing of a callback where there is none', () => {
  expect(runReport(RUN, { width: undefined, isWhole: false }).join('\n')).not.toContain('callback')
})
