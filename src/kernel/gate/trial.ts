// What could have been otherwise about a request, and judging it again as if it had been.

import { canonicalize, type Json } from '../../kit/canonical-json.ts'
import { bundleOf } from './bundle.ts'
import { Engine } from './engine.ts'
import { ROLE_TYPE, uidKey } from './entities.ts'
import { type LookedAt, lookedAt, valueAt } from './looked-at.ts'
import { type Policy, uidOf } from './policies.ts'
import { type Judges, type Reconsidered, type Reconsidering, repeat } from './reconsider.ts'
import { entityList, parseJson } from './replay.ts'
import type { Rules } from './rules.ts'
import { Shards } from './shards.ts'
import type { Effect, Risk, Uid } from './types.ts'

/** One change, as it can be tried. */
export type Change =
  | { readonly kind: 'approval'; readonly approvals: readonly string[] }
  | { readonly kind: 'rule'; readonly policy: string }
  | { readonly kind: 'role'; readonly principal: string; readonly role: string }
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
}

/** Neither is enough without the other. */
export interface Both {
  readonly kind: 'pair'
  readonly both: readonly [Change, Change]
}

/** What was changed, and what came of it when it was tried. */
export type Counterfactual = (Change | Both) & { readonly effect: Effect }

export type Apply = (question: Reconsidering) => Reconsidering

/** A change of what was asked, and how it is made. */
export interface Move<Kind extends Change = Change> {
  /** What it changes: two moves of one subject exclude each other. */
  readonly subject: string
  readonly change: Kind
  readonly apply: Apply
}

const KNOWN_VALUES: Readonly<Record<string, readonly string[]>> = {
  risk: ['low', 'medium', 'high', 'critical'],
  health: ['healthy', 'degraded', 'critical', 'unknown'],
  advice: ['execute', 'pause', 'reject', 'escalate', 'retry', 'rollback'],
}
const RISKS: readonly Risk[] = ['low', 'medium', 'high', 'critical']

/** Judges variations on an engine of its own. */
export class Trial {
  readonly question: Reconsidering
  readonly rules: Rules
  readonly now: Reconsidered
  readonly #judges: Judges
  #tries = 0
  #triesMax: number

  /** @param triesMax judgements that may be made */
  constructor(question: Reconsidering, rules: Rules, triesMax: number) {
    const engine = new Engine()
    this.question = { ...question, mode: 'enforce' }
    this.rules = rules
    this.#judges = { rules, shards: new Shards(engine, rules), engine }
    this.#triesMax = triesMax
    this.now = repeat(this.question, this.#judges)
  }

  get tries(): number {
    return this.#tries
  }

  /** From now on there may be so many more, and no others. */
  allow(more: number): void {
    this.#triesMax = this.#tries + more
  }

  get permits(): readonly Policy[] {
    const { enforced } = this.#judges.shards.of(this.question.evidence.requests[0]?.action.id ?? '')
    return [...enforced.policies.values()].filter(({ effect }) => effect === 'permit')
  }

  /** Rules whose conditions say what could be otherwise: those that stopped it, or the permits that did not hold. */
  get deciding(): readonly Policy[] {
    const { reasons, risk } = this.now
    return reasons.length > 0 ? this.policies([...reasons, ...risk.raisedBy]) : this.permits
  }

  policies(ids: readonly string[]): readonly Policy[] {
    return ids.flatMap((id) => this.rules.bundle.policies.get(id) ?? [])
  }

  /** What the rules say after changes; undefined once too much was tried. */
  after(...changes: readonly Apply[]): Reconsidered | undefined {
    if (!this.#mayTry()) return undefined
    const changed = changes.reduce((question, apply) => apply(question), this.question)
    return repeat(changed, this.#judges)
  }

  without(policy: string): Reconsidered | undefined {
    if (!this.#mayTry()) return undefined
    const { schema, schemaPlace, policies } = this.rules.bundle
    const others = new Map([...policies].filter(([id]) => id !== policy))
    const rules = { ...this.rules, bundle: bundleOf(schema, schemaPlace, others) }
    const engine = new Engine()
    return repeat(this.question, { rules, shards: new Shards(engine, rules), engine })
  }

  #mayTry(): boolean {
    if (this.#tries >= this.#triesMax) return false
    this.#tries += 1
    return true
  }
}

export function approvalMove(approvals: readonly string[]): Move {
  return {
    subject: 'approvals',
    change: { kind: 'approval', approvals },
    apply(question) {
      const { approvals: given = [] } = question.evidence.context
      const all = [...new Set([...(given as readonly string[]), ...approvals])].sort()
      return withContext(question, 'approvals', all)
    },
  }
}

/** Each role that some policies ask for, for each of those who ask. */
export function roleMoves({ question }: Trial, policies: readonly Policy[]): readonly Move[] {
  const roles = new Set(policies.flatMap((policy) => lookedAt(policy).roles))
  const principals = new Map(
    question.evidence.requests.map(({ principal }) => [uidKey(principal), principal]),
  )
  return [...roles].sort().flatMap((role) =>
    [...principals].map(([key, principal]) => ({
      subject: `role of ${key}`,
      change: { kind: 'role', principal: principal.id, role } as const,
      apply: (asked: Reconsidering) => withRole(asked, principal, role),
    })),
  )
}

function withRole(question: Reconsidering, principal: Uid, role: string): Reconsidering {
  const entities = entityList(parseJson('entities', question.evidence.entitiesJson)).map((entity) =>
    uidKey(uidOf(entity.uid)) === uidKey(principal)
      ? { ...entity, parents: [...entity.parents, { type: ROLE_TYPE, id: role }] }
      : entity,
  )
  const entitiesJson = canonicalize(entities as unknown as Json)
  return { ...question, evidence: { ...question.evidence, entitiesJson } }
}

/** Per fact of the context that some policies look at: other values that they can tell apart, the nearest first. */
export function factMoves(
  { question }: Trial,
  policies: readonly Policy[],
): readonly (readonly Move<FactChange>[])[] {
  return [...factsOf(policies)].map(([name, constants]) => {
    const path = name.split('.')
    const before = valueAt(question.evidence.context, path)
    return otherValues(path.at(-1) ?? '', before, constants).map((after) => factMove(path, before, after))
  })
}

function factMove(
  path: readonly string[],
  before: Json | undefined,
  after: Json | undefined,
): Move<FactChange> {
  const name = path.join('.')
  return {
    subject: name,
    change: {
      kind: 'fact',
      fact: `context.${name}`,
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? {} : { after }),
    },
    apply: (question) => withFact(question, path, after),
  }
}

/** Of a change to a number: whether numbers farther on, and the farthest, do as well. */
export function directed(change: FactChange, isHolding: (farther: Move<FactChange>) => boolean): FactChange {
  const { fact, before, after } = change
  if (typeof before !== 'number' || typeof after !== 'number') return change
  const step = after > before ? 1 : -1
  const path = fact.split('.').slice(1)
  const farther = [after + step, after + step * FAR].map((n) => factMove(path, before, n))
  return farther.every(isHolding) ? { ...change, direction: step > 0 ? 'or more' : 'or less' } : change
}

const FAR = 1_000_000

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

function withFact(
  question: Reconsidering,
  [name = '', inner]: readonly string[],
  value: Json | undefined,
): Reconsidering {
  // What the rules raise is found out anew: what can be otherwise is what the action declares.
  if (name === 'risk') return { ...question, declaredRisk: value as Risk }
  if (inner === undefined) return withContext(question, name, value)
  const { [inner]: _, ...rest } = (question.evidence.context[name] ?? {}) as { [key: string]: Json }
  return withContext(question, name, value === undefined ? rest : { ...rest, [inner]: value })
}

function withContext(question: Reconsidering, name: string, value: Json | undefined): Reconsidering {
  const { [name]: _, ...rest } = question.evidence.context
  const context = value === undefined ? rest : { ...rest, [name]: value }
  return { ...question, evidence: { ...question.evidence, context } }
}

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
