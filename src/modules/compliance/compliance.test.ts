// Reports count what the log says and nothing else; figures without cases are not there.

import { describe, expect, it } from 'vitest'
import type { Entry } from '../../kernel/log/entry.ts'
import { Deliveries } from './delivering.ts'
import { markdownOf } from './markdown.ts'
import { Summary } from './summary.ts'

const MINUTE_MS = 60_000
const PERIOD = { from: '2026-11-01T00:00:00Z', to: '2026-12-01T00:00:00Z' }

let seq = 0
const entry = (
  type: string,
  data: Readonly<Record<string, unknown>>,
  minute = 0,
  actor = 'agent:bot',
): Entry => {
  seq += 1
  const time = new Date(Date.parse('2026-11-20T10:00:00Z') + minute * MINUTE_MS).toISOString()
  return { seq, id: String(seq), source: 'polity://test', type, time, actor, data }
}
const decided = (data: Readonly<Record<string, unknown>>, minute = 0, actor?: string) =>
  entry(
    'action.decided@1',
    {
      action: 'config.propose@1',
      resource: 'config',
      effect: 'allow',
      reasons: [],
      risk: 'high',
      mode: 'enforce',
      bundle: 'b',
      ...data,
    },
    minute,
    actor,
  )
const finished = (decision: string, status: string, minute: number, action = 'config.propose@1') =>
  entry('action.finished@1', { decision, action, status }, minute)

describe('the report of a period', () => {
  const severities: Readonly<Record<string, string>> = { grave: 'critical', light: 'advisory' }
  const summed = async (...entries: readonly Entry[]) => {
    const summary = new Summary(async (_, policy) => severities[policy])
    for (const each of entries) await summary.add(each)
    return summary.report(PERIOD, { origin: 'o', size: 9 })
  }

  it('puts a violation under the gravest of its rules, and counts bursts as often as they were', async () => {
    const report = await summed(
      decided({ effect: 'denied', reasons: ['light', 'grave'], count: 5 }),
      decided({ effect: 'allow', wouldEffect: 'denied', reasons: ['light'] }, 0, 'user:alice'),
      decided({ effect: 'denied', reasons: [] }, 0, 'user:alice'),
      decided({}),
      entry('approval.voted@1', {}),
      finished('x', 'done', 1),
      entry('state.document-written@1', {}),
    )
    expect(report).toMatchObject({
      entries: 6,
      decisions: { total: 8, allowed: 2, denied: 6, letPass: 1 },
      approvals: [{ name: 'approval.voted@1', count: 1 }],
      outcomes: { done: 1 },
      violations: [
        { severity: 'critical', count: 5 },
        { severity: 'advisory', count: 1 },
        { severity: 'unrated', count: 1, policies: [{ name: '(no rule permits)', count: 1 }] },
      ],
      topViolators: [
        { actor: 'agent:bot', count: 5, critical: 5 },
        { actor: 'user:alice', count: 2 },
      ],
    })
    expect(report.mapping.map(({ article }) => article)).toEqual(
      expect.arrayContaining(['Article 12(1)', 'Article 14(4)(d)', 'Article 19(1)', 'Article 26(6)']),
    )
    expect(report.mapping.every(({ notCovered }) => notCovered.length > 0)).toBe(true)
  })

  it('lets no name become markup', async () => {
    const report = await summed(
      decided({ effect: 'denied', reasons: ['grave'] }, 0, 'agent:`|\n# <img>\u202e'),
    )
    const text = markdownOf(report)
    expect(text).toContain('`agent:\\u{60}\\u{7c}\\u{a}# <img>\\u{202e}`')
    expect(text).not.toContain('\n# <img>')
  })
})

describe('delivery', () => {
  const delivered = (...entries: readonly Entry[]) => {
    const deliveries = new Deliveries(['config'])
    for (const each of entries) deliveries.add(each)
    return deliveries.delivery(PERIOD)
  }

  it('has no figures without changes, instead of zeros', () => {
    const answer = delivered(
      decided({ decision: 'a', action: 'state.put@1' }),
      finished('a', 'done', 1, 'state.put@1'),
    )
    expect(answer).toMatchObject({ ended: 0, leadTime: { cases: 0 }, timeToRestore: { cases: 0 } })
    expect(answer).not.toHaveProperty('failureRate')
    expect(answer.leadTime).not.toHaveProperty('medianMs')
  })

  it('counts from the first asking, and until the next success on the same resource', () => {
    const answer = delivered(
      decided({ decision: 'held', effect: 'suspended' }, 0),
      decided({ decision: 'a', approval: 'held' }, 10),
      finished('a', 'done', 12),
      decided({ decision: 'b' }, 20),
      finished('b', 'failed', 21),
      decided({ decision: 'other', resource: 'elsewhere' }, 22),
      finished('other', 'done', 23),
      decided({ decision: 'c' }, 30),
      finished('c', 'done', 31),
      decided({ decision: 'd' }, 40),
      finished('d', 'unknown', 41),
    )
    expect(answer).toMatchObject({
      ended: 5,
      succeeded: 3,
      failed: 2,
      failureRate: 400,
      leadTime: { cases: 3, medianMs: MINUTE_MS, p90Ms: 12 * MINUTE_MS },
      timeToRestore: { cases: 1, medianMs: 10 * MINUTE_MS },
      unrestored: 1,
    })
  })

  it('counts what ends in the period, also what was asked for or decided before it', () => {
    const ended = (decision: string, status: string, minute: number, resource?: string) => ({
      ...finished(decision, status, minute),
      ...(resource === undefined ? { subject: 'run/1' } : { subject: resource }),
    })
    const run = finished('before-as-run', 'failed', 2)
    const answer = delivered(
      ended('before', 'done', 1, 'config'),
      { ...run, subject: 'run/2', data: { ...run.data, run: '2', resource: 'config' } },
      decided({ decision: 'resumed', approval: 'asked-before' }, 3),
      finished('resumed', 'done', 4),
      { ...finished('old-run', 'failed', 5), data: { ...finished('old-run', 'failed', 5).data, run: '3' } },
      finished('other', 'failed', 6, 'state.put@1'),
    )
    expect(answer).toMatchObject({
      ended: 4,
      failed: 2,
      leadTime: { cases: 0 },
      timeToRestore: { cases: 1, medianMs: 2 * MINUTE_MS },
      unrestored: 0,
    })
  })

  it('takes a roll-back for the failure of the change before it, and for its end', () => {
    const answer = delivered(
      decided({ decision: 'a' }, 0),
      finished('a', 'done', 1),
      decided({ decision: 'r', action: 'config.roll-back@1' }, 5),
      finished('r', 'done', 6, 'config.roll-back@1'),
      decided({ decision: 'z' }, 7),
      finished('z', 'cancelled', 8),
    )
    expect(answer).toMatchObject({
      ended: 1,
      failed: 1,
      timeToRestore: { cases: 1, medianMs: 5 * MINUTE_MS },
      unrestored: 0,
    })
  })
})
