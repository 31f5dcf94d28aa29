// The unified decision: each veto by example, what the original arithmetic let through, and what no signals may ever give.

import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Advice, Risk, Standing } from '../gate/types.ts'
import { type Signals, unifiedDecision } from './unified-decision.ts'

const WELL: Signals = {
  risk: 'medium',
  health: 'healthy',
  trust: { score: 950, outcomes: 40 },
  quorum: 'met',
  learning: { good: 20, of: 20 },
  memory: { failed: 0, unknown: 0, sinceFailedMs: null },
}
const NOTHING_KNOWN: Signals = {
  risk: 'low',
  health: 'unknown',
  trust: { score: 500, outcomes: 0 },
  quorum: 'not-required',
  learning: { good: 0, of: 0 },
  memory: { failed: 0, unknown: 0, sinceFailedMs: null },
}

const RISKS: readonly Risk[] = ['low', 'medium', 'high', 'critical']
const HEALTHS: readonly Standing['health'][] = ['healthy', 'degraded', 'critical', 'unknown']
const count = fc.integer({ min: 0, max: 8 })
const signals: fc.Arbitrary<Signals> = fc.record({
  risk: fc.constantFrom(...RISKS),
  health: fc.constantFrom(...HEALTHS),
  trust: fc.option(
    fc.record({ score: fc.integer({ min: 0, max: 1000 }), outcomes: fc.integer({ min: 0, max: 500 }) }),
  ),
  quorum: fc.constantFrom<Signals['quorum']>('met', 'missing', 'not-required'),
  learning: fc.tuple(count, count).map(([a, b]) => ({ good: Math.min(a, b), of: Math.max(a, b) })),
  memory: fc.record({
    failed: count,
    unknown: count,
    sinceFailedMs: fc.option(fc.integer({ min: 0, max: 100_000 })),
  }),
})

const adviceOf = (part: Partial<Signals>): Advice => unifiedDecision({ ...WELL, ...part }).advice

describe('the advice', () => {
  it.each<[Advice, Partial<Signals>]>([
    ['execute', {}],
    ['reject', { trust: { score: 100, outcomes: 5 } }],
    ['pause', { health: 'critical' }],
    ['execute', { health: 'degraded' }],
    ['rollback', { health: 'degraded', memory: { failed: 1, unknown: 0, sinceFailedMs: null } }],
    ['escalate', { quorum: 'missing' }],
    ['escalate', { memory: { failed: 0, unknown: 1, sinceFailedMs: null } }],
    ['escalate', { memory: { failed: 3, unknown: 0, sinceFailedMs: null } }],
    ['escalate', { learning: { good: 2, of: 5 } }],
    ['execute', { learning: { good: 0, of: 1 } }],
    ['retry', { memory: { failed: 1, unknown: 0, sinceFailedMs: 1000 } }],
    ['execute', { memory: { failed: 1, unknown: 0, sinceFailedMs: 30_000 } }],
  ])('is %s with %j', (advice, part) => {
    expect(adviceOf(part)).toBe(advice)
  })

  it('is that of the first veto, and all that apply are told', () => {
    const { advice, vetoes } = unifiedDecision({
      ...WELL,
      trust: { score: 0, outcomes: 9 },
      health: 'critical',
      quorum: 'missing',
    })
    expect(advice).toBe('reject')
    expect(vetoes.map(({ id }) => id)).toEqual([
      'trust-lost',
      'health-critical',
      'quorum-missing',
      'low-support',
    ])
  })

  it('does not reject whoever is unknown, or was unlucky once', () => {
    expect(unifiedDecision(NOTHING_KNOWN).advice).toBe('execute')
    expect(adviceOf({ risk: 'low', trust: { score: 190, outcomes: 4 } })).toBe('execute')
  })
})

describe('each veto that is documented', () => {
  /** Signals under which it applies, and no other. */
  const ALONE: Readonly<Record<string, Partial<Signals>>> = {
    'trust-lost': { risk: 'low', trust: { score: 199, outcomes: 5 } },
    'health-critical': { health: 'critical' },
    'degraded-after-failure': {
      health: 'degraded',
      memory: { failed: 1, unknown: 0, sinceFailedMs: null },
    },
    'quorum-missing': { quorum: 'missing' },
    'outcome-unknown': { memory: { failed: 0, unknown: 1, sinceFailedMs: null } },
    'keeps-failing': { learning: { good: 2, of: 5 } },
    'just-failed': { memory: { failed: 1, unknown: 0, sinceFailedMs: 29_999 } },
    'low-support': {
      risk: 'critical',
      health: 'unknown',
      trust: { score: 500, outcomes: 10 },
      quorum: 'not-required',
      learning: { good: 10, of: 20 },
    },
  }
  const documented = [
    ...readFileSync(new URL('../../../docs/trust.md', import.meta.url), 'utf8').matchAll(
      /^\| `([a-z-]+)` \| .* \| `([a-z]+)` \|$/gm,
    ),
  ].map(([, id = '', advice = '']) => [id, advice] as const)

  it('has an example here, in the order in which they are looked at', () => {
    expect(documented.map(([id]) => id)).toEqual(Object.keys(ALONE))
    const all = unifiedDecision({
      risk: 'critical',
      health: 'critical',
      trust: { score: 0, outcomes: 9 },
      quorum: 'missing',
      learning: { good: 0, of: 20 },
      memory: { failed: 3, unknown: 1, sinceFailedMs: 0 },
    }).vetoes.map(({ id }) => id)
    expect(all).toEqual(documented.map(([id]) => id).filter((id) => id !== 'degraded-after-failure'))
  })

  it.each(documented)('%s advises to %s, alone, and not without its reason', (id, advice) => {
    const decision = unifiedDecision({ ...WELL, ...ALONE[id] })
    expect(decision.vetoes.map((veto) => [veto.id, veto.advice])).toEqual([[id, advice]])
    expect(decision.advice).toBe(advice)
    expect(unifiedDecision(WELL).vetoes).toEqual([])
  })

  it.each<[string, Partial<Signals>]>([
    ['trust-lost', { trust: { score: 200, outcomes: 5 } }],
    ['trust-lost', { trust: { score: 0, outcomes: 4 } }],
    ['degraded-after-failure', { health: 'degraded' }],
    ['keeps-failing', { learning: { good: 2, of: 4 } }],
    ['keeps-failing', { memory: { failed: 2, unknown: 0, sinceFailedMs: null } }],
    ['just-failed', { memory: { failed: 1, unknown: 0, sinceFailedMs: 30_000 } }],
  ])('%s does not apply just short of it: %j', (id, part) => {
    const { vetoes } = unifiedDecision({ ...WELL, risk: 'low', ...part })
    expect(vetoes.map((veto) => veto.id)).not.toContain(id)
  })
})

describe('what the original arithmetic let through', () => {
  it('a rejection in full confidence: here nothing supports it', () => {
    const { advice, support } = unifiedDecision({ ...WELL, trust: { score: 0, outcomes: 50 } })
    expect([advice, support]).toEqual(['reject', 0])
  })

  it('an execution at confidence 0.287 with a critical target, hardly a quorum and ten contradictions', () => {
    const decision = unifiedDecision({
      risk: 'medium',
      health: 'critical',
      trust: { score: 50, outcomes: 3 },
      quorum: 'missing',
      learning: { good: 1, of: 20 },
      memory: { failed: 10, unknown: 0, sinceFailedMs: null },
    })
    expect(decision.advice).toBe('pause')
    expect(decision.support).toBeLessThan(100)
  })

  it('an execution that little supports, although no single signal vetoes it', () => {
    const doubtful: Signals = {
      risk: 'high',
      health: 'degraded',
      trust: { score: 400, outcomes: 10 },
      quorum: 'not-required',
      learning: { good: 5, of: 10 },
      memory: { failed: 0, unknown: 0, sinceFailedMs: null },
    }
    const { advice, vetoes, support } = unifiedDecision(doubtful)
    expect(advice).toBe('escalate')
    expect(vetoes.map(({ id }) => id)).toEqual(['low-support'])
    expect(support).toBeLessThan(600)
  })

  it('a missing input that counted in full: unknown is null, and costs coverage', () => {
    const { support, coverage, terms } = unifiedDecision(NOTHING_KNOWN)
    expect(support).toBeNull()
    expect(coverage).toBeLessThan(0.25)
    expect(terms.filter(({ value }) => value === null).map(({ id }) => id)).toEqual([
      'trust',
      'health',
      'quorum',
      'learning',
    ])
    expect(unifiedDecision({ ...NOTHING_KNOWN, risk: 'medium' }).advice).toBe('escalate')
  })
})

describe('whatever the signals are', () => {
  it('nothing is executed against a veto, or with less support than its risk takes', () => {
    fc.assert(
      fc.property(signals, (each) => {
        const { advice, support, supportNeeded, vetoes } = unifiedDecision(each)
        expect(advice === 'execute').toBe(vetoes.length === 0)
        if (advice === 'execute' && each.risk !== 'low')
          expect(support ?? -1).toBeGreaterThanOrEqual(supportNeeded)
      }),
    )
  })

  it('nothing that is advised against has full support', () => {
    fc.assert(
      fc.property(signals, (each) => {
        const { vetoes, support } = unifiedDecision(each)
        // A failure a moment ago is a reason to wait by itself, even if memory counts it for little.
        if (vetoes.some(({ id }) => id !== 'just-failed')) expect(support ?? 0).toBeLessThan(1000)
        if (vetoes.some(({ advice }) => advice === 'reject')) expect(support).toBe(0)
      }),
    )
  })

  it('a critical target is never acted on, and a missing quorum never ignored', () => {
    fc.assert(
      fc.property(signals, (each) => {
        expect(['pause', 'reject']).toContain(unifiedDecision({ ...each, health: 'critical' }).advice)
        expect(unifiedDecision({ ...each, quorum: 'missing' }).advice).not.toBe('execute')
      }),
    )
  })

  it('a higher risk never turns another piece of advice into execute', () => {
    fc.assert(
      fc.property(signals, (each) => {
        const advices = RISKS.map((risk) => unifiedDecision({ ...each, risk }).advice)
        for (const [at, advice] of advices.entries())
          if (advice === 'execute')
            expect(advices.slice(0, at).every((lower) => lower === 'execute')).toBe(true)
      }),
    )
  })
})
