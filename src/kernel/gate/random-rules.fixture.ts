// Random rules, requests and roll-outs, for what must hold under any of them.

import fc from 'fast-check'
import {
  type ActionDefinition,
  type GateRequest,
  PLAIN_STANDING,
  type PolicyState,
  type Principal,
  type Risk,
  type Rollout,
} from './types.ts'

/** A rule before it is text. */
export interface RandomRule {
  readonly effect: 'permit' | 'forbid'
  readonly who: string
  readonly what: string
  readonly where: string
  readonly when: string | undefined
  /** Only of a forbid: what lifts it. */
  readonly obligation: string | undefined
  readonly isInviolable: boolean
  /** Only of a forbid: it classifies. */
  readonly risk: Risk | undefined
  readonly state: PolicyState
}

export const RISKS: readonly Risk[] = ['low', 'medium', 'high', 'critical']

export const RANDOM_ACTIONS: readonly ActionDefinition[] = [
  { name: 'state.put@1', facts: { sizeBytes: 'integer?', tags: 'strings?' } },
  { name: 'mirror.analyze@1' },
]

const OWED = ['owner:1', 'security:2'] as const
/** Conditions that hold, that do not, that fail, and that no request can tell apart. */
const CONDITIONS = [
  'context.risk == "low"',
  'context.risk == "critical"',
  'context.trust < 700',
  'context.autonomous',
  '!context.inScope',
  'context.solo',
  'context.approvals.contains("owner:1")',
  'context.trace.containsAll(["read:secret"])',
  'context.exceeded.isEmpty()',
  'context.conduct has cost && context.conduct.cost > 10',
  'context.hour < 6 || context.weekday > 5',
  'principal in Polity::Role::"owner"',
  'resource.path like "*/prod*"',
  'context == context',
  '9223372036854775807 + context.trust > 0',
  'Polity::User::"nobody-here".id == "x"',
] as const

export const randomRule: fc.Arbitrary<RandomRule> = fc.record({
  effect: fc.constantFrom('permit', 'forbid'),
  who: fc.constantFrom(
    'principal',
    'principal',
    'principal in Polity::Role::"owner"',
    'principal is Polity::Agent',
  ),
  what: fc.constantFrom(
    'action',
    'action',
    'action in Polity::Action::"state"',
    'action == Polity::Action::"mirror.analyze@1"',
  ),
  where: fc.constantFrom('resource', 'resource', 'resource in Polity::Resource::"state/prod"'),
  when: fc.option(fc.constantFrom(...CONDITIONS), { nil: undefined, freq: 2 }),
  obligation: fc.option(fc.constantFrom(...OWED), { nil: undefined, freq: 2 }),
  isInviolable: fc.integer({ max: 4, min: 0 }).map((n) => n === 0),
  risk: fc.constant(undefined),
  state: fc.constantFrom('enforced', 'enforced', 'enforced', 'shadow', 'draft'),
})

export const forbidding = (rule: RandomRule): RandomRule => ({ ...rule, effect: 'forbid', risk: undefined })
export const permitting = (rule: RandomRule): RandomRule => ({ ...rule, effect: 'permit', risk: undefined })

/** A rule that classifies. */
export const riskRule: fc.Arbitrary<RandomRule> = fc
  .tuple(randomRule, fc.constantFrom(...RISKS))
  .map(([rule, risk]) => ({ ...rule, effect: 'forbid', risk }))

export function textOf(id: string, { effect, who, what, where, when, ...marks }: RandomRule): string {
  const { obligation, isInviolable, risk, state } = marks
  const isMarked = effect === 'forbid' && risk === undefined
  const annotations = [
    `@id("${id}")`,
    `@state("${state}")`,
    ...(risk === undefined ? [] : [`@risk("${risk}")`]),
    ...(isMarked && obligation !== undefined ? [`@obligation("${obligation}")`] : []),
    ...(isMarked && isInviolable ? ['@inviolable("true")'] : []),
  ]
  const condition = when === undefined ? '' : ` when { ${when} }`
  const unless =
    isMarked && obligation !== undefined ? ` unless { context.approvals.contains("${obligation}") }` : ''
  return `${annotations.join(' ')} ${effect} (${who}, ${what}, ${where})${condition}${unless};`
}

const link: fc.Arbitrary<Principal> = fc.constantFrom<Principal>(
  { kind: 'user', id: 'alice', roles: ['owner'] },
  { kind: 'user', id: 'bob', roles: [] },
  { kind: 'agent', id: 'é"x', roles: ['owner'] },
  { kind: 'component', id: 'c', roles: [] },
)

export const randomRequest: fc.Arbitrary<GateRequest> = fc
  .record({
    chain: fc.uniqueArray(link, { minLength: 1, maxLength: 3, selector: ({ id }) => id }),
    action: fc.constantFrom('state.put@1', 'mirror.analyze@1'),
    resource: fc.constantFrom('state/prod', 'state/prod/x', 'state/dev', 'a'),
    risk: fc.constantFrom(...RISKS, undefined),
    conduct: fc.constantFrom({}, { isExternal: true }, { cost: 11 }, { cost: 9, data: ['secret'] }),
    standing: fc.record({
      autonomous: fc.boolean(),
      trust: fc.constantFrom(0, 699, 700, 1000),
      exceeded: fc.subarray(['daily']),
      trace: fc.subarray(['read:secret', 'sent:outside']),
    }),
    inScope: fc.boolean(),
    approvals: fc.subarray([...OWED, 'x']),
    solo: fc.boolean(),
    now: fc.constantFrom('2026-11-20T10:00:00.000Z', '2026-11-21T03:00:00Z'),
  })
  .map(({ standing, ...rest }) => ({ ...rest, facts: {}, standing: { ...PLAIN_STANDING, ...standing } }))

export const randomRollout: fc.Arbitrary<Rollout> = fc.record(
  {
    mode: fc.constantFrom('enforce', 'enforce', 'log-only', 'enforce-critical'),
    actions: fc.constantFrom(
      [],
      [{ prefix: 'state', mode: 'log-only' }],
      [
        { prefix: 'state.put', mode: 'enforce' },
        { prefix: 'state', mode: 'enforce-critical' },
      ],
    ),
    policies: fc.dictionary(
      fc.constantFrom('r0', 'r1', 'r2'),
      fc.constantFrom('enforced', 'shadow', 'draft'),
      { maxKeys: 2 },
    ),
    share: fc.record({
      percent: fc.constantFrom(0, 50, 100),
      by: fc.constantFrom('principal', 'request'),
      seed: fc.constantFrom('a', 'b'),
    }),
  },
  { requiredKeys: ['mode'] },
)
