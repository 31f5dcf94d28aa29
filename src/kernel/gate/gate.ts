// The gate: facts about a request in, one decision out. Deterministic, without I/O, and closed when in doubt.

import type { EntityJson } from '@cedar-policy/cedar-wasm/nodejs'
import { canonicalize } from '../../kit/canonical-json.ts'
import { PolityError } from '../errors.ts'
import { type Bundle, digestOf } from './bundle.ts'
import { type Context, contextOf } from './context.ts'
import { Engine } from './engine.ts'
import { ACTION_TYPE, checkText, sliceOf } from './entities.ts'
import { applying, type Evaluate, judge, type Weight } from './judge.ts'
import { ENFORCED, highest, isBinding, modeOf, requireRollout } from './rollout.ts'
import { MAX_ACTION_CHARS, type Rules, rulesOf } from './rules.ts'
import { sentenceOf } from './sentence.ts'
import { type Shard, Shards } from './shards.ts'
import type { ActionDefinition, Classification, Evidence, GateRequest, Rollout, Verdict } from './types.ts'

export interface GateOptions {
  readonly bundle: Bundle
  /** Every action that can be asked for; another one is denied. */
  readonly actions: readonly ActionDefinition[]
  /** `enforce` for everything unless given. */
  readonly rollout?: Rollout
}

export interface Gate {
  /** What is in force: the loaded bundle with the actions in its schema. Evidence names its digest. */
  readonly bundle: Bundle
  /** The loaded bundle as the operator wrote it. */
  readonly source: Bundle
  readonly rollout: Rollout
  /**
   * The risk of a request: what its action declares, raised by the `@risk` rules that apply to it or cannot be
   * evaluated. Looks at everything of the request but `solo`.
   *
   * Errors: as `decide`.
   */
  classify(request: GateRequest): Classification
  /**
   * Decides. The same request under the same bundle and roll-out has the same verdict, to the byte.
   * Whatever fails inside is a verdict (`denied`, with `errors`).
   *
   * Errors: `input.invalid` (a request outside the bounds, or with facts that its action does not declare).
   */
  decide(request: GateRequest): Verdict
  /**
   * Puts another bundle, other actions, another roll-out, or several in force at once; on an error the old stay.
   *
   * Errors: `gate.bundle.invalid` with file, line and column, `input.invalid` (action definitions, roll-out).
   */
  load(bundle: Bundle, actions?: readonly ActionDefinition[], rollout?: Rollout): void
}

/**
 * Opens a gate with an engine of its own (some milliseconds and some megabytes).
 *
 * Errors: as `Gate.load`.
 */
export async function openGate({ bundle, actions, rollout = ENFORCED }: GateOptions): Promise<Gate> {
  const engine = new Engine()
  const { version } = engine
  const install = (next: Bundle, definitions: readonly ActionDefinition[], how: Rollout): InForce => {
    requireRollout(how)
    const rules = rulesOf(next, definitions, how.policies)
    return { rules, definitions, shards: new Shards(engine, rules), engine, version, rollout: how }
  }
  let inForce = install(bundle, actions, rollout)
  return {
    get bundle() {
      return inForce.rules.bundle
    },
    get source() {
      return inForce.rules.source
    },
    get rollout() {
      return inForce.rollout
    },
    classify: (request) => classify(request, inForce),
    decide: (request) => decide(request, inForce),
    load(next, definitions = inForce.definitions, how = inForce.rollout) {
      inForce = install(next, definitions, how)
    },
  }
}

/** Never changed, only replaced as a whole: a decision sees one of them. */
interface InForce {
  readonly rules: Rules
  readonly definitions: readonly ActionDefinition[]
  readonly shards: Shards
  readonly engine: Engine
  readonly version: string
  readonly rollout: Rollout
}

function classify(request: GateRequest, inForce: InForce): Classification {
  const declaredRisk = request.risk ?? 'high'
  const { risks } = inForce.shards.of(request.action)
  if (risks.policies.size === 0) return { risk: declaredRisk, declaredRisk, raisedBy: [] }
  const question = questionOf(request, inForce.rules)
  const raisedBy = applying(risks.policies, evaluationOf(risks, question, inForce), question.context)
  const risk = highest([declaredRisk, ...raisedBy.map((id) => risks.policies.get(id)?.risk ?? 'critical')])
  return { risk, declaredRisk, raisedBy }
}

function decide(request: GateRequest, inForce: InForce): Verdict {
  const { rules, shards, rollout } = inForce
  const question = questionOf(request, rules)
  const { enforced, shadows } = shards.of(request.action)
  const judgeBy = (shard: Shard, context = question.context, weight: Weight = 'all') =>
    judge(shard.policies, evaluationOf(shard, question, inForce), context, weight)

  const { mode, by } = modeOf(rollout, request)
  const judged = judgeBy(enforced)
  const isJudgedFinally = judged.effect === 'allow' || isBinding(mode, request.risk)
  const binding = isJudgedFinally ? judged : judgeBy(enforced, question.context, 'inviolable')
  const isSolo =
    request.solo &&
    judged.effect === 'allow' &&
    enforced.readsSolo &&
    judgeBy(enforced, { ...question.context, solo: false }).effect !== 'allow'
  const flips = shadows.filter(({ shard }) => judgeBy(shard).effect !== judged.effect)
  const { effect } = binding
  // What a lenient mode let pass is explained by what would have stopped it.
  const shown = effect === 'allow' ? judged : binding
  const { risk = 'high' } = request
  return {
    effect,
    ...(effect === judged.effect ? {} : { wouldEffect: judged.effect }),
    reasons: shown.reasons,
    obligations: shown.obligations,
    shadow: flips.map(({ id }) => id),
    errors: [...judged.errors, ...(request.failures ?? [])],
    sentence: sentenceOf(request, { effect, judged: shown, isSolo }, rules.bundle.policies),
    solo: isSolo,
    mode,
    modeBy: by,
    risk: {
      risk,
      declaredRisk: request.declaredRisk ?? risk,
      raisedBy: request.raisedBy ?? [],
    },
    evidence: evidenceOf(question, inForce),
  }
}

/** A request in Cedar's terms. */
interface Question {
  /** An action that nobody declared has no answer. */
  readonly isDeclared: boolean
  readonly context: Context
  readonly requests: Evidence['requests']
  readonly entities: readonly EntityJson[]
}

function questionOf({ chain, resource: path, ...request }: GateRequest, { actions }: Rules): Question {
  const declared = actions.get(checkText(request.action, 'the action', MAX_ACTION_CHARS))
  const action = { type: ACTION_TYPE, id: request.action }
  const { principals, resource, entities } = sliceOf(chain, path, declared?.entities ?? [])
  return {
    isDeclared: declared !== undefined,
    context: contextOf(request, declared?.facts),
    requests: principals.map((principal) => ({ principal, action, resource })),
    entities,
  }
}

// The schema is not passed on: Cedar would copy every action of it into every call. What the schema
// guarantees is checked before: policies by rulesOf, facts by contextOf, entities by their making.
function evaluationOf(
  shard: Shard,
  { isDeclared, requests, entities }: Question,
  inForce: InForce,
): Evaluate {
  return (context) => {
    if (!isDeclared) throw new PolityError('gate.failed', 'the action is not declared')
    return requests.map((request) => {
      const preparsedPolicySetId = inForce.shards.nameOf(shard)
      const call = { ...request, context, entities: [...entities], preparsedPolicySetId }
      return inForce.engine.run((cedar) => cedar.statefulIsAuthorized(call))
    })
  }
}

function evidenceOf({ context, requests, entities }: Question, { rules, version }: InForce): Evidence {
  const entitiesJson = canonicalize(entities)
  return {
    bundle: rules.bundle.digest,
    entities: digestOf(entitiesJson),
    entitiesJson,
    context,
    requests,
    engine: { cedar: version },
  }
}
