// The unified decision: one piece of advice out of health, trust, quorum, learning and memory, by vetoes in a fixed order.

import { type Formula, type ScoredTerm, score, type Term } from '../../kit/formula.ts'
import type { Advice, Risk, Standing } from '../gate/types.ts'

/** What was found out. `null` is unknown: it is nobody's fault, and costs coverage. */
export interface Signals {
  /** Of the action, as it is declared. */
  readonly risk: Risk
  readonly health: Standing['health']
  /** Of the least trusted of those who decide for themselves; null where nobody does. */
  readonly trust: {
    /** Mean in thousandths. */
    readonly score: number
    /** Outcomes that it stands on, the prior aside. */
    readonly outcomes: number
  } | null
  /** Of the witnesses of the log. */
  readonly quorum: 'met' | 'missing' | 'not-required'
  /** The same action, lately: how many of so many outcomes were good. */
  readonly learning: { readonly good: number; readonly of: number }
  /** What went wrong with the same resource, lately. */
  readonly memory: {
    readonly failed: number
    readonly unknown: number
    /** Milliseconds since the same action failed on it; null: it did not. */
    readonly sinceFailedMs: number | null
  }
}

export interface Veto {
  readonly id: string
  readonly advice: Exclude<Advice, 'execute'>
  /** One sentence for people. */
  readonly reason: string
}

export interface UnifiedDecision {
  readonly formula: string
  readonly advice: Advice
  /** What speaks for going ahead, in thousandths; null where too little is known. Nothing is assumed: a rejection has 0. */
  readonly support: number | null
  /** Below this support it is not `execute`; 0: the risk is low, where vetoes are enough. */
  readonly supportNeeded: number
  readonly coverage: number
  readonly terms: readonly ScoredTerm[]
  /** All that apply, in their order; the first gives the advice. */
  readonly vetoes: readonly Veto[]
}

/**
 * `unified-decision/1`. The weights are those of the original arithmetic (governance is the gate itself, and trust takes
 * its place); what decides are the vetoes below, in their order, each for one signal alone: a good value of another
 * signal does not make up for it.
 */
const UNIFIED_DECISION = 'unified-decision/1'

const SCALE = 1000
/** A quarter of the weight: less says nothing. */
const COVERAGE_MIN = 0.25
const SUPPORT_NEEDED: Readonly<Record<Risk, number>> = { low: 0, medium: 500, high: 600, critical: 700 }

/** Below one good outcome in five, once more than one critical act counts, somebody is not unlucky. */
const LOST_TRUST = 200
const LOST_TRUST_OUTCOMES = 5
const LEARNED_OF_MIN = 5
const TROUBLES_MANY = 3
const TROUBLE_COST = 250
/** What failed a moment ago is better tried later. */
const RETRY_AFTER_MS = 30_000

export function unifiedDecision(signals: Signals): UnifiedDecision {
  const scored = score(FORMULA, signals)
  const supportNeeded = SUPPORT_NEEDED[signals.risk]
  const vetoes = [...vetoesOf(signals), ...lowSupport(scored.score, supportNeeded)]
  const advice = vetoes[0]?.advice ?? 'execute'
  return {
    formula: scored.formula,
    advice,
    support: advice === 'reject' ? 0 : scored.score,
    supportNeeded,
    coverage: scored.coverage,
    terms: scored.terms,
    vetoes,
  }
}

type Rule = Veto & { readonly applies: (signals: Signals) => boolean }

const VETOES: readonly Rule[] = [
  {
    id: 'trust-lost',
    advice: 'reject',
    reason: 'nearly everything that whoever asks did of late went wrong',
    applies: ({ trust }) =>
      trust !== null && trust.outcomes >= LOST_TRUST_OUTCOMES && trust.score < LOST_TRUST,
  },
  {
    id: 'health-critical',
    advice: 'pause',
    reason: 'what is acted on is in a critical state',
    applies: ({ health }) => health === 'critical',
  },
  {
    id: 'degraded-after-failure',
    advice: 'rollback',
    reason: 'what is acted on is degraded, and an act on it failed of late: first put back what was before',
    applies: ({ health, memory }) => health === 'degraded' && memory.failed + memory.unknown > 0,
  },
  {
    id: 'quorum-missing',
    advice: 'escalate',
    reason: 'the witnesses that must cosign the log do not, so what is done could not be shown to others',
    applies: ({ quorum }) => quorum === 'missing',
  },
  {
    id: 'outcome-unknown',
    advice: 'escalate',
    reason: 'nobody knows yet what became of an earlier act on the same resource',
    applies: ({ memory }) => memory.unknown > 0,
  },
  {
    id: 'keeps-failing',
    advice: 'escalate',
    reason: 'the same act, or acts on the same resource, keep failing',
    applies: ({ learning: { good, of }, memory }) =>
      memory.failed >= TROUBLES_MANY || (of >= LEARNED_OF_MIN && good * 2 < of),
  },
  {
    id: 'just-failed',
    advice: 'retry',
    reason: 'the same act on the same resource failed a moment ago: try again later',
    applies: ({ memory: { sinceFailedMs } }) => sinceFailedMs !== null && sinceFailedMs < RETRY_AFTER_MS,
  },
]

const vetoesOf = (signals: Signals): Veto[] =>
  VETOES.filter(({ applies }) => applies(signals)).map(({ id, advice, reason }) => ({ id, advice, reason }))

function lowSupport(support: number | null, needed: number): Veto[] {
  if (needed === 0 || (support !== null && support >= needed)) return []
  const reason =
    support === null
      ? 'too little is known to go ahead at this risk'
      : `${support} of the ${needed} thousandths that this risk takes speak for going ahead`
  return [{ id: 'low-support', advice: 'escalate', reason }]
}

const HEALTHS: Readonly<Record<Standing['health'], readonly [number | null, string]>> = {
  healthy: [SCALE, 'what is acted on is well'],
  degraded: [SCALE / 2, 'what is acted on is degraded'],
  critical: [0, 'what is acted on is in a critical state'],
  unknown: [null, 'nobody watches what is acted on'],
}

const QUORUMS: Readonly<Record<Signals['quorum'], readonly [number | null, string]>> = {
  met: [SCALE, 'the witnesses keep up'],
  missing: [0, 'the witnesses do not keep up'],
  'not-required': [null, 'no witness has to cosign this log'],
}

const known = (value: number | null, reason: string) => ({ value, reason })

const TERMS: readonly Term<Signals>[] = [
  { id: 'trust', weight: 1, measure: ({ trust }) => trustTerm(trust) },
  { id: 'health', weight: 0.8, measure: ({ health }) => known(...HEALTHS[health]) },
  { id: 'quorum', weight: 0.7, measure: ({ quorum }) => known(...QUORUMS[quorum]) },
  { id: 'learning', weight: 0.5, measure: ({ learning }) => learningTerm(learning) },
  { id: 'memory', weight: 0.6, measure: ({ memory }) => memoryTerm(memory) },
]

const FORMULA: Formula<Signals> = {
  id: UNIFIED_DECISION,
  terms: TERMS,
  max: SCALE,
  digits: 0,
  minimumCoverage: COVERAGE_MIN,
}

function trustTerm(trust: Signals['trust']) {
  if (trust === null) return known(SCALE, 'nobody who asks decides for himself')
  if (trust.outcomes === 0) return known(null, 'nothing is known of whoever asks')
  return known(trust.score, `${Math.round(trust.outcomes)} outcomes of whoever asks are known`)
}

const learningTerm = ({ good, of }: Signals['learning']) =>
  of === 0
    ? known(null, 'nobody has seen this act yet')
    : known((SCALE * good) / of, `${good} of the last ${of} such acts were done`)

function memoryTerm({ failed, unknown }: Signals['memory']) {
  const troubles = failed + unknown
  return known(
    Math.max(0, SCALE - TROUBLE_COST * troubles),
    troubles === 0 ? 'nothing went wrong with this resource of late' : `${troubles} acts on it went wrong`,
  )
}
