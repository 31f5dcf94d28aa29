// What entries say about whoever acted: for whom they count, how much, and what is nobody's fault.

import { describe, expect, it } from 'vitest'
import { OUTCOME } from '../../kit/reputation.ts'
import {
  countedActor,
  familyOf,
  isViolation,
  outcomeEvidence,
  touched,
  violationEvidence,
} from './evidence.ts'

const outcome = { decision: 'd', action: 'state.put@1', status: 'done' } as const
const decided = {
  decision: 'd',
  action: 'state.put@1',
  resource: 'state/ns',
  risk: 'high',
  effect: 'denied',
  mode: 'enforce',
  solo: false,
  reasons: [],
  obligations: [],
  errors: [],
  sentence: '',
  inputDigest: 'sha256:',
  bundle: 'sha256:',
  entities: 'sha256:',
  context: { halted: [], exceeded: [] },
  requests: [],
  engine: {},
}

describe('whose conduct is counted', () => {
  it.each([
    ['component:shop', 'component:shop'],
    ['user:owner > agent:deploy-bot', 'agent:deploy-bot'],
    ['service:ci', 'service:ci'],
    ['agent:deploy-bot > user:owner', undefined],
    ['user:owner', undefined],
    ['hub:polity', undefined],
    ['', undefined],
    ['agent:a>component:shop', 'agent:a>component:shop'],
    ['__proto__:x', undefined],
    [undefined, undefined],
  ])('%s: %s', (actor, counted) => {
    expect(countedActor(actor)).toBe(counted)
  })

  it('is that of one row per action, and of none for people', () => {
    expect(touched('user:owner > agent:bot', 'state.put@1')).toEqual(['agent:bot state'])
    expect(touched('user:owner', 'state.put@1')).toEqual([])
  })

  it('is not shown by asking or reporting about trust', () => {
    expect(familyOf('trust.report@1')).toBeUndefined()
    expect(touched('component:shop', 'trust.report@1')).toEqual([])
  })

  it('has no row under a name that no row may have, instead of refusing the entry', () => {
    expect(touched(`agent:${'x'.repeat(2000)}`, 'state.put@1')).toEqual([])
  })
})

describe('an outcome', () => {
  it('counts the more, the higher the risk', () => {
    const good = (risk?: string) =>
      outcomeEvidence({ ...outcome, ...(risk ? { risk } : {}) }).positive / OUTCOME
    expect([undefined, 'low', 'medium', 'high', 'critical'].map(good)).toEqual([0.2, 0.2, 1, 2, 3])
  })

  it('that failed is worse than a good one is good, and one that is unknown half as bad', () => {
    expect(outcomeEvidence({ ...outcome, status: 'failed' })).toEqual({ positive: 0, negative: OUTCOME / 2 })
    expect(outcomeEvidence({ ...outcome, status: 'unknown' }).negative).toBe(OUTCOME / 4)
  })

  it('counts twice where what was done stayed half done', () => {
    const failed = { ...outcome, status: 'failed' as const, risk: 'high', notUndone: ['charge'] }
    expect(outcomeEvidence(failed).negative).toBe(4 * OUTCOME)
  })

  it('of a deed elsewhere is the word of whoever did it, and counts where something stood in its way', () => {
    const told = (status: 'done' | 'failed', risk?: string) =>
      outcomeEvidence({ ...outcome, action: 'outside.act@1', status, ...(risk ? { risk } : {}) })
    for (const risk of [undefined, 'low']) expect(told('done', risk)).toEqual({ positive: 0, negative: 0 })
    expect(['medium', 'high', 'critical'].map((risk) => told('done', risk).positive / OUTCOME)).toEqual([
      1, 2, 3,
    ])
    expect(told('failed').negative).toBe(OUTCOME / 2)
  })

  it('that somebody cancelled says nothing', () => {
    expect(outcomeEvidence({ ...outcome, status: 'cancelled' })).toEqual({ positive: 0, negative: 0 })
  })

  it('of a risk that nobody knows is of low risk', () => {
    for (const risk of ['constructor', 'extreme', ''])
      expect(outcomeEvidence({ ...outcome, risk }).positive).toBe(OUTCOME / 5)
  })
})

describe('a denial', () => {
  it('is a violation, by risk, and a burst of them counts ten at most', () => {
    expect(isViolation(decided)).toBe(true)
    expect(violationEvidence(decided)).toEqual({ positive: 0, negative: 2 * OUTCOME })
    expect(violationEvidence({ ...decided, count: 3 }).negative).toBe(6 * OUTCOME)
    expect(violationEvidence({ ...decided, count: 1_000_000 }).negative).toBe(20 * OUTCOME)
  })

  it('is one too where a lenient mode let it pass', () => {
    expect(isViolation({ ...decided, effect: 'allow', wouldEffect: 'denied' })).toBe(true)
    expect(isViolation({ ...decided, effect: 'allow' })).toBe(false)
    expect(isViolation({ ...decided, effect: 'suspended' })).toBe(false)
  })

  it('is none where the hub stood in the way', () => {
    expect(isViolation({ ...decided, context: { halted: ['quarantine'], exceeded: [] } })).toBe(false)
    expect(isViolation({ ...decided, context: { halted: [], exceeded: ['mails-per-day'] } })).toBe(false)
    for (const advice of ['reject', 'retry'])
      expect(isViolation({ ...decided, context: { halted: [], exceeded: [], advice } })).toBe(false)
    expect(isViolation({ ...decided, context: null })).toBe(true)
    expect(isViolation({ ...decided, errors: [': trust could not be asked'] })).toBe(false)
  })
})
