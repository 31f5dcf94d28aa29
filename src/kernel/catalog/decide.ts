// Asks the gate about one action, and drafts the entry that lets anybody replay the answer.

import { hash } from 'node:crypto'
import type { Env } from '../env.ts'
import { PolityError } from '../errors.ts'
import type { Gate } from '../gate/gate.ts'
import { highest } from '../gate/rollout.ts'
import type { Fact, FactType, GateRequest, Principal, Risk, Verdict } from '../gate/types.ts'
import type { Draft } from '../log/entry.ts'
import { EVIDENCE } from '../log/layout.ts'
import type { WorkingWrite } from '../log/proposal.ts'
import { canonicalText } from '../schema/canonical.ts'
import { commitPrivate, type KnownOpenings } from '../schema/privacy.ts'
import { privacyOf, type TSchema } from '../schema/schema.ts'
import type { Caller } from './caller.ts'
import { areaOf, baseName, type Definition } from './definition.ts'
import { ActionDecided } from './records.ts'
import { type Claim, NO_COVER, type StandingQuestion, type Standings } from './standing.ts'

export interface DecidePorts {
  readonly gate: Gate
  readonly standings: Standings
  /** Whether a single principal could approve: asked only when it matters. */
  readonly isSolo: () => Promise<boolean>
  /** The roles of somebody who is named and has shown no token: those of his tokens that are good now. */
  readonly rolesOf: (principal: Pick<Principal, 'kind' | 'id'>) => Promise<readonly string[]>
}

/** Obligations that people met for a run, which cover its parts up to its own risk. */
export interface Agreed {
  readonly approvals: readonly string[]
  readonly risk: Risk
}

export interface Question {
  readonly caller: Caller
  readonly definition: Definition
  readonly input: Readonly<Record<string, unknown>>
  /** What belongs together (`StandingQuestion.trace`). */
  readonly trace: string
  /** Obligations that were fulfilled. */
  readonly approvals?: readonly string[]
  readonly agreed?: Agreed
  /** Asked for by the code of a run that the token covered: scopes restrict what their holder may ask for. */
  readonly isPartOfRun?: boolean
  /** RFC 3339. */
  readonly now: string
}

export interface Decision {
  readonly id: string
  readonly verdict: Verdict
  readonly resource: string
  readonly risk: Risk
  /** What must hold, and what is written, when it is committed. */
  readonly beside: Pick<Claim, 'drafts' | 'expect' | 'rows'>
}

/** Whether a commit was refused because what the decision stood on has changed: then it is decided again. */
export const isStale = ({ beside: { expect = [], rows = [] } }: Decision, error: unknown): boolean =>
  error instanceof PolityError &&
  error.code === 'expectation.failed' &&
  [...expect, ...rows].some(({ table, key }) => table === error.facts.table && key === error.facts.key)

/** Enrich, classify, evaluate once, and reserve what an allowed command takes. Whatever fails on the way is a denial. */
export async function decide(ports: DecidePorts, id: string, question: Question): Promise<Decision> {
  const { gate, standings } = ports
  const { caller, definition, input, isPartOfRun = false, agreed: inherited, trace, now } = question
  const resource = definition.resource?.(input as never) ?? areaOf(definition.name)
  const facts = factsOf(definition, input)
  const conduct = { ...definition.conduct, ...definition.conductOf?.(input as never) }
  const declaredRisk = definition.riskOf?.(input as never) ?? definition.risk
  const asked: StandingQuestion = {
    caller,
    action: definition.name,
    kind: definition.kind,
    ...(definition.effect === undefined ? {} : { effect: definition.effect }),
    resource,
    risk: declaredRisk ?? 'high',
    facts,
    conduct,
    isAutonomous: definition.isAutonomous?.(input as never) ?? false,
    trace,
    isTraced: trace !== id,
    nowMs: Date.parse(now),
  }
  const { standing, failures, expect } = await standings.find(asked)
  const request: GateRequest = {
    chain: caller.chain,
    action: definition.name,
    resource,
    risk: declaredRisk,
    facts,
    conduct,
    standing: asked.isAutonomous ? { ...standing, autonomous: true } : standing,
    failures,
    inScope: isPartOfRun || isInScope(definition.name, caller.scopes),
    approvals: question.approvals ?? [],
    solo: false,
    now,
  }
  const first = gate.classify(request)
  const isSoloAsked = definition.kind === 'command' && first.risk === 'critical'
  const solo = isSoloAsked && (await ports.isSolo())
  // Other rules may have come into force meanwhile: those that classify are those that decide.
  const classified = isSoloAsked ? gate.classify(request) : first
  // People saw what they agreed to, and how risky that was: no more than that is covered.
  const isCovered = inherited && highest([classified.risk, inherited.risk]) === inherited.risk
  const approvals = [...request.approvals, ...(isCovered ? inherited.approvals : [])]
  const asIs = gate.decide({ ...request, ...classified, approvals, solo })
  const { covered, expect: agreed } =
    asIs.effect === 'suspended' ? await standings.cover(asked, asIs.obligations) : NO_COVER
  const met = { ...request, approvals: [...approvals, ...covered], solo }
  const verdict = covered.length === 0 ? asIs : gate.decide({ ...met, ...gate.classify(met) })
  const claim: Claim = verdict.effect === 'allow' ? await standings.claim(asked, id, covered) : {}
  const { rows = [], drafts = [] } = claim
  const beside = { expect: [...expect, ...agreed, ...(claim.expect ?? [])], rows, drafts }
  return { id, verdict, resource, risk: verdict.risk.risk, beside }
}

/** For an outcome, which is low unless it says so. */
export const outcomeRisk = ({ risk }: Pick<Decision, 'risk'>): { readonly risk?: Risk } =>
  risk === 'low' ? {} : { risk }

function factsOf(definition: Definition, input: Readonly<Record<string, unknown>>): Record<string, Fact> {
  const facts: Record<string, Fact> = {}
  for (const name of definition.facts ?? []) if (input[name] !== undefined) facts[name] = input[name] as Fact
  return facts
}

/** A scope is an action's name, or a prefix that ends at a dot: `state` covers `state.put@1`. */
export const isInScope = (action: string, scopes: readonly string[] | undefined): boolean =>
  scopes === undefined ||
  scopes.some((scope) => action === scope || action.startsWith(`${scope}.`) || action.startsWith(`${scope}@`))

/**
 * Of a command that keeps the name of an action as data and asks for it later: what it may name is what its caller may
 * ask for. Whoever asks for what was kept asks for a part of that run, of which scopes have no say any more. Throws
 * `denied`.
 */
export function requireInScope(
  { scopes }: Pick<Caller, 'scopes'>,
  name: string,
  definitions: readonly Pick<Definition, 'name'>[],
): void {
  if (scopes === undefined) return
  const meant = definitions
    .map((each) => each.name)
    .filter((each) => each === name || baseName(each) === name)
  if (meant.length > 0 && meant.every((each) => isInScope(each, scopes))) return
  throw new PolityError(
    'denied',
    `the token that was used does not cover ${name}, so it cannot have it done either`,
    {
      action: name,
    },
  )
}

/** The types of a definition's facts for the gate's schema. Throws TypeError for a fact the gate may not see, or has no type for. */
export function factTypes(definition: Definition): Record<string, FactType | `${FactType}?`> {
  const optional = (definition.schema as { required?: readonly string[] }).required ?? []
  return Object.fromEntries(
    (definition.facts ?? []).map((name) => {
      const schema = definition.input[name] as TSchema
      const { items = schema } = schema as { items?: TSchema }
      for (const each of [schema, items])
        if (privacyOf(each) !== 'public')
          throw new TypeError(`${definition.name}: the fact ${name} is ${privacyOf(each)}`)
      const type = factTypeOf(schema)
      if (!type) throw new TypeError(`${definition.name}: the gate has no type for the fact ${name}`)
      return [name, optional.includes(name) ? type : (`${type}?` as const)]
    }),
  )
}

function factTypeOf(schema: TSchema): FactType | undefined {
  const { type, items, anyOf } = schema as {
    type?: string
    items?: TSchema
    anyOf?: readonly { const?: unknown }[]
  }
  if (anyOf) return anyOf.every((each) => typeof each.const === 'string') ? 'string' : undefined
  if (type === 'array') return items && factTypeOf(items) === 'string' ? 'strings' : undefined
  return FACT_TYPES.find((each) => each === type)
}

const FACT_TYPES = ['string', 'boolean', 'integer'] as const

/** A larger input is in the entry by its digest only. */
const INPUT_SHOWN_MAX_CHARS = 16_384

/** An input in public form, and its RFC 8785 text. */
export interface CommittedInput {
  readonly form: unknown
  readonly canonical: string
}

/** What has no canonical text could not be recorded: refused here, it cannot fail the record of a decision. */
export function committedInput(
  { schema }: Definition,
  input: unknown,
  env: Env,
  known: KnownOpenings,
): CommittedInput {
  const form = commitPrivate(schema, input, (sizeBytes) => env.random(sizeBytes), known).public
  return { form, canonical: canonicalText(form) }
}

/** What the log, and whoever agrees, knows an input by. */
export const digestOfInput = ({ canonical }: Pick<CommittedInput, 'canonical'>): string =>
  `sha256:${hash('sha256', canonical, 'hex')}`

export function decisionDraft(
  { id, verdict, resource, risk }: Decision,
  definition: Definition,
  { form, canonical }: CommittedInput,
  extra: { readonly run?: string; readonly count?: number; readonly approval?: string } = {},
): Draft {
  const {
    evidence,
    wouldEffect,
    errors,
    effect,
    mode,
    modeBy,
    shadow,
    solo,
    reasons,
    obligations,
    sentence,
  } = verdict
  const { declaredRisk, raisedBy } = verdict.risk
  return ActionDecided(
    {
      decision: id,
      action: definition.name,
      resource,
      risk,
      effect,
      mode,
      solo,
      reasons: [...reasons],
      obligations: [...obligations],
      errors: errors.map(({ policy, message }) => `${policy}: ${message}`),
      sentence,
      inputDigest: digestOfInput({ canonical }),
      ...(canonical.length > INPUT_SHOWN_MAX_CHARS ? {} : { input: form }),
      bundle: evidence.bundle,
      entities: evidence.entities,
      context: evidence.context,
      requests: evidence.requests,
      engine: evidence.engine,
      ...(wouldEffect === undefined ? {} : { wouldEffect }),
      ...(shadow.length === 0 ? {} : { shadow: [...shadow] }),
      ...(modeBy === 'hub' ? {} : { modeBy }),
      ...(raisedBy.length === 0 ? {} : { declaredRisk, raisedBy: [...raisedBy] }),
      ...extra,
    },
    { id, subject: resource },
  )
}

/** The entity snapshot beside the decision, under its digest, unless `written` says that the store has it. */
export function evidenceRows({ verdict }: Decision, written: ReadonlySet<string>): WorkingWrite[] {
  const { entities, entitiesJson } = verdict.evidence
  return written.has(entities)
    ? []
    : [{ table: EVIDENCE, key: entities, value: JSON.stringify(entitiesJson) }]
}

/** Beyond this many snapshots the store is told again what it may already hold. */
const EVIDENCE_REMEMBERED_MAX = 10_000

/** To be called once the rows of `evidenceRows` are committed. */
export function rememberEvidence({ verdict }: Decision, written: Set<string>): void {
  if (written.size >= EVIDENCE_REMEMBERED_MAX) written.clear()
  written.add(verdict.evidence.entities)
}
