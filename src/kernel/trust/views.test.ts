// The fold of trust under whatever comes: no source moves a score beyond its bound, all of it fades, and old entries fold as they did.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { faded, lowerBound, OUTCOME, posteriorMean } from '../../kit/reputation.ts'
import type { Draft } from '../log/entry.ts'
import { factAgainst } from './alerting.ts'
import { TrustAlerted, TrustReported } from './entries.ts'
import { MEMORY, ONE_VOICE } from './evidence.ts'
import { foundIn } from './reading.ts'
import { type ReputationRow, reports, reputations } from './views.ts'

const DAY_MS = 86_400_000
const PRINCIPAL = 'component:shop'
const KEY = `${PRINCIPAL} components`

function folded(drafts: readonly (readonly [Draft, number])[]): ReputationRow | undefined {
  return drafts.reduce<ReputationRow | undefined>((value, [{ type, data, actor }, atMs], seq) => {
    const entry = { id: `${seq}`, source: 's', seq, type: type.name, time: timeOf(atMs), data }
    const acted = { ...entry, ...(actor === undefined ? {} : { actor }) }
    expect(reputations.keys(acted as never)).toEqual([KEY])
    const row = value === undefined ? undefined : { version: seq, value }
    return reputations.fold(row, acted as never, KEY) ?? undefined
  }, undefined)
}

const timeOf = (ms: number): string => new Date(ms).toISOString()

const alert = (severity: 'low' | 'medium' | 'high' | 'critical') =>
  TrustAlerted({ principal: PRINCIPAL, family: 'components', severity, fact: 'components.lost@1' })
const reported = (kind: 'peer' | 'verification' | 'alert', negative: number, held = true) =>
  TrustReported({
    principal: PRINCIPAL,
    family: 'components',
    reporter: 'user:owner',
    kind,
    verdict: 'negative',
    strength: 1,
    counted: { positive: 0, negative },
    reporterEvidence: { positive: 0, negative: 0 },
    ...(held ? { held: { positive: 0, negative } } : {}),
  })

const severities = fc.constantFrom<'low' | 'medium' | 'high' | 'critical'>(
  'low',
  'medium',
  'high',
  'critical',
)
const flood = fc.array(fc.tuple(severities, fc.integer({ min: 0, max: 400 * DAY_MS })), { maxLength: 60 })

describe('what the hub noticed', () => {
  it('counts as a failed act of that risk', () => {
    const amounts = (['low', 'medium', 'high', 'critical'] as const).map(
      (severity) => (folded([[alert(severity), 0]])?.negative ?? 0) / OUTCOME,
    )
    expect(amounts).toEqual([0.5, 1, 2, 4])
  })

  it('never comes to more than its bound, in whatever order and however often it comes', () => {
    fc.assert(
      fc.property(flood, (alerts) => {
        const row = folded(alerts.map(([severity, atMs]) => [alert(severity), atMs]))
        expect(row?.positive ?? 0).toBe(0)
        expect(row?.negative ?? 0).toBeLessThanOrEqual(ONE_VOICE.outcomesMax * OUTCOME + alerts.length)
        expect(row?.counts.observed ?? 0).toBe(alerts.length)
      }),
    )
  })

  it('leaves whoever did a hundred good acts better known than somebody of whom only bad is known', () => {
    const good = { positive: 100 * OUTCOME, negative: 0 }
    const row = folded(Array.from({ length: 1000 }, (_, at) => [alert('critical'), at] as const))
    const negative = row?.negative ?? 0
    expect(negative).toBe(ONE_VOICE.outcomesMax * OUTCOME)
    expect(posteriorMean({ ...good, negative })).toBeGreaterThan(900)
    expect(lowerBound({ ...good, negative })).toBeGreaterThan(800)
  })

  it('fades to nothing, and then there is room for more', () => {
    const row = folded(Array.from({ length: 50 }, () => [alert('critical'), 0] as const))
    expect(row).toBeDefined()
    if (row === undefined) return
    const late = 5000 * DAY_MS
    expect(faded(row, late, MEMORY)).toEqual({ positive: 0, negative: 0 })
    expect(foundIn(new Map([['components', row]]), 'components', late)).toMatchObject({
      bound: 50,
      score: 500,
    })
    const again = reputations.fold(
      { version: 1, value: row },
      { ...entryAt(late), type: TrustAlerted.name, data: alert('critical').data } as never,
      KEY,
    )
    expect(again?.negative).toBe(4 * OUTCOME)
  })

  it('speaks of agents, components and services only, and of none under a name that nobody has', () => {
    const fact = alert('low')
    const against = (principal: string) =>
      factAgainst(principal, { family: '*', severity: 'low', fact }).length
    expect(['component:a', 'agent:a', 'service:a'].map(against)).toEqual([2, 2, 2])
    expect(['user:a', 'hub:polity', '', 'component:a b', `agent:${'x'.repeat(200)}`].map(against)).toEqual([
      1, 1, 1, 1, 1,
    ])
  })
})

const entryAt = (ms: number) => ({ id: 'i', source: 's', seq: 1, time: timeOf(ms) })

describe('what others told', () => {
  it('is told apart by its kind, and what was reported in the first releases folds as it did', () => {
    const row = folded([
      [reported('peer', 1_000_000), 0],
      [reported('verification', 2_000_000), 0],
      [reported('alert', 3_000_000), 0],
      [alert('medium'), 0],
    ])
    expect(row).toMatchObject({
      negative: 7_000_000,
      counts: { reported: 1, verified: 1, alerted: 1, observed: 1 },
      told: {
        reports: { negative: 1_000_000 },
        verifications: { negative: 2_000_000 },
        alerts: { negative: 3_000_000 },
        observed: { negative: 1_000_000 },
      },
    })
    expect(folded([[reported('alert', 3_000_000, false), 0]])).toEqual({
      positive: 0,
      negative: 3_000_000,
      atMs: 0,
      counts: { reported: 1 },
      lastAt: timeOf(0),
    })
  })

  it('keeps what one reporter has said in a row of its own, and none for entries of the first releases', () => {
    const keysOf = (draft: Draft) => reports.keys({ ...entryAt(0), type: '', data: draft.data } as never)
    expect(keysOf(reported('peer', 1))).toEqual([
      'user:owner component:shop components',
      'user:owner component:shop',
    ])
    expect(keysOf(reported('peer', 1, false))).toEqual(['user:owner component:shop components'])
  })
})
