// What would have let a request pass: single changes to what was known, tried one by one by judging again.

import { canonicalize, type Json } from '../../kit/canonical-json.ts'
import { bundleOf } from './bundle.ts'
import { Engine } from './engine.ts'
import { ROLE_TYPE, uidKey } from './entities.ts'
import { type LookedAt, lookedAt, valueAt } from './looked-at.ts'
import { isDeciding, type Policy, uidOf } from './policies.ts'
import { type Judges, type Reconsidered, type Reconsidering, repeat } from './reconsider.ts'
import { entityList, parseJson } from './replay.ts'
import type { Rules } from './rules.ts'
import { Shards } from './shards.ts'
import type { Effect, Risk } from './types.ts'

/** One change, and what came of it when it was tried. */
export type Counterfactual =
  | { readonly kind: 'approval'; readonly approvals: readonly string[]; readonly effect: Effect }
  | { readonly kind: 'rule'; readonly policy: string; readonly effect: Effect }
  | { readonly kind: 'role'; readonly principal: string; readonly role: string; readonly effect: Effect }
  | FactChange

export interface FactChange {
  readonly kind: 'fact'
  /** `context.trust` */
  readonly fact: string
  /** Absent: it was not stated, or would not be. */
  readonly before?: Json
  readonly after?: Json
  /** A number beyond which it holds as well. */
  readonly direction?: 'or more' | 'or less'
  readonly effect: Effect
}

/** Judgements that one explanation may take. */
const TRIES_MAX = 200
/** Rules that are taken out one by one. */
const RULES_MAX = 16
const KNOWN_VALUES: Readonly<Record<string, readonly string[]>> = {
  risk: ['low', 'medium', 'high', 'critical'],
  health: ['healthy', 'degraded', 'critical', 'unknown'],
  advice: ['execute', 'pause', 'reject', 'escalate', 'retry', 'rollback'],
}
const RISKS: readonly Risk[] = ['low', 'medium', 'high', 'critical']

/**
 * The single changes after which the rules would say `allow`; each approval and each deciding rule is told of in any
 * case, with the effect that it would have had. None for what they allowed. Bounded by TRIES_MAX judgements.
 */
export function counterfactuals(question: Reconsidering, { rules }: Judges): readonly Counterfactual[] {
  const trial = new Trial(question, rules)
  const { effect } = trial.now
  if (effect === 'allow') return []
  return [...ofApprovals(trial), ...ofFacts(trial), ...ofRoles(trial), ...ofRules(trial)]
}

/** Judges variations on an engine of its own. */
class Trial {
  readonly question: Reconsidering
  readonly rules: Rules
  readonly now: Reconsidered
  readonly #judges: Judges
  #tries = 0

  constructor(question: Reconsidering, rules: Rules) {
    const engine = new Engine()
    this.question = { ...question, mode: 'enforce' }
    this.rules = rules
    this.#judges = { rules, shards: new Shards(engine, rules), engine }
    this.now = repeat(this.question, this.#judges)
  }

  /** Rules whose conditions say what could be otherwise: those that stopped it, or the permits that did not hold. */
  get deciding(): readonly Policy[] {
    const { reasons, risk } = this.now
    if (reasons.length > 0) return this.policies([...reasons, ...risk.raisedBy])
    const { enforced } = this.#judges.shards.of(this.question.evidence.requests[0]?.action.id ?? '')
    return [...enforced.policies.values()].filter(({ effect }) => effect === 'permit')
  }

  policies(ids: readonly string[]): readonly Policy[] {
    return ids.flatMap((id) => this.rules.bundle.policies.get(id) ?? [])
  }

  /** The effect after a change; undefined once too much was tried. */
  effectOf(change: Partial<Reconsidering>): Effect | undefined {
    this.#tries += 1
    if (this.#tries > TRIES_MAX) return undefined
    return repeat({ ...this.question, ...change }, this.#judges).effect
  }

  withContext(name: string, value: Json | undefined): Partial<Reconsidering> {
    const { [name]: _, ...rest } = this.question.evidence.context
    const context = value === undefined ? rest : { ...rest, [name]: value }
    return { evidence: { ...this.question.evidence, context } }
  }

  effectWithout(policy: string): Effect | undefined {
    this.#tries += 1
    if (this.#tries > TRIES_MAX) return undefined
    const { schema, schemaPlace, policies } = this.rules.bundle
    const others = new Map([...policies].filter(([id]) => id !== policy))
    const rules = { ...this.rules, bundle: bundleOf(schema, schemaPlace, others) }
    const engine = new Engine()
    return repeat(this.question, { rules, shards: new Shards(engine, rules), engine }).effect
  }
}

function* ofApprovals(trial: Trial): Generator<Counterfactual> {
  const { obligations, reasons } = trial.now
  const owed = [
    ...new Set([...obligations, ...trial.policies(reasons).flatMap(({ obligation }) => obligation ?? [])]),
  ].sort()
  const each = owed.map((obligation) => [obligation])
  for (const approvals of owed.length > 1 ? [...each, owed] : each) {
    const { approvals: given = [] } = trial.question.evidence.context
    const all = [...new Set([...(given as readonly string[]), ...approvals])].sort()
    const effect = trial.effectOf(trial.withContext('approvals', all))
    if (effect !== undefined) yield { kind: 'approval', approvals, effect }
  }
}

function* ofRules(trial: Trial): Generator<Counterfactual> {
  const forbids = trial
    .policies(trial.now.reasons)
    .filter((each) => each.effect === 'forbid' && isDeciding(each))
  for (const { id } of forbids.slice(0, RULES_MAX)) {
    const effect = trial.effectWithout(id)
    if (effect !== undefined) yield { kind: 'rule', policy: id, effect }
  }
}

function* ofRoles(trial: Trial): Generator<Counterfactual> {
  if (trial.now.reasons.length > 0) return
  const roles = new Set(trial.deciding.flatMap((policy) => lookedAt(policy).roles))
  const { entitiesJson, requests } = trial.question.evidence
  const principals = new Map(requests.map(({ principal }) => [uidKey(principal), principal]))
  for (const role of [...roles].sort())
    for (const [key, principal] of principals) {
      const entities = entityList(parseJson('entities', entitiesJson)).map((entity) =>
        uidKey(uidOf(entity.uid)) === key
          ? { ...entity, parents: [...entity.parents, { type: ROLE_TYPE, id: role }] }
          : entity,
      )
      const evidence = { ...trial.question.evidence, entitiesJson: canonicalize(entities as unknown as Json) }
      const effect = trial.effectOf({ evidence })
      if (effect === 'allow') yield { kind: 'role', principal: principal.id, role, effect }
    }
}

function* ofFacts(trial: Trial): Generator<FactChange> {
  for (const [name, constants] of factsOf(trial.deciding)) {
    const path = name.split('.')
    const before = valueAt(trial.question.evidence.context, path)
    for (const after of otherValues(path.at(-1) ?? '', before, constants)) {
      const effect = effectAt(trial, path, after)
      if (effect !== 'allow') continue
      const direction = directionOf(trial, path, before, after)
      yield {
        kind: 'fact',
        fact: `context.${name}`,
        ...(before === undefined ? {} : { before }),
        ...(after === undefined ? {} : { after }),
        ...(direction === undefined ? {} : { direction }),
        effect,
      }
      break
    }
  }
}

/** Facts of the context that some policies look at, approvals aside: those are told of by themselves. */
function factsOf(policies: readonly Policy[]): ReadonlyMap<string, readonly LookedAt['constants'][number][]> {
  const facts = new Map<string, LookedAt['constants'][number][]>()
  for (const { path, constants } of policies.flatMap((policy) => lookedAt(policy).facts)) {
    const [variable, ...rest] = path
    const name = rest.join('.')
    if (variable !== 'context' || FIXED.has(name)) continue
    facts.set(name, [...(facts.get(name) ?? []), ...constants])
  }
  return facts
}

/** What nobody can bring about by doing something else. */
const FIXED = new Set(['approvals', 'conduct', 'solo', 'now'])

function effectAt(trial: Trial, path: readonly string[], value: Json | undefined): Effect | undefined {
  const [name = '', inner] = path
  // What the rules raise is found out anew: what can be otherwise is what the action declares.
  if (name === 'risk') return trial.effectOf({ declaredRisk: value as Risk })
  if (inner === undefined) return trial.effectOf(trial.withContext(name, value))
  const { [inner]: _, ...rest } = (trial.question.evidence.context[name] ?? {}) as { [key: string]: Json }
  return trial.effectOf(trial.withContext(name, value === undefined ? rest : { ...rest, [inner]: value }))
}

/** Other values that the policies can tell apart from this one, the nearest first. */
function otherValues(
  name: string,
  before: Json | undefined,
  constants: readonly LookedAt['constants'][number][],
): readonly (Json | undefined)[] {
  const isOther = (value: Json | undefined) => JSON.stringify(value) !== JSON.stringify(before)
  if (typeof before === 'boolean') return [!before]
  if (name === 'risk') return lowerRisks(before)
  if (typeof before === 'number') {
    const bounds = constants.filter((each) => typeof each === 'number').flatMap((n) => [n - 1, n, n + 1])
    const isTrust = name === 'trust'
    return [...new Set(bounds)]
      .filter((n) => isOther(n) && (!isTrust || (n >= 0 && n <= 1000)))
      .sort((a, b) => Math.abs(a - before) - Math.abs(b - before))
  }
  const texts = constants.filter((each) => typeof each === 'string')
  if (typeof before === 'string')
    return [...new Set([...(KNOWN_VALUES[name] ?? []), ...texts])].filter(isOther)
  if (Array.isArray(before)) {
    const without = before.filter((item) => !texts.includes(String(item)))
    return [without, [], [...new Set([...before.map(String), ...texts])].sort()].filter(isOther)
  }
  if (before === undefined) return [...constants, true, false]
  return []
}

const lowerRisks = (before: Json | undefined): readonly Risk[] =>
  RISKS.slice(0, Math.max(0, RISKS.indexOf(before as Risk))).reverse()

/** Whether a number farther on, and the farthest, would do as well. */
function directionOf(
  trial: Trial,
  path: readonly string[],
  before: Json | undefined,
  after: Json | undefined,
): FactChange['direction'] {
  if (typeof before !== 'number' || typeof after !== 'number') return undefined
  const step = after > before ? 1 : -1
  const isHolding = [after + step, after + step * FAR].every((n) => effectAt(trial, path, n) === 'allow')
  return isHolding ? (step > 0 ? 'or more' : 'or less') : undefined
}

const FAR = 1_000_000
