// The gate: facts about a request in, one decision out. Deterministic, without I/O, and closed when in doubt.

import type { EntityJson } from '@cedar-policy/cedar-wasm/nodejs'
import { canonicalize } from '../../kit/canonical-json.ts'
import { PolityError } from '../errors.ts'
import { type Bundle, digestOf } from './bundle.ts'
import { type Context, contextOf } from './context.ts'
import { Engine } from './engine.ts'
import { ACTION_TYPE, checkText, sliceOf } from './entities.ts'
import { type Evaluate, judge, type Weight } from './judge.ts'
import { MAX_ACTION_CHARS, type Rules, rulesOf } from './rules.ts'
import { sentenceOf } from './sentence.ts'
import { type Shard, Shards } from './shards.ts'
import type { ActionDefinition, Evidence, GateRequest, Mode, Risk, Verdict } from './types.ts'

export interface GateOptions {
  readonly bundle: Bundle
  /** Every action that can be asked for; another one is denied. */
  readonly actions: readonly ActionDefinition[]
  /** `enforce` unless given. */
  readonly mode?: Mode
}

export interface Gate {
  /** What is in force: the loaded bundle with the actions in its schema. Evidence names its digest. */
  readonly bundle: Bundle
  /** The loaded bundle as the operator wrote it. */
  readonly source: Bundle
  readonly mode: Mode
  /**
   * Decides. The same request under the same bundle and mode has the same verdict, to the byte.
   * Whatever fails inside is a verdict (`denied`, with `errors`).
   *
   * Errors: `input.invalid` (a request outside the bounds, or with facts that its action does not declare).
   */
  decide(request: GateRequest): Verdict
  /**
   * Puts another bundle, other actions, or both in force at once; on an error the old stay.
   *
   * Errors: `gate.bundle.invalid` with file, line and column, `input.invalid` (action definitions).
   */
  load(bundle: Bundle, actions?: readonly ActionDefinition[]): void
}

/**
 * Opens a gate with an engine of its own (some milliseconds and some megabytes).
 *
 * Errors: as `Gate.load`.
 */
export async function openGate({ bundle, actions, mode = 'enforce' }: GateOptions): Promise<Gate> {
  const engine = new Engine()
  const { version } = engine
  const install = (next: Bundle, definitions: readonly ActionDefinition[]): InForce => {
    const rules = rulesOf(next, definitions)
    return { rules, definitions, shards: new Shards(engine, rules), engine, version, mode }
  }
  let inForce = install(bundle, actions)
  return {
    mode,
    get bundle() {
      return inForce.rules.bundle
    },
    get source() {
      return inForce.rules.source
    },
    decide: (request) => decide(request, inForce),
    load(next, definitions = inForce.definitions) {
      inForce = install(next, definitions)
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
  readonly mode: Mode
}

function decide(request: GateRequest, inForce: InForce): Verdict {
  const { rules, shards, mode } = inForce
  const question = questionOf(request, rules)
  const { enforced, shadows } = shards.of(request.action)
  const judgeBy = (shard: Shard, context = question.context, weight: Weight = 'all') =>
    judge(shard.policies, evaluationOf(shard, question, inForce), context, weight)

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
  return {
    effect,
    ...(effect === judged.effect ? {} : { wouldEffect: judged.effect }),
    reasons: shown.reasons,
    obligations: shown.obligations,
    shadow: flips.map(({ id }) => id),
    errors: judged.errors,
    sentence: sentenceOf(request, { effect, judged: shown, isSolo }, rules.bundle.policies),
    solo: isSolo,
    mode,
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

function isBinding(mode: Mode, risk: Risk | undefined): boolean {
  return mode === 'enforce' || (mode === 'enforce-critical' && risk === 'critical')
}
