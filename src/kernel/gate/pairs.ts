// Two changes at once that would have let a request pass: tried where no single one does, those first that come closest by themselves.

import type { Reconsidered } from './reconsider.ts'
import {
  approvalMove,
  type Both,
  type Change,
  type Counterfactual,
  directed,
  factMoves,
  type Move,
  roleMoves,
  type Trial,
} from './trial.ts'

/** Judgements beside those of single changes. */
const TRIES_MAX = 64
/** Of them: to find out how far single moves come, so that enough is left for pairs. */
const ALONE_TRIES_MAX = 32
const PAIRS_MAX = 6
/** Values of one fact that change nothing by themselves, and may do so beside another. */
const IDLE_VALUES_MAX = 2

interface Tried {
  readonly move: Move
  readonly result: Reconsidered
  /** How many of the rules that stopped it stop it no more. */
  readonly gained: number
}

export interface Pairs {
  /** At most PAIRS_MAX. */
  readonly found: readonly Counterfactual[]
  /** Judgements that it took, those of single moves aside. */
  readonly tries: number
}

export function pairsOf(trial: Trial): Pairs {
  trial.allow(TRIES_MAX)
  const alone = triedAlone(trial)
  const before = trial.tries
  const approved = alone.flatMap((tried) => withApproval(trial, tried))
  const found = [...approved, ...ofMoves(trial, alone)].slice(0, PAIRS_MAX)
  return { found, tries: trial.tries - before }
}

/** The moves that can be told apart by what comes of them. */
function triedAlone(trial: Trial): readonly Tried[] {
  const { now } = trial
  const policies = [...new Set([...trial.deciding, ...trial.permits])]
  const facts = factMoves(trial, policies)
  const roles = roleMoves(trial, trial.permits).map((move) => [move])
  const groups: readonly (readonly Move[])[] =
    now.reasons.length === 0 ? [...roles, ...facts] : [...facts, ...roles]
  const from = trial.tries
  return groups.flatMap((moves) => {
    const seen = new Map<string, number>()
    return moves.flatMap((move): Tried[] => {
      if (trial.tries - from >= ALONE_TRIES_MAX) return []
      const result = trial.after(move.apply)
      if (result === undefined) return []
      const key = keyOf(result)
      const times = seen.get(key) ?? 0
      seen.set(key, times + 1)
      if (times >= (key === keyOf(now) ? IDLE_VALUES_MAX : 1)) return []
      return [{ move, result, gained: now.reasons.filter((id) => !result.reasons.includes(id)).length }]
    })
  })
}

const keyOf = ({ effect, reasons, risk }: Reconsidered): string =>
  JSON.stringify([effect, reasons, risk.risk])

/** After some moves what was denied waits for people: then it is their agreement that is missing. */
function withApproval(trial: Trial, { move, result }: Tried): Counterfactual[] {
  const { effect, obligations } = result
  if (effect !== 'suspended' || trial.now.effect !== 'denied') return []
  return found(trial, move, approvalMove(obligations))
}

function ofMoves(trial: Trial, alone: readonly Tried[]): Counterfactual[] {
  const pairs = alone.flatMap((a, at) => alone.slice(at + 1).map((b) => [a, b] as const))
  const done = new Set<string>()
  return pairs
    .filter(([a, b]) => a.move.subject !== b.move.subject)
    .sort(([a, b], [c, d]) => c.gained + d.gained - a.gained - b.gained)
    .flatMap(([a, b]) => {
      const subjects = JSON.stringify([a.move.subject, b.move.subject])
      if (done.size >= PAIRS_MAX || done.has(subjects)) return []
      const pair = found(trial, a.move, b.move)
      if (pair.length > 0) done.add(subjects)
      return pair
    })
}

function found(trial: Trial, a: Move, b: Move): Counterfactual[] {
  if (trial.after(a.apply, b.apply)?.effect !== 'allow') return []
  const both: Both['both'] = [beside(trial, a, b), beside(trial, b, a)]
  return [{ kind: 'pair', both, effect: 'allow' }]
}

function beside(trial: Trial, { change }: Move, other: Move): Change {
  if (change.kind !== 'fact') return change
  return directed(change, (farther) => trial.after(farther.apply, other.apply)?.effect === 'allow')
}
