// The gate: facts about a request in, one decision out. Deterministic, without I/O, and closed when in doubt.

import type { AuthorizationAnswer, EntityJson } from '@cedar-policy/cedar-wasm/nodejs'
import { canonicalize } from '../../kit/canonical-json.ts'
import { PolityError } from '../errors.ts'
import { type Bundle, digestOf } from './bundle.ts'
import { type Context, contextOf } from './context.ts'
import { Engine } from './engine.ts'
import { ACTION_TYPE, checkText, sliceOf } from './entities.ts'
import { applying, type Evaluate, isAnswer } from './judge.ts'
import { Memo } from './memo.ts'
import { type Reading, readsContext } from './reading.ts'
import { type Reconsidered, type Reconsidering, reconsider } from './reconsider.ts'
import { ENFORCED, highest, modeOf, requireRollout } from './rollout.ts'
import { MAX_ACTION_CHARS, type Rules, rulesOf } from './rules.ts'
import { sentenceOf } from './sentence.ts'
import { settle } from './settle.ts'
import { type Shard, Shards } from './shards.ts'
import type {
  ActionDefinition,
  Chain,
  Classification,
  Digest,
  Evidence,
  GateRequest,
  Rollout,
  Uid,
  Verdict,
} from './types.ts'

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
   * evaluated. Looks at everything of the request but `approvals` and `solo`: who agrees changes nothing about the deed.
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
   * What the rules said that were in force before these, with the roll-out of then; undefined where there were none.
   *
   * Errors: as `decide`.
   */
  decideBefore(request: GateRequest): Verdict | undefined
  /**
   * What the rules in force say to a request of which the evidence was kept: classified and judged anew, as `enforce`
   * would have it. Undefined where nobody declares its action any more.
   */
  reconsider(question: Reconsidering): Reconsidered | undefined
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
    return {
      rules,
      definitions,
      shards: new Shards(engine, rules),
      engine,
      version,
      rollout: how,
      answers: new Memo(ANSWERS_MAX),
      slices: new Memo(SLICES_MAX),
    }
  }
  let inForce = install(bundle, actions, rollout)
  let before: (() => InForce) | undefined
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
    decideBefore(request) {
      const past = before?.()
      if (past === undefined) return undefined
      const { declaredRisk = request.risk } = request
      const asked = { ...request, risk: declaredRisk, raisedBy: [] }
      return decide({ ...asked, ...classify(asked, past) }, past)
    },
    reconsider: (question) => reconsider(question, inForce),
    load(next, definitions = inForce.definitions, how = inForce.rollout) {
      const past = inForce
      inForce = install(next, definitions, how)
      if (inForce.rules.bundle.digest !== past.rules.bundle.digest) before = asideOf(past)
    },
  }
}

/** The same rules on an engine of their own, once somebody asks: two that share one would meet each other's policies. */
function asideOf(past: InForce): () => InForce {
  let aside: InForce | undefined
  return () => {
    if (aside !== undefined) return aside
    const engine = new Engine()
    const [answers, slices] = [
      new Memo<readonly AuthorizationAnswer[]>(ANSWERS_MAX),
      new Memo<Slice>(SLICES_MAX),
    ]
    aside = { ...past, engine, shards: new Shards(engine, past.rules), answers, slices }
    return aside
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
  readonly answers: Memo<readonly AuthorizationAnswer[]>
  readonly slices: Memo<Slice>
}

/** What a rule that classifies sees of who agrees. */
const UNAGREED = { approvals: [], solo: false } as const

function classify(request: GateRequest, inForce: InForce): Classification {
  const declaredRisk = request.risk ?? 'high'
  const { risks } = inForce.shards.of(request.action)
  if (risks.policies.size === 0) return { risk: declaredRisk, declaredRisk, raisedBy: [] }
  const question = questionOf({ ...request, ...UNAGREED }, inForce)
  const raisedBy = applying(risks.policies, evaluationOf(risks, question, inForce), question.context)
  const risk = highest([declaredRisk, ...raisedBy.map((id) => risks.policies.get(id)?.risk ?? 'critical')])
  return { risk, declaredRisk, raisedBy }
}

function decide(request: GateRequest, inForce: InForce): Verdict {
  const { rules, shards, rollout } = inForce
  const question = questionOf(request, inForce)
  const { mode, by } = modeOf(rollout, request)
  const { effect, judged, shown, shadow, isSolo } = settle(
    shards.of(request.action),
    (shard) => evaluationOf(shard, question, inForce),
    { context: question.context, mode, risk: request.risk, solo: request.solo },
  )
  const { risk = 'high' } = request
  return {
    effect,
    ...(effect === judged.effect ? {} : { wouldEffect: judged.effect }),
    reasons: shown.reasons,
    obligations: shown.obligations,
    shadow,
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
  readonly slice: Slice
}

/** Who, what and where as entities: the same for every request of them. */
interface Slice {
  /** The action and the chain, told apart from every other. */
  readonly who: string
  readonly resource: Uid
  readonly requests: Evidence['requests']
  readonly entities: readonly EntityJson[]
  readonly entitiesJson: string
  readonly digest: Digest
}

/** How many are remembered under one set of rules; each takes about a kilobyte. */
const SLICES_MAX = 1024
const ANSWERS_MAX = 4096

function questionOf({ chain, resource, ...request }: GateRequest, inForce: InForce): Question {
  const declared = inForce.rules.actions.get(checkText(request.action, 'the action', MAX_ACTION_CHARS))
  return {
    isDeclared: declared !== undefined,
    context: contextOf(request, declared?.facts),
    slice: sliceFor(chain, request.action, resource, inForce),
  }
}

function sliceFor(chain: Chain, name: string, path: string, { rules, slices }: InForce): Slice {
  const who = JSON.stringify([name, chain.map(({ kind, id, roles }) => [kind, id, roles])])
  const key = JSON.stringify([who, path])
  const known = slices.get(key)
  if (known !== undefined) return known
  const action = { type: ACTION_TYPE, id: name }
  const { principals, resource, entities } = sliceOf(chain, path, rules.actions.get(name)?.entities ?? [])
  const entitiesJson = canonicalize(entities)
  const requests = principals.map((principal) => ({ principal, action, resource }))
  const slice = { who, resource, requests, entities, entitiesJson, digest: digestOf(entitiesJson) }
  slices.set(key, slice)
  return slice
}

/**
 * The schema is not passed on: Cedar would copy every action of it into every call. What the schema guarantees is
 * checked before: policies by rulesOf, facts by contextOf, entities by their making.
 *
 * The same question to the same rules has the same answer, and a rule can look at nothing that it does not name: what
 * no rule of the shard reads is no part of the question. What had no answer is asked again.
 */
function evaluationOf(shard: Shard, { isDeclared, slice }: Question, inForce: InForce): Evaluate {
  return (context) => {
    if (!isDeclared) throw new PolityError('gate.failed', 'the action is not declared')
    const seen = seenOf(shard.reads, context)
    const key = JSON.stringify([shard.key, slice.who, shard.reads.resource ? slice.resource.id : null, seen])
    const known = inForce.answers.get(key)
    if (known !== undefined) return known
    const answers = slice.requests.map((request) => {
      const preparsedPolicySetId = inForce.shards.nameOf(shard)
      const call = { ...request, context: seen, entities: [...slice.entities], preparsedPolicySetId }
      return inForce.engine.run((cedar) => cedar.statefulIsAuthorized(call))
    })
    if (answers.every(isAnswer)) inForce.answers.set(key, answers)
    return answers
  }
}

/** What of a context some rules can tell apart: handing over more would take time and change nothing. */
const seenOf = (reads: Reading, context: Context): Context =>
  reads.context === 'everything'
    ? context
    : Object.fromEntries(Object.entries(context).filter(([name]) => readsContext(reads, name)))

function evidenceOf({ context, slice }: Question, { rules, version }: InForce): Evidence {
  const { requests, entitiesJson, digest } = slice
  return {
    bundle: rules.bundle.digest,
    entities: digest,
    entitiesJson,
    context,
    requests,
    engine: { cedar: version },
  }
}
