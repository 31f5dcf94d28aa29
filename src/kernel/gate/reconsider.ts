// Judges what was stored of a request: under the rules of then, which must come to the same, or under others, to see what would change.

import type { EntityJson } from '@cedar-policy/cedar-wasm/nodejs'
import { PolityError } from '../errors.ts'
import { type Context, PLAIN_CONTEXT } from './context.ts'
import type { Engine } from './engine.ts'
import { ACTION_TYPE } from './entities.ts'
import { applying, type Evaluate } from './judge.ts'
import { uidOf } from './policies.ts'
import { entityList, parseJson } from './replay.ts'
import { highest } from './rollout.ts'
import type { Rules } from './rules.ts'
import { settle } from './settle.ts'
import type { Shard, Shards } from './shards.ts'
import type { Classification, Effect, Evidence, Mode, PolicyFailure, Risk } from './types.ts'

export type StoredQuestion = Pick<Evidence, 'entitiesJson' | 'context' | 'requests'>

export interface Reconsidering {
  readonly evidence: StoredQuestion
  /** As the action declared it; the rules raise it once more. */
  readonly declaredRisk: Risk
  /** `enforce` unless given. */
  readonly mode?: Mode
}

/** What a verdict says, without its words. */
export interface Reconsidered {
  readonly effect: Effect
  /** Present when the mode changed the effect. */
  readonly wouldEffect?: Effect
  readonly reasons: readonly string[]
  readonly obligations: readonly string[]
  readonly shadow: readonly string[]
  readonly errors: readonly PolicyFailure[]
  readonly solo: boolean
  readonly risk: Classification
}

/** Rules, and the engine that holds them. */
export interface Judges {
  readonly rules: Rules
  readonly shards: Shards
  readonly engine: Engine
}

/**
 * Under other rules than those of then: the action is in the groups in which they have it, and facts that nobody knew
 * of at the time say nothing. Errors: `verify.failed` (entities that are none).
 */
export function reconsider(question: Reconsidering, judges: Judges): Reconsidered | undefined {
  const { evidence } = question
  const [first] = evidence.requests
  const declared = first && judges.rules.actions.get(first.action.id)
  if (declared === undefined) return undefined
  const others = entityList(parseJson('entities', evidence.entitiesJson)).filter(
    ({ uid }) => uidOf(uid).type !== ACTION_TYPE,
  )
  const context = { ...PLAIN_CONTEXT, ...(evidence.context as Context) }
  return rejudge(question, { context, entities: [...others, ...declared.entities] }, judges)
}

/** Under the rules of then, with nothing but what was stored. Errors: as `reconsider`. */
export function repeat(question: Reconsidering, judges: Judges): Reconsidered {
  const { context, entitiesJson } = question.evidence
  const entities = entityList(parseJson('entities', entitiesJson))
  return rejudge(question, { context: context as Context, entities }, judges)
}

function rejudge(
  { evidence: { requests }, declaredRisk, mode = 'enforce' }: Reconsidering,
  { context, entities }: { readonly context: Context; readonly entities: readonly EntityJson[] },
  { rules, shards, engine }: Judges,
): Reconsidered {
  const action = requests[0]?.action.id ?? ''
  const of = shards.of(action)
  const evaluate =
    (shard: Shard): Evaluate =>
    (under) => {
      if (!rules.actions.has(action)) throw new PolityError('gate.failed', 'the action is not declared')
      const preparsedPolicySetId = shards.nameOf(shard)
      return requests.map((request) =>
        engine.run((cedar) =>
          cedar.statefulIsAuthorized({
            ...request,
            context: under,
            entities: [...entities],
            preparsedPolicySetId,
          }),
        ),
      )
    }
  const solo = context.solo === true
  const asked: Context = { ...context, risk: declaredRisk, approvals: [], solo: false }
  const raisedBy = of.risks.policies.size === 0 ? [] : applying(of.risks.policies, evaluate(of.risks), asked)
  const risk = highest([declaredRisk, ...raisedBy.map((id) => of.risks.policies.get(id)?.risk ?? 'critical')])
  const settled = settle(of, evaluate, { context: { ...context, risk }, mode, risk, solo })
  const { effect, judged, shown, shadow, isSolo } = settled
  return {
    effect,
    ...(effect === judged.effect ? {} : { wouldEffect: judged.effect }),
    reasons: shown.reasons,
    obligations: shown.obligations,
    shadow,
    errors: judged.errors,
    solo: isSolo,
    risk: { risk, declaredRisk, raisedBy },
  }
}
