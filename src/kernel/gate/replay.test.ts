// An outsider with the evidence, the bundle and stock cedar-wasm comes to the same verdict.

import { type AuthorizationAnswer, isAuthorized, policyToJson } from '@cedar-policy/cedar-wasm/nodejs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bundleBytes, loadBundle } from './bundle.ts'
import { openGate } from './gate.ts'
import { replayInputs } from './replay.ts'
import { STARTER_SCHEMA } from './starter-schema.fixture.ts'
import { type Effect, type Evidence, type GateRequest, PLAIN_STANDING, type Principal } from './types.ts'

const RULES = `
@id("owner") permit (principal in Polity::Role::"owner", action, resource);
@id("low") permit (principal, action, resource) when { context.risk == "low" || context.risk == "critical" };
@id("scope") forbid (principal, action, resource) unless { context.inScope };
@id("critical") @obligation("owner:1") forbid (principal, action, resource)
  when { context.risk == "critical" } unless { context.approvals.contains("owner:1") };
@id("prod") @obligation("security:2") forbid (principal, action in Polity::Action::"state", resource in Polity::Resource::"state/prod")
  unless { context.approvals.contains("security:2") || context.solo };
@id("bots") forbid (principal is Polity::Agent, action == Polity::Action::"mirror.analyze@1", resource);
@id("overflow") forbid (principal, action == Polity::Action::"state.put@1", resource)
  when { context has sizeBytes && context.sizeBytes * 4611686018427387904 > 0 };
@id("failing-permit") permit (principal, action == Polity::Action::"state.put@1", resource)
  when { context has sizeBytes && context.sizeBytes * 4611686018427387904 == 0 };
@id("night") forbid (principal, action, resource) when { context.now.toTime() < duration("6h") };
@id("shade") @state("shadow") forbid (principal, action, resource);
`
const gate = await openGate({
  bundle: await loadBundle([...STARTER_SCHEMA, { name: 'x.cedar', text: RULES }]),
  actions: [
    { name: 'state.put@1', facts: { sizeBytes: 'integer?', note: 'string?' } },
    { name: 'mirror.analyze@1' },
  ],
})

const principal: fc.Arbitrary<Principal> = fc.record({
  kind: fc.constantFrom('user', 'agent', 'service', 'component', 'hub'),
  id: fc.oneof(fc.constantFrom('alice', 'bob'), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 })),
  roles: fc.subarray(['owner', 'ower', '"', 'é']),
})
const request: fc.Arbitrary<GateRequest> = fc.record({
  chain: fc.uniqueArray(principal, {
    minLength: 1,
    maxLength: 3,
    selector: ({ kind, id }) => `${kind} ${id}`,
  }),
  action: fc.constantFrom('state.put@1', 'mirror.analyze@1', 'state.put@1', 'not.declared@1'),
  resource: fc.oneof(
    fc.constantFrom('state/prod/x', 'state/prod', 'state', 'a/b'),
    fc.string({ minLength: 1, maxLength: 20 }),
  ),
  risk: fc.constantFrom('low', 'medium', 'high', 'critical', undefined),
  facts: fc.constant({}),
  standing: fc.record({
    autonomous: fc.boolean(),
    trust: fc.integer({ min: 0, max: 1000 }),
    exceeded: fc.subarray(['daily', 'hourly']),
    trace: fc.subarray(['read:secret']),
    halted: fc.oneof(
      { weight: 9, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.subarray(['kill', 'unavailable']) },
    ),
    health: fc.constantFrom('healthy', 'degraded', 'critical', 'unknown'),
    advice: fc.constantFrom('execute', 'pause'),
  }),
  inScope: fc.integer({ min: 0, max: 5 }).map((n) => n > 0),
  approvals: fc.subarray(['owner:1', 'security:2', 'x']),
  solo: fc.boolean(),
  now: fc.constantFrom('2026-11-20T10:00:00.000Z', '2026-11-20T12:00:00Z', '2026-11-20T03:00:00Z'),
})
const withFacts = fc
  .tuple(
    request,
    fc.option(fc.integer({ min: -3, max: 3 }), { nil: undefined }),
    fc.string({ unit: 'grapheme' }),
  )
  .map(([given, sizeBytes, note]) =>
    given.action === 'state.put@1'
      ? { ...given, facts: sizeBytes === undefined ? { note } : { note, sizeBytes } }
      : given,
  )

interface Replayed {
  effect: Effect
  reasons: string[]
}

// Written from the description in replay.ts, with nothing of the gate's own judgement.
function replay(evidence: Evidence, bytes: Uint8Array, entitiesJson: string): Replayed {
  const texts: Record<string, string> = JSON.parse(Buffer.from(bytes).toString()).policies
  const ask = (granted: readonly string[] = []) =>
    replayInputs(evidence, bytes, entitiesJson, granted).map((call) => isAuthorized(call))
  const read = (id: string) => {
    const parsed = policyToJson(texts[id] ?? '')
    if (parsed.type === 'failure') throw new Error(`no policy ${id}`)
    return parsed.json
  }
  const answers = ask()
  if (answers.some(({ type }) => type === 'failure')) return { effect: 'denied', reasons: [] }
  const failed = answers.flatMap(failedIn).filter((id) => read(id).effect === 'forbid')
  const denied = answers.filter((answer) => decisionOf(answer) === 'deny')
  const isUnpermitted = denied.some((answer) => reasonsOf(answer).length === 0)
  const forbids = [...new Set([...failed, ...denied.flatMap(reasonsOf)])].sort()
  if (denied.length === 0 && failed.length === 0) {
    return { effect: 'allow', reasons: [...new Set(answers.flatMap(reasonsOf))].sort() }
  }
  const owed = forbids.map((id) => read(id).annotations?.obligation ?? '')
  if (failed.length > 0 || isUnpermitted || owed.includes('')) return { effect: 'denied', reasons: forbids }
  const isReleased = ask(owed).every(
    (answer) =>
      decisionOf(answer) === 'allow' && failedIn(answer).every((id) => read(id).effect === 'permit'),
  )
  return { effect: isReleased ? 'suspended' : 'denied', reasons: forbids }
}

const decisionOf = (answer: AuthorizationAnswer) =>
  answer.type === 'success' ? answer.response.decision : 'failure'
const reasonsOf = (answer: AuthorizationAnswer) =>
  answer.type === 'success' ? answer.response.diagnostics.reason : []
const failedIn = (answer: AuthorizationAnswer) =>
  answer.type === 'success' ? answer.response.diagnostics.errors.map(({ policyId }) => policyId) : []

describe('replay', () => {
  it('agrees with the gate on random requests, through what is stored and nothing else', () => {
    const bytes = bundleBytes(gate.bundle)
    const seen = new Set<string>()
    fc.assert(
      fc.property(withFacts, (asked) => {
        const verdict = gate.decide(asked)
        const { entitiesJson, ...rest } = verdict.evidence
        const stored: Evidence = { ...JSON.parse(JSON.stringify(rest)), entitiesJson: '' }
        const { effect, reasons } = replay(stored, bytes, entitiesJson)
        expect({ effect, reasons }).toEqual({ effect: verdict.effect, reasons: verdict.reasons })
        seen.add(verdict.effect)
      }),
      { numRuns: 300, seed: 20261120 },
    )
    expect([...seen].sort()).toEqual(['allow', 'denied', 'suspended'])
  })

  it('refuses what is not what the evidence names', () => {
    const asked: GateRequest = {
      chain: [{ kind: 'user', id: 'alice', roles: ['owner'] }],
      action: 'mirror.analyze@1',
      resource: 'a/b',
      risk: 'low',
      facts: {},
      standing: PLAIN_STANDING,
      inScope: true,
      approvals: [],
      solo: false,
      now: '2026-11-20T10:00:00.000Z',
    }
    const { evidence } = gate.decide(asked)
    const bytes = bundleBytes(gate.bundle)
    const bent = Buffer.from(Buffer.from(bytes).toString().replace('forbid', 'permit'))
    const failed = expect.objectContaining({ code: 'verify.failed' })
    expect(() => replayInputs(evidence, bent, evidence.entitiesJson)).toThrow(failed)
    expect(() => replayInputs(evidence, bytes, evidence.entitiesJson.replace('owner', 'ower'))).toThrow(
      failed,
    )
    expect(replayInputs(evidence, bytes, evidence.entitiesJson)).toHaveLength(1)
  })
})
