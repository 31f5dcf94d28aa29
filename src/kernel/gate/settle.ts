// From what the rules say of a request to what is decided: the mode, the single approver, and the rules that stand in the shadow.

import type { Context } from './context.ts'
import { type Evaluate, type Judgement, judge, type Weight } from './judge.ts'
import { readsContext } from './reading.ts'
import { isBinding } from './rollout.ts'
import type { ActionShards, Shard } from './shards.ts'
import type { Effect, Mode, Risk } from './types.ts'

/** What the judgement of a request depends on, beside its rules. */
export interface Settling {
  readonly context: Context
  readonly mode: Mode
  /** Undefined: unclassified. */
  readonly risk: Risk | undefined
  /** Whether a single principal could approve. */
  readonly solo: boolean
}

export interface Settled {
  /** What the mode lets be. */
  readonly effect: Effect
  /** What all rules say. */
  readonly judged: Judgement
  /** The judgement that explains the effect. */
  readonly shown: Judgement
  /** Shadow policies that, each enforced alone beside the rest, would change the effect. Sorted. */
  readonly shadow: readonly string[]
  /** Whether it passes only because there is a single approver. */
  readonly isSolo: boolean
}

/** The one place where a verdict comes about: of a request now, and of what was stored of one. */
export function settle(
  { enforced, shadows }: ActionShards,
  evaluate: (shard: Shard) => Evaluate,
  { context, mode, risk, solo }: Settling,
): Settled {
  const judgeBy = (shard: Shard, under = context, weight: Weight = 'all') =>
    judge(shard.policies, evaluate(shard), under, weight)
  const judged = judgeBy(enforced)
  const isJudgedFinally = judged.effect === 'allow' || isBinding(mode, risk)
  const binding = isJudgedFinally ? judged : judgeBy(enforced, context, 'inviolable')
  const isSolo =
    solo &&
    judged.effect === 'allow' &&
    readsContext(enforced.reads, 'solo') &&
    judgeBy(enforced, { ...context, solo: false }).effect !== 'allow'
  const flips = shadows.filter(({ shard }) => judgeBy(shard).effect !== judged.effect)
  return {
    effect: binding.effect,
    judged,
    // What a lenient mode let pass is explained by what would have stopped it.
    shown: binding.effect === 'allow' ? judged : binding,
    shadow: flips.map(({ id }) => id),
    isSolo,
  }
}
