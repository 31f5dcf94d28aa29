// What would have let a request pass: changes to what was known, tried by judging again, one by one, and two at once where one is not enough.

import { pairsOf } from './pairs.ts'
import { isDeciding } from './policies.ts'
import type { Judges, Reconsidering } from './reconsider.ts'
import { approvalMove, type Counterfactual, directed, factMoves, roleMoves, Trial } from './trial.ts'

export interface Counterfactuals {
  readonly found: readonly Counterfactual[]
  /** Judgements that it took: of one change, and of two at once. */
  readonly tried: { readonly singles: number; readonly pairs: number }
}

/** Judgements of single changes that one explanation may take. */
const TRIES_MAX = 200
/** Rules that are taken out one by one. */
const RULES_MAX = 16

/**
 * The changes after which the rules would say `allow`; each approval and each deciding rule is told of in any case, with
 * the effect that it would have had. Where nothing that whoever asks could have been given or done otherwise is enough
 * by itself, two such changes at once. None for what they allowed. Bounded by TRIES_MAX judgements and, for two at
 * once, TRIES_MAX of pairs.ts.
 */
export function counterfactuals(question: Reconsidering, { rules }: Judges): Counterfactuals {
  const trial = new Trial(question, rules, TRIES_MAX)
  if (trial.now.effect === 'allow') return { found: [], tried: { singles: 0, pairs: 0 } }
  const asked = [...ofApprovals(trial), ...ofFacts(trial), ...ofRoles(trial)]
  const lifted = [...ofRules(trial)]
  const isEnough = asked.some(({ effect }) => effect === 'allow')
  const pairs = isEnough ? { found: [], tries: 0 } : pairsOf(trial)
  const tried = { singles: trial.tries - pairs.tries, pairs: pairs.tries }
  return { found: [...asked, ...pairs.found, ...lifted], tried }
}

function* ofApprovals(trial: Trial): Generator<Counterfactual> {
  const { obligations, reasons } = trial.now
  const owed = [
    ...new Set([...obligations, ...trial.policies(reasons).flatMap(({ obligation }) => obligation ?? [])]),
  ].sort()
  const each = owed.map((obligation) => [obligation])
  for (const approvals of owed.length > 1 ? [...each, owed] : each) {
    const { change, apply } = approvalMove(approvals)
    const effect = trial.after(apply)?.effect
    if (effect !== undefined) yield { ...change, effect }
  }
}

function* ofRules(trial: Trial): Generator<Counterfactual> {
  const forbids = trial
    .policies(trial.now.reasons)
    .filter((each) => each.effect === 'forbid' && isDeciding(each))
  for (const { id } of forbids.slice(0, RULES_MAX)) {
    const effect = trial.without(id)?.effect
    if (effect !== undefined) yield { kind: 'rule', policy: id, effect }
  }
}

function* ofRoles(trial: Trial): Generator<Counterfactual> {
  if (trial.now.reasons.length > 0) return
  for (const { change, apply } of roleMoves(trial, trial.permits)) {
    const effect = trial.after(apply)?.effect
    if (effect === 'allow') yield { ...change, effect }
  }
}

function* ofFacts(trial: Trial): Generator<Counterfactual> {
  for (const moves of factMoves(trial, trial.deciding))
    for (const { change, apply } of moves) {
      const effect = trial.after(apply)?.effect
      if (effect !== 'allow') continue
      yield { ...directed(change, (farther) => trial.after(farther.apply)?.effect === 'allow'), effect }
      break
    }
}
