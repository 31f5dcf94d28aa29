// What others may know about trust: what is counted for whom, reports of peers, overrides, and the questions about it.

import { command, noun, Page, paging, query } from '../catalog/definition.ts'
import { Closed, Described, Integer, type Static, Timestamp, Type } from '../schema/schema.ts'
import { ANY_FAMILY } from './evidence.ts'
import {
  Amounts,
  Family,
  Principal,
  Reason,
  Reference,
  ReportKind,
  Severity,
  Text,
  Thousandths,
  Verdict,
} from './schemas.ts'

export * from './entries.ts'
export * from './views.ts'

/** An override is for a while: what is meant for good belongs in a rule. */
const OVERRIDE_MAX_SECONDS = 90 * 24 * 3600
const STRENGTH_MAX = 5

export const TrustOverride = Closed({ trust: Thousandths, reason: Text, by: Text, until: Timestamp })

/** `bound` is what rules compare (`context.trust`), unless an override is in force. */
export const Trusted = noun('trust.reputation', {
  principal: Text,
  family: Family,
  /** What rules see for an action of this family: the bound, or an override. */
  trust: Thousandths,
  /** Mean of the posterior. */
  score: Thousandths,
  /** Lower confidence bound, 95 % and one-sided. */
  bound: Thousandths,
  /** In outcomes, as they count today. */
  positive: Type.Number(),
  negative: Type.Number(),
  counts: Closed({
    done: Integer,
    failed: Integer,
    unknown: Integer,
    denied: Integer,
    reported: Integer,
    verified: Integer,
    alerted: Integer,
    observed: Integer,
  }),
  lastAt: Type.Optional(Timestamp),
  override: Type.Optional(TrustOverride),
})

const resource = ({ principal }: { readonly principal: string }) => `trust/${principal}`
const family = Type.Optional(Family)

export const getTrust = query('trust.get@1', {
  summary: 'How far somebody is trusted with a family of actions: what rules compare, and why.',
  input: { principal: Principal, family },
  output: Trusted,
  resource,
  facts: ['principal', 'family'],
  cli: { positional: ['principal', 'family'] },
  http: { path: 'trust/{principal}' },
})

export const listTrust = query('trust.list@1', {
  summary:
    'Who is trusted with what, as of now: agents, components and services of which something is known.',
  input: {
    principal: Type.Optional(Principal),
    ...paging(Type.String({ maxLength: 512, description: 'go on after this row' }), { sizeMax: 200 }),
  },
  output: Page(Trusted),
  risk: 'medium',
  http: { path: 'trust' },
})

const Term = Closed({
  id: Text,
  weight: Type.Number(),
  value: Type.Union([Type.Number(), Type.Null()]),
  reason: Text,
})

export const explainTrust = query('trust.explain@1', {
  summary: 'The formula behind a reputation: inputs, terms, coverage, and what is missing to each threshold.',
  input: { principal: Principal, family },
  output: Closed({
    principal: Text,
    family: Family,
    trust: Thousandths,
    formula: Text,
    score: Thousandths,
    bound: Thousandths,
    /** Of the evidence that takes an unknown one to the highest threshold, 0 to 1. */
    coverage: Type.Number(),
    terms: Type.Array(Term),
    /** What the formula was given: evidence as of now, in millionths of an outcome. */
    inputs: Closed({ family: Amounts, elsewhere: Amounts }),
    /** Where the evidence of the family came from, in outcomes as they count today. */
    sources: Type.Array(
      Closed({ id: Text, count: Integer, positive: Type.Number(), negative: Type.Number() }),
    ),
    /** The same inputs give the same result. */
    isReplayed: Type.Boolean(),
    /** Good outcomes of medium risk in a row that each threshold still takes. */
    missing: Type.Array(Closed({ threshold: Thousandths, outcomes: Integer })),
    lastAt: Type.Optional(Timestamp),
    override: Type.Optional(TrustOverride),
  }),
  resource,
  facts: ['principal', 'family'],
  cli: { positional: ['principal', 'family'] },
})

const Counted = Closed({
  principal: Text,
  family: Family,
  isCounted: Type.Boolean(),
  /** Why, where nothing or less than what was said is counted. */
  sentence: Text,
  /** In outcomes. */
  counted: Type.Number(),
})

export const reportTrust = command('trust.report@1', {
  summary: 'Reports good or bad conduct of somebody else; it counts as far as whoever reports is trusted.',
  input: {
    principal: Principal,
    verdict: Described(Verdict, 'positive or negative'),
    family,
    kind: Type.Optional(Described(ReportKind, 'peer (default), verification or alert')),
    strength: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: STRENGTH_MAX,
        description: `how much was seen, in outcomes: 1 (default) to ${STRENGTH_MAX}`,
      }),
    ),
    reason: Type.Optional(Reason),
  },
  output: Counted,
  errors: ['name.unknown'],
  risk: 'low',
  effect: 'atomic',
  resource,
  facts: ['principal', 'family', 'verdict', 'kind', 'strength'],
  cli: { positional: ['principal', 'verdict'] },
})

export const alertTrust = command('trust.alert@1', {
  summary: 'Raises an alert about somebody else; it counts as a report does, the more the graver it is.',
  input: {
    principal: Principal,
    severity: Described(Severity, 'low, medium, high or critical'),
    reason: Reason,
    family,
    reference: Type.Optional(Reference),
  },
  output: Counted,
  errors: ['name.unknown'],
  risk: 'low',
  effect: 'atomic',
  resource,
  facts: ['principal', 'family', 'severity'],
  cli: { positional: ['principal', 'severity', 'reason'] },
})

export const overrideTrust = command('trust.override@1', {
  summary: 'Says for a while how far somebody is trusted, in the place of what evidence says.',
  input: {
    principal: Principal,
    level: Thousandths,
    reason: Reason,
    family,
    expiresInSeconds: Type.Integer({
      minimum: 1,
      maximum: OVERRIDE_MAX_SECONDS,
      description: 'for how long, at most 90 days',
    }),
  },
  output: Closed({ principal: Text, family: Family, trust: Thousandths, until: Timestamp }),
  errors: ['name.unknown'],
  risk: 'critical',
  effect: 'atomic',
  resource,
  facts: ['principal', 'family', 'level', 'expiresInSeconds'],
  conduct: { changes: ['privileges'] },
  cli: { positional: ['principal', 'level', 'reason'] },
})

export const liftOverride = command('trust.lift@1', {
  summary: 'Ends an override: evidence counts again.',
  input: { principal: Principal, reason: Reason, family },
  output: Closed({ principal: Text, family: Family }),
  errors: ['not-found'],
  risk: 'critical',
  effect: 'atomic',
  resource,
  facts: ['principal', 'family'],
  conduct: { changes: ['privileges'] },
  cli: { positional: ['principal', 'reason'] },
})

/** Where no family is named. */
export const familyAsked = (asked: Static<typeof Family> | undefined): string => asked ?? ANY_FAMILY
