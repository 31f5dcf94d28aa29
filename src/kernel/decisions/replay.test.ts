// What was recorded replays to itself, whatever was asked under whatever rules; what was changed afterwards does not.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type GateRequest, type Mode, PLAIN_STANDING, type PolicyState, type Rollout } from '../gate/types.ts'
import { pastDecisions } from './history.ts'
import { asked, gateOf, KeptHistory } from './past.fixture.ts'
import { type Difference, replayHistory } from './replay.ts'

const HEAD = ['permit', 'forbid'] as const
const WHO = ['principal', 'principal in Polity::Role::"owner"', 'principal is Polity::Agent'] as const
const WHAT = [
  'action',
  'action in Polity::Action::"state"',
  'action == Polity::Action::"mirror.analyze@1"',
] as const
const WHERE = ['resource', 'resource in Polity::Resource::"state/prod"'] as const
const WHEN = [
  'context.risk == "critical"',
  'context.risk == "high"',
  'context.trust < 700',
  'context.autonomous && context.trust < 500',
  'context.halted.isEmpty()',
  'context.trace.contains("read:secret")',
  'context.conduct has isExternal && context.conduct.isExternal',
  'context has sizeBytes && context.sizeBytes * 4611686018427387904 > 0',
  '!context.inScope',
  'context.solo',
  '!context.approvals.contains("owner:1")',
  'context.now.toTime() < duration("6h")',
] as const
const OWED = ['', '@obligation("owner:1")', '@obligation("security:2")', '@inviolable("true")'] as const
const RISK = ['', '', '@risk("high")', '@risk("critical")'] as const

const rule = fc
  .record({
    head: fc.constantFrom(...HEAD),
    who: fc.constantFrom(...WHO),
    what: fc.constantFrom(...WHAT),
    where: fc.constantFrom(...WHERE),
    when: fc.option(fc.constantFrom(...WHEN), { nil: undefined }),
    owed: fc.constantFrom(...OWED),
    risk: fc.constantFrom(...RISK),
    state: fc.constantFrom('enforced', 'enforced', 'shadow', 'draft'),
  })
  .map(({ head, who, what, where, when, owed, risk, state }) => (id: string) => {
    const isSize = when?.includes('sizeBytes') ?? false
    const action = isSize ? 'action == Polity::Action::"state.put@1"' : what
    const marks = risk !== '' ? risk : head === 'forbid' ? owed : ''
    const effect = risk !== '' ? 'forbid' : head
    const approval = /@obligation\("(.*)"\)/.exec(marks)?.[1]
    const unless = approval === undefined ? '' : ` unless { context.approvals.contains("${approval}") }`
    const conditions = `${when === undefined ? '' : ` when { ${when} }`}${unless}`
    return `@id("${id}") @state("${state}") ${marks}\n${effect} (${who}, ${action}, ${where})${conditions};`
  })

const rules = fc
  .array(rule, { minLength: 1, maxLength: 8 })
  .map((each) => [
    '@id("p0") permit (principal, action, resource) when { context.risk == "low" || context.risk == "medium" };',
    ...each.map((text, index) => text(`r${index}`)),
  ])

const request: fc.Arbitrary<GateRequest> = fc
  .record({
    chain: fc.constantFrom([{ kind: 'user', id: 'alice', roles: ['owner'] } as const], [
      { kind: 'user', id: 'alice', roles: ['owner'] },
      { kind: 'agent', id: 'é"x', roles: [] },
    ] as const),
    action: fc.constantFrom('state.put@1', 'mirror.analyze@1', 'not.declared@1'),
    resource: fc.constantFrom('state/prod/x', 'state/dev', 'a'),
    risk: fc.constantFrom('low', 'medium', 'high', 'critical', undefined),
    facts: fc.constant({}),
    conduct: fc.constantFrom({}, { isExternal: true }),
    standing: fc.record({
      autonomous: fc.boolean(),
      trust: fc.constantFrom(0, 499, 700, 1000),
      trace: fc.subarray(['read:secret']),
      halted: fc.constantFrom([], [], [], ['kill'], ['unavailable']),
    }),
    inScope: fc.boolean(),
    approvals: fc.subarray(['owner:1', 'security:2']),
    solo: fc.boolean(),
    now: fc.constantFrom('2026-11-20T10:00:00.000Z', '2026-11-20T03:00:00Z'),
  })
  .map(({ standing, ...rest }) => ({ ...rest, standing: { ...PLAIN_STANDING, ...standing } }))

const rollout: fc.Arbitrary<Rollout> = fc.record(
  {
    mode: fc.constantFrom<Mode>('enforce', 'log-only', 'enforce-critical'),
    actions: fc.constantFrom([], [{ prefix: 'state', mode: 'log-only' as const }]),
    policies: fc.dictionary(
      fc.constantFrom('r0', 'r1', 'r2'),
      fc.constantFrom<PolicyState>('enforced', 'shadow', 'draft'),
      { maxKeys: 2 },
    ),
    share: fc.record({
      percent: fc.integer({ min: 0, max: 100 }),
      by: fc.constant('principal' as const),
      seed: fc.string(),
    }),
  },
  { requiredKeys: ['mode'] },
)

const replayed = (history: KeptHistory) => replayHistory(pastDecisions(history.ports), history.ports)

describe('replay', () => {
  it('equals live for every generated history', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(rules, rollout, fc.array(request, { minLength: 1, maxLength: 12 })), {
          minLength: 1,
          maxLength: 2,
        }),
        async (times) => {
          const history = new KeptHistory()
          for (const [texts, how, requests] of times) {
            const gate = await gateOf(texts.join('\n'), how)
            for (const each of requests) history.decide(gate, each)
          }
          expect(await replayed(history)).toEqual({ agreed: history.kept.length, erased: 0 })
        },
      ),
      { numRuns: 16 },
    )
  })

  it('judges what was asked while something could not be asked: denied then, denied again', async () => {
    const history = new KeptHistory()
    const gate = await gateOf('@id("all") permit (principal, action, resource);')
    history.decide(gate, asked({ standing: { ...PLAIN_STANDING, halted: ['unavailable'] } }))
    expect(await replayed(history)).toEqual({ agreed: 1, erased: 0 })
    const [past] = await Array.fromAsync(pastDecisions(history.ports))
    expect(past).toMatchObject({ effect: 'denied', reasons: ['polity.unavailable'] })
  })
})

it('classifies whatever had been agreed to, and although nobody else could agree', async () => {
  const history = new KeptHistory()
  const gate = await gateOf(`@id("all") permit (principal, action, resource);
    @id("first") @risk("high") forbid (principal, action, resource) unless { context.approvals.contains("owner:1") };
    @id("second") @risk("critical") forbid (principal, action, resource) when { context.solo };`)
  for (const change of [{}, { approvals: ['owner:1'] }, { solo: true }]) history.decide(gate, asked(change))
  for await (const past of pastDecisions(history.ports))
    expect(past).toMatchObject({ risk: 'high', raisedBy: ['first'] })
  expect(await replayed(history)).toEqual({ agreed: 3, erased: 0 })
})

it('classifies from what the action declared, not from what the rules made of it', async () => {
  const history = new KeptHistory()
  const gate = await gateOf(`@id("all") permit (principal, action, resource);
    @id("first") @risk("high") forbid (principal, action, resource) when { context.risk == "medium" };
    @id("second") @risk("critical") forbid (principal, action, resource) when { context.risk == "high" };`)
  history.decide(gate, asked())
  const [past] = await Array.fromAsync(pastDecisions(history.ports))
  expect(past).toMatchObject({ declaredRisk: 'medium', risk: 'high', raisedBy: ['first'] })
  expect(await replayed(history)).toEqual({ agreed: 1, erased: 0 })
})

const RULES = `
@id("all") permit (principal, action, resource);
@id("prod") @obligation("owner:1") forbid (principal, action, resource in Polity::Resource::"state/prod")
  unless { context.approvals.contains("owner:1") };
@id("new") forbid (principal, action, resource) when { context.trust < 700 };
@id("grave") @risk("critical") forbid (principal, action, resource) when { context.trace.contains("read:secret") };
@id("shade") @state("shadow") forbid (principal, action, resource) when { context.health == "unknown" };
`

describe('a decision that was changed afterwards', () => {
  async function lab() {
    const history = new KeptHistory()
    const gate = await gateOf(RULES)
    history.decide(gate, asked({ resource: 'state/dev' }))
    history.decide(gate, asked({ standing: { ...PLAIN_STANDING, trace: ['read:secret'] } }))
    history.decide(gate, asked({ standing: { ...PLAIN_STANDING, trust: 100 }, resource: 'state/dev' }))
    expect(await replayed(history)).toEqual({ agreed: 3, erased: 0 })
    return history
  }

  it.each<[string, number, Record<string, unknown>, Partial<Difference>]>([
    ['effect', 1, { effect: 'allow' }, { what: 'effect', recorded: 'allow', replayed: 'suspended' }],
    ['effect of what was allowed', 0, { effect: 'denied' }, { what: 'effect', replayed: 'allow' }],
    ['reasons', 2, { reasons: ['prod'] }, { what: 'reasons', replayed: '["new"]' }],
    ['obligations', 1, { obligations: [] }, { what: 'obligations', replayed: '["owner:1"]' }],
    ['would-be effect', 2, { wouldEffect: 'allow' }, { what: 'wouldEffect', replayed: 'nothing' }],
    ['mode', 2, { mode: 'log-only' }, { what: 'effect', replayed: 'allow' }],
    ['risk', 1, { risk: 'low' }, { what: 'evidence' }],
    ['rules that raised it', 1, { raisedBy: [] }, { what: 'raisedBy', replayed: '["grave"]' }],
    ['declared risk', 1, { declaredRisk: 'critical', raisedBy: [] }, { what: 'raisedBy' }],
    ['flips in the shadow', 0, { shadow: [] }, { what: 'shadow', replayed: '["shade"]' }],
    ['single approver', 0, { solo: true }, { what: 'solo', replayed: 'false' }],
    ['action', 0, { action: 'mirror.analyze@1' }, { what: 'action', replayed: 'state.put@1' }],
    ['resource', 0, { resource: 'state/prod' }, { what: 'resource', replayed: 'state/dev' }],
    ['rules', 0, { bundle: `sha256:${'0'.repeat(64)}` }, { what: 'evidence' }],
    ['entities', 0, { entities: `sha256:${'0'.repeat(64)}` }, { what: 'evidence' }],
  ])('in its %s is found and named', async (_, seq, change, difference) => {
    const history = await lab()
    history.tamper(seq, (data) => Object.assign(data, change))
    expect(await replayed(history)).toMatchObject({ agreed: seq, difference: { seq, ...difference } })
  })

  it('in its context is found where a rule looks at it', async () => {
    const history = await lab()
    history.tamper(2, (data) => Object.assign(data.context as object, { trust: 900 }))
    expect((await replayed(history)).difference).toMatchObject({ seq: 2, what: 'effect', replayed: 'allow' })
  })

  it('in the principal of its request is found', async () => {
    const history = await lab()
    history.tamper(0, (data) =>
      Object.assign((data.requests as { principal: object }[])[0]?.principal ?? {}, { id: 'eve' }),
    )
    expect((await replayed(history)).difference).toMatchObject({
      seq: 0,
      what: 'actor',
      replayed: 'user:eve',
    })
  })

  it('in the text of its rules or entities is found', async () => {
    for (const found of [(text: string) => text.includes('@id'), (text: string) => text.startsWith('[')]) {
      const history = await lab()
      for (const [digest, text] of history.evidence)
        if (found(text))
          history.evidence.set(digest, text.replaceAll('alice', 'mallo').replaceAll('700', '007'))
      expect((await replayed(history)).difference).toMatchObject({ what: 'evidence' })
    }
  })

  it('is not hidden by what was erased before it', async () => {
    const history = await lab()
    history.tamper(2, (data) => Object.assign(data, { effect: 'allow' }))
    const isErased = async ({ seq }: { readonly seq: number }) => seq === 0
    const answer = await replayHistory(pastDecisions(history.ports), history.ports, { isErased })
    expect(answer).toMatchObject({ agreed: 1, erased: 1, difference: { seq: 2 } })
  })
})
