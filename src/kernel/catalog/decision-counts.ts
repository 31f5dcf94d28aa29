// How many decisions came to what since the hub has started, for whoever watches it.

import { BUILT_IN_PREFIX } from '../gate/bundle.ts'
import type { Effect, Verdict } from '../gate/types.ts'

/** Names of budgets that are counted apart; what comes beyond them is counted together. */
const BUDGETS_APART_MAX = 100
const OTHERS = 'others'

export interface DecisionTotals {
  readonly effects: Readonly<Record<Effect, number>>
  /** Denials by the built-in rule that said so; `rules`: any other, `none`: nothing permits it. Each denial once. */
  readonly denials: ReadonlyMap<string, number>
  /** Decisions that found a budget exceeded, whatever the rules made of it. */
  readonly exceeded: ReadonlyMap<string, number>
}

/** What a hub tells of its gate. */
export interface Watched {
  readonly decisions: () => DecisionTotals
  /** Counts of what stands now, by name, such as `halts_in_force`; what cannot be asked in time is left out. */
  readonly standing: () => Promise<ReadonlyMap<string, number>>
}

export interface DecisionCounts {
  readonly totals: () => DecisionTotals
  note(verdict: Pick<Verdict, 'effect' | 'reasons' | 'evidence'>): void
}

export function openDecisionCounts(): DecisionCounts {
  const effects = { allow: 0, suspended: 0, denied: 0 }
  const denials = new Map<string, number>()
  const exceeded = new Map<string, number>()
  return {
    totals: () => ({ effects, denials, exceeded }),
    note({ effect, reasons, evidence }) {
      effects[effect] += 1
      if (effect === 'denied') increment(denials, ruleOf(reasons))
      const budgets = evidence.context.exceeded
      for (const id of Array.isArray(budgets) ? budgets : [])
        if (typeof id === 'string')
          increment(exceeded, exceeded.has(id) || exceeded.size < BUDGETS_APART_MAX ? id : OTHERS)
    },
  }
}

/** Of several the first: a halt goes before what cannot be asked. */
const ruleOf = (reasons: readonly string[]): string =>
  reasons.find((id) => id.startsWith(BUILT_IN_PREFIX)) ?? (reasons.length === 0 ? 'none' : 'rules')

const increment = (counts: Map<string, number>, name: string) => counts.set(name, (counts.get(name) ?? 0) + 1)
