// What the gate decides: under the starter bundle, under rules of one's own, and under attack.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Bundle, loadBundle, STARTER_DIR } from './bundle.ts'
import { readBundleFiles } from './bundle-files.ts'
import { openGate } from './gate.ts'
import { STARTER_ACTIONS } from './starter-actions.fixture.ts'
import {
  type ActionDefinition,
  type Fact,
  type GateRequest,
  type Mode,
  PLAIN_STANDING,
  type Principal,
} from './types.ts'

const ACTIONS: readonly ActionDefinition[] = [
  {
    name: 'state.put@1',
    facts: { namespace: 'string?', sizeBytes: 'integer?', tags: 'strings?', isNew: 'boolean?' },
  },
  { name: 'mirror.analyze@1' },
  ...STARTER_ACTIONS,
]
const owner: Principal = { kind: 'user', id: 'alice', roles: ['owner'] }
const auditor: Principal = { kind: 'user', id: 'ada', roles: ['auditor'] }
const readsLog = { action: 'log.read@1', resource: 'log', risk: 'high', facts: {} } as const
const agent: Principal = { kind: 'agent', id: 'bot', roles: [] }
const request = (change: Partial<GateRequest> = {}): GateRequest => ({
  chain: [owner],
  action: 'state.put@1',
  resource: 'state/ns',
  risk: 'low',
  facts: {},
  standing: PLAIN_STANDING,
  inScope: true,
  approvals: [],
  solo: false,
  now: '2026-11-20T10:00:00.000Z',
  ...change,
})

const starterFiles = await readBundleFiles(STARTER_DIR)
const starter = await loadBundle(starterFiles)
const schema = starterFiles.filter(({ name }) => name.endsWith('.cedarschema'))
const rules = (...texts: string[]): Promise<Bundle> =>
  loadBundle([...schema, { name: 'x.cedar', text: texts.join('\n') }])
const gateOf = async (bundle: Bundle | Promise<Bundle>, mode: Mode = 'enforce') =>
  openGate({ bundle: await bundle, actions: ACTIONS, rollout: { mode } })

const PERMIT_ALL = '@id("all") permit (principal, action, resource);'
// Validation cannot see an overflow, so this rule passes it and fails when it is evaluated.
const OVERFLOW = 'when { context has sizeBytes && context.sizeBytes * 9223372036854775807 > 0 };'
const FAILING_FORBID = `@id("fails") forbid (principal, action == Polity::Action::"state.put@1", resource) ${OVERFLOW}`

describe('the starter bundle', async () => {
  const gate = await gateOf(starter)
  it.each<[string, Partial<GateRequest>, string, string[]]>([
    ['the owner may do what is risky', { risk: 'high' }, 'allow', ['owner']],
    ['anyone signed in may do what is low', { chain: [agent] }, 'allow', ['low-risk']],
    ['medium risk is for the owner', { chain: [agent], risk: 'medium' }, 'denied', []],
    ['an auditor may read the log', { chain: [auditor], ...readsLog }, 'allow', ['auditor']],
    ['and nothing else that is risky', { chain: [auditor], risk: 'medium' }, 'denied', []],
    ['nor can others', { chain: [agent], ...readsLog }, 'denied', []],
    ['nor through an auditor', { chain: [auditor, agent], ...readsLog }, 'denied', []],
    ['unclassified is high', { chain: [agent], risk: undefined }, 'denied', []],
    ['every link must be permitted', { chain: [owner, agent], risk: 'high' }, 'denied', []],
    ['in both directions', { chain: [agent, owner], risk: 'high' }, 'denied', []],
    ['a token is held to its scope', { inScope: false }, 'denied', ['token-scope']],
    ['critical waits for an owner', { risk: 'critical' }, 'suspended', ['critical-needs-owner']],
    ['who agrees releases it', { risk: 'critical', approvals: ['owner:1'] }, 'allow', ['owner']],
    [
      'another approval does not',
      { risk: 'critical', approvals: ['owner:10', 'Owner:1'] },
      'suspended',
      ['critical-needs-owner'],
    ],
    [
      'no approval helps out of scope',
      { risk: 'critical', inScope: false },
      'denied',
      ['critical-needs-owner', 'token-scope'],
    ],
    [
      'no approval helps whom nothing permits',
      { risk: 'critical', chain: [agent] },
      'denied',
      ['critical-needs-owner'],
    ],
    [
      'the hub works on its own',
      { chain: [{ kind: 'hub', id: 'main', roles: [] }], risk: 'high' },
      'allow',
      ['hub'],
    ],
    [
      'a component is not the hub',
      { chain: [{ kind: 'component', id: 'main', roles: [] }], risk: 'high' },
      'denied',
      [],
    ],
  ])('%s', (_, change, effect, reasons) => {
    const verdict = gate.decide(request(change))
    expect(verdict).toMatchObject({ effect, reasons, errors: [], mode: 'enforce' })
    expect(verdict.wouldEffect).toBeUndefined()
    expect(verdict.obligations).toEqual(effect === 'suspended' ? ['owner:1'] : [])
  })

  it('lets a lone owner go ahead and says so, but not an agent beside the owner', () => {
    const deputy: Principal = { ...agent, roles: ['deputy'] }
    expect(gate.decide(request({ risk: 'critical', solo: true }))).toMatchObject({
      effect: 'allow',
      solo: true,
    })
    expect(gate.decide(request({ risk: 'critical', solo: true, chain: [owner, deputy] }))).toMatchObject({
      effect: 'denied',
      solo: false,
    })
    expect(gate.decide(request({ risk: 'low', solo: true }))).toMatchObject({ effect: 'allow', solo: false })
    const approved = request({ risk: 'critical', solo: true, approvals: ['owner:1'] })
    expect(gate.decide(approved)).toMatchObject({ effect: 'allow', solo: false })
  })

  it('says what happened in one sentence', () => {
    expect(gate.decide(request({ chain: [owner, agent], inScope: false })).sentence).toBe(
      'agent "bot" for user "alice" may not run "state.put@1" on "state/ns": forbidden by token-scope (The token does not cover this action).',
    )
    expect(gate.decide(request({ risk: 'critical' })).sentence).toContain('owner:1 must agree')
    expect(gate.decide(request({ chain: [agent], risk: 'high' })).sentence).toContain('no rule permits it')
  })

  it('promises nobody that an agreement would help where it would not', async () => {
    // Nothing permits it: that it is critical, too, is beside the point.
    expect(gate.decide(request({ chain: [agent], risk: 'critical' })).sentence).toBe(
      'agent "bot" may not run "state.put@1" on "state/ns": no rule permits it, whoever agrees; also forbidden by critical-needs-owner.',
    )
    // What nobody can lift is told, although the other comes first.
    expect(gate.decide(request({ inScope: false, risk: 'critical' })).sentence).toBe(
      'user "alice" may not run "state.put@1" on "state/ns": forbidden by critical-needs-owner, token-scope (The token does not cover this action).',
    )
    const young = { ...PLAIN_STANDING, autonomous: true, trust: 0 }
    const bare = { chain: [agent], risk: 'medium', standing: young } as const
    for (const mode of ['enforce', 'log-only'] as const)
      expect((await gateOf(starter, mode)).decide(request(bare)).sentence).toContain(
        ': no rule permits it, whoever agrees; also forbidden by guardrail-medium.',
      )
  })

  it('keeps what a rule says of an agreement to itself where another rule is in the way', async () => {
    const ask = (id: string, who: string, rest = '') =>
      `@id("${id}") @obligation("${who}:1") @description("Earn trust, or have the agreement of ${who}")
        forbid (principal, action, resource) ${rest} unless { context.approvals.contains("${who}:1") };`
    const sentence = async (chain: Principal[], ...texts: string[]) =>
      (await gateOf(rules(...texts))).decide(request({ chain })).sentence.split('": ')[1]
    const total = '@id("zero") forbid (principal, action, resource);'
    expect(await sentence([owner], PERMIT_ALL, ask('a', 'owner'), total)).toBe('forbidden by a, zero.')
    // The agreement meets a rule that stops whatever was agreed to.
    const never = `@id("never") forbid (principal, action, resource) when { context.approvals.contains("owner:1") };`
    expect(await sentence([owner], PERMIT_ALL, ask('a', 'owner'), never)).toBe(
      'forbidden by a, whoever agrees.',
    )
    // Nothing permits the one link, and the rule that asks for an agreement stops the other.
    const some = '@id("some") permit (principal in Polity::Role::"owner", action, resource);'
    const ofOwner = ask('a', 'owner').replace('principal,', 'principal in Polity::Role::"owner",')
    expect(await sentence([owner, agent], some, ofOwner)).toBe(
      'no rule permits it, whoever agrees; also forbidden by a.',
    )
  })

  it('finds the same risk whoever has agreed, and whether or not anybody else could', async () => {
    const text = `@id("all") permit (principal, action, resource);
      @id("r") @risk("high") forbid (principal, action, resource) unless { context.approvals.contains("owner:1") };
      @id("s") @risk("critical") forbid (principal, action, resource) when { context.solo };`
    const [schema] = (await readBundleFiles(STARTER_DIR)).filter(({ name }) => name.endsWith('schema'))
    if (schema === undefined) throw new Error('no schema')
    const risky = await openGate({
      bundle: await loadBundle([schema, { name: 'x.cedar', text }]),
      actions: ACTIONS,
    })
    for (const change of [{}, { approvals: ['owner:1'] }, { solo: true }])
      expect(risky.classify(request({ risk: 'low', ...change }))).toEqual({
        risk: 'high',
        declaredRisk: 'low',
        raisedBy: ['r'],
      })
  })

  it('denies an action that nobody declared', () => {
    const verdict = gate.decide(request({ action: 'state.erase@1' }))
    expect(verdict).toMatchObject({ effect: 'denied', reasons: [], errors: [{ policy: '' }] })
    expect(gate.decide(request({ action: '__proto__' })).effect).toBe('denied')
    expect(gate.decide(request({ action: 'state.put' })).effect).toBe('denied')
  })

  it('takes look-alikes for others', () => {
    const chain = (role: string, id = 'eve'): GateRequest['chain'] => [{ kind: 'user', id, roles: [role] }]
    for (const role of [
      'оwner',
      'owner\u200b',
      'Owner',
      'owner ',
      'ｏwner',
      'owner\u0000',
      'owner"',
      'Polity::Role::"owner"',
    ]) {
      expect(gate.decide(request({ chain: chain(role), risk: 'high' })).effect).toBe('denied')
    }
    expect(
      gate.decide(request({ chain: [{ kind: 'agent', id: 'main', roles: [] }], risk: 'high' })).effect,
    ).toBe('denied')
  })

  it('shows hostile names without their power', () => {
    const { sentence } = gate.decide(
      request({ chain: [{ ...owner, id: 'a"\n\u202e\u0007' }], resource: 'x'.repeat(500) }),
    )
    expect(sentence).toContain('user "a\\"\\u{a}\\u{202e}\\u{7}"')
    expect(sentence.length).toBeLessThan(300)
  })
})

describe('rules of one’s own', () => {
  it('no policies permit nothing', async () => {
    expect((await gateOf(rules())).decide(request())).toMatchObject({ effect: 'denied', reasons: [] })
  })

  it('reach exactly the actions of their head', async () => {
    const gate = await gateOf(
      rules(
        '@id("one") permit (principal, action == Polity::Action::"state.put@1", resource);',
        '@id("group") permit (principal, action in Polity::Action::"state", resource);',
        '@id("list") permit (principal, action in [Polity::Action::"mirror", Polity::Action::"state.put"], resource);',
        // A group is not the actions in it.
        '@id("exact-group") permit (principal, action == Polity::Action::"state", resource);',
      ),
    )
    expect(gate.decide(request()).reasons).toEqual(['group', 'list', 'one'])
    expect(gate.decide(request({ action: 'mirror.analyze@1' })).reasons).toEqual(['list'])
  })

  it('reach the folders of a resource', async () => {
    const gate = await gateOf(
      rules(
        '@id("in") permit (principal, action, resource in Polity::Resource::"state/prod");',
        '@id("like") permit (principal, action, resource) when { resource.path like "logs/*-public" };',
      ),
    )
    const effect = (resource: string) => gate.decide(request({ resource })).effect
    expect(['state/prod', 'state/prod/a/b', 'logs/a-public'].map(effect)).toEqual(['allow', 'allow', 'allow'])
    expect(
      ['state', 'state/production', 'state/prod2/prod', 'state/./prod', '/state/prod', 'logs/a'].map(effect),
    ).not.toContain('allow')
  })

  it('can look at facts and at the time', async () => {
    const gate = await gateOf(
      rules(
        '@id("facts") permit (principal, action == Polity::Action::"state.put@1", resource) when { context has tags && context.tags.contains("ok") && context has sizeBytes && context.sizeBytes < 10 };',
        '@id("late") forbid (principal, action, resource) when { context.now >= datetime("2027-01-01") };',
      ),
    )
    const facts = { tags: ['b', 'ok'], sizeBytes: 9 }
    expect(gate.decide(request({ facts })).effect).toBe('allow')
    expect(gate.decide(request({ facts: { ...facts, sizeBytes: 10 } })).effect).toBe('denied')
    expect(gate.decide(request({ facts, now: '2027-01-01T00:00:00Z' })).reasons).toEqual(['late'])
  })

  it('suspend only when all that is owed would be enough', async () => {
    const needs = (id: string, owed: string, inFact = owed) =>
      `@id("${id}") @obligation("${owed}") forbid (principal, action, resource) unless { context.approvals.contains("${inFact}") };`
    const both = await gateOf(rules(PERMIT_ALL, needs('a', 'owner:1'), needs('b', 'security:2')))
    expect(both.decide(request())).toMatchObject({
      effect: 'suspended',
      obligations: ['owner:1', 'security:2'],
    })
    expect(both.decide(request({ approvals: ['owner:1'] }))).toMatchObject({
      effect: 'suspended',
      obligations: ['security:2'],
      reasons: ['b'],
    })
    const misspelt = await gateOf(rules(PERMIT_ALL, needs('a', 'owner:1', 'ower:1')))
    expect(misspelt.decide(request())).toMatchObject({ effect: 'denied', obligations: [], reasons: ['a'] })
    const trap =
      '@id("t") forbid (principal, action, resource) when { context.approvals.contains("owner:1") };'
    const closed = await gateOf(rules(PERMIT_ALL, needs('a', 'owner:1'), trap))
    expect(closed.decide(request()).effect).toBe('denied')
  })

  it('suspend only when every deciding rule says what it is owed', async () => {
    const unless = 'forbid (principal, action, resource) unless { context.approvals.contains("owner:1") };'
    const gate = await gateOf(
      rules(PERMIT_ALL, `@id("a") @obligation("owner:1") ${unless}`, `@id("b") ${unless}`),
    )
    expect(gate.decide(request())).toMatchObject({ effect: 'denied', reasons: ['a', 'b'], obligations: [] })
  })

  it('see solo as it is, so that a rule against it holds', async () => {
    const gate = await gateOf(
      rules(PERMIT_ALL, '@id("s") forbid (principal, action, resource) when { context.solo };'),
    )
    expect(gate.decide(request({ solo: true }))).toMatchObject({ effect: 'denied', solo: false })
  })

  it('in the shadow change nothing and report what they would change', async () => {
    const gate = await gateOf(
      rules(
        PERMIT_ALL,
        '@id("s1") @state("shadow") forbid (principal is Polity::Agent, action, resource);',
        '@id("s2") @state("shadow") forbid (principal, action, resource) unless { context.inScope };',
        `@id("s3") @state("shadow") ${FAILING_FORBID.slice('@id("fails") '.length)}`,
      ),
    )
    expect(gate.decide(request())).toMatchObject({ effect: 'allow', shadow: [] })
    expect(gate.decide(request({ chain: [owner, agent] }))).toMatchObject({ effect: 'allow', shadow: ['s1'] })
    expect(gate.decide(request({ inScope: false, facts: { sizeBytes: 2 } }))).toMatchObject({
      effect: 'allow',
      errors: [],
      shadow: ['s2', 's3'],
    })
    const opening = await gateOf(rules('@id("p") @state("shadow") permit (principal, action, resource);'))
    expect(opening.decide(request())).toMatchObject({ effect: 'denied', shadow: ['p'] })
  })
})

describe('a rule that cannot be evaluated', () => {
  it('denies when it is a forbid, although Cedar itself would let it pass', async () => {
    const gate = await gateOf(rules(PERMIT_ALL, FAILING_FORBID))
    expect(gate.decide(request({ facts: { sizeBytes: 1 } })).effect).toBe('denied')
    const verdict = gate.decide(request({ facts: { sizeBytes: 2 } }))
    expect(verdict).toMatchObject({ effect: 'denied', reasons: ['fails'], errors: [{ policy: 'fails' }] })
    expect(verdict.sentence).toContain('could not be evaluated')
    expect(gate.decide(request()).effect).toBe('allow')
  })

  it('denies for a missing attribute of a missing entity, and no approval heals it', async () => {
    const missing =
      '@id("ghost") @obligation("owner:1") forbid (principal, action, resource) when { Polity::User::"ghost".id == "x" } unless { context.approvals.contains("owner:1") };'
    const gate = await gateOf(rules(PERMIT_ALL, missing))
    expect(gate.decide(request())).toMatchObject({ effect: 'denied', reasons: ['ghost'], obligations: [] })
  })

  it('stays denied where an approval would only hide the failure', async () => {
    const hidden =
      '@id("h") @obligation("owner:1") forbid (principal, action == Polity::Action::"state.put@1", resource) when { !context.approvals.contains("owner:1") && context has sizeBytes && context.sizeBytes * 9223372036854775807 > 0 };'
    const gate = await gateOf(rules(PERMIT_ALL, hidden))
    const facts = { sizeBytes: 2 }
    expect(gate.decide(request({ facts }))).toMatchObject({ effect: 'denied', reasons: ['h'] })
    expect(gate.decide(request({ facts, approvals: ['owner:1'] })).effect).toBe('allow')
  })

  it('permits nothing when it is a permit, and is reported', async () => {
    const failing = `@id("p") permit (principal, action == Polity::Action::"state.put@1", resource) ${OVERFLOW}`
    const facts = { sizeBytes: 2 }
    expect((await gateOf(rules(failing))).decide(request({ facts }))).toMatchObject({
      effect: 'denied',
      reasons: [],
      errors: [{ policy: 'p' }],
    })
    expect((await gateOf(rules(PERMIT_ALL, failing))).decide(request({ facts }))).toMatchObject({
      effect: 'allow',
      reasons: ['all'],
      errors: [{ policy: 'p' }],
    })
  })
})

describe('modes', () => {
  const outOfScope = request({ inScope: false })
  it('log-only blocks nothing and says what would be', async () => {
    const gate = await gateOf(starter, 'log-only')
    const verdict = gate.decide(outOfScope)
    expect(verdict).toMatchObject({ effect: 'allow', wouldEffect: 'denied', reasons: ['token-scope'] })
    expect(verdict.sentence).toContain('would be denied')
    expect(gate.decide(request({ risk: 'critical' }))).toMatchObject({
      effect: 'allow',
      wouldEffect: 'suspended',
      obligations: ['owner:1'],
    })
    expect(gate.decide(request())).not.toHaveProperty('wouldEffect')
  })

  it('enforce-critical blocks at critical risk only', async () => {
    const gate = await gateOf(starter, 'enforce-critical')
    expect(gate.decide(outOfScope)).toMatchObject({ effect: 'allow', wouldEffect: 'denied' })
    expect(gate.decide({ ...outOfScope, risk: undefined }).effect).toBe('allow')
    expect(gate.decide({ ...outOfScope, risk: 'critical' })).toMatchObject({ effect: 'denied' })
    expect(gate.decide(request({ risk: 'critical' }))).toMatchObject({ effect: 'suspended' })
  })

  it('inviolable rules block in every mode, and only they', async () => {
    const sacred =
      '@id("sacred") @inviolable("true") forbid (principal, action, resource in Polity::Resource::"vault");'
    const plain = '@id("plain") forbid (principal, action, resource) unless { context.inScope };'
    const gate = await gateOf(rules(PERMIT_ALL, sacred, plain), 'log-only')
    expect(gate.decide(request({ resource: 'vault/x', inScope: false }))).toMatchObject({
      effect: 'denied',
      reasons: ['sacred'],
    })
    expect(gate.decide(outOfScope)).toMatchObject({
      effect: 'allow',
      wouldEffect: 'denied',
      reasons: ['plain'],
    })
    const failing = await gateOf(
      rules(PERMIT_ALL, FAILING_FORBID.replace('"fails")', '"fails") @inviolable("true")')),
      'log-only',
    )
    expect(failing.decide(request({ facts: { sizeBytes: 2 } })).effect).toBe('denied')
    expect(failing.decide(request({ action: 'not.declared@1' })).effect).toBe('denied')
  })

  it('an inviolable rule that owes something suspends in log-only', async () => {
    const owed =
      '@id("i") @inviolable("true") @obligation("owner:1") forbid (principal, action, resource) unless { context.approvals.contains("owner:1") };'
    const plain = '@id("plain") forbid (principal, action, resource) unless { context.inScope };'
    const gate = await gateOf(rules(owed, plain), 'log-only')
    expect(gate.decide(outOfScope)).toMatchObject({
      effect: 'suspended',
      wouldEffect: 'denied',
      reasons: ['i'],
      obligations: ['owner:1'],
    })
    expect(gate.decide({ ...outOfScope, approvals: ['owner:1'] }).effect).toBe('allow')
  })
})

describe('a hostile request', async () => {
  const gate = await gateOf(rules(PERMIT_ALL))
  const facts = (value: unknown) => value as Record<string, Fact>
  it.each<[string, Partial<GateRequest>]>([
    ['a float', { facts: { sizeBytes: 1.5 } }],
    ['a huge integer', { facts: { sizeBytes: 2 ** 53 } }],
    ['not a number', { facts: { sizeBytes: Number.NaN } }],
    ['null', { facts: facts({ namespace: null }) }],
    ['another type', { facts: { namespace: 3 } }],
    [
      'an object that Cedar would read as an entity',
      { facts: facts({ namespace: { __entity: { type: 'Polity::Role', id: 'owner' } } }) },
    ],
    ['a list of something else', { facts: facts({ tags: [1] }) }],
    ['a list with a hole', { facts: facts({ tags: new Array(2) }) }],
    ['a fact that nobody declared', { facts: { other: 'x' } }],
    ['a fact that names a part of the context', { facts: { solo: true } }],
    ['__proto__', { facts: facts(JSON.parse('{"__proto__":{"namespace":"x"}}')) }],
    ['constructor', { facts: { constructor: 'x' } }],
    ['__extn', { facts: { __extn: 'x' } }],
    ['a giant string', { facts: { namespace: 'x'.repeat(5000) } }],
    ['giant facts', { facts: { tags: Array.from({ length: 256 }, (_, i) => `${i}${'x'.repeat(200)}`) } }],
    ['too many tags', { facts: { tags: Array.from({ length: 257 }, String) } }],
    ['a lone surrogate', { facts: { namespace: '\ud800' } }],
    ['a lone surrogate in a name', { chain: [{ ...owner, id: '\udfff' }] }],
    ['nobody', { chain: [] }],
    ['everybody', { chain: Array.from({ length: 9 }, () => owner) }],
    ['a principal of no kind', { chain: [{ ...owner, kind: 'constructor' as Principal['kind'] }] }],
    ['a principal without id', { chain: [{ ...owner, id: '' }] }],
    ['one principal with two faces', { chain: [owner, { ...owner, roles: [] }] }],
    ['too many roles', { chain: [{ ...owner, roles: Array.from({ length: 65 }, String) }] }],
    ['a giant name', { chain: [{ ...owner, id: 'x'.repeat(300) }] }],
    ['no resource', { resource: '' }],
    ['a giant resource', { resource: 'x'.repeat(513) }],
    ['a bottomless resource', { resource: 'x/'.repeat(40) }],
    ['a giant action', { action: 'x'.repeat(129) }],
    ['too many approvals', { approvals: Array.from({ length: 65 }, String) }],
    ['another risk', { risk: 'none' as 'low' }],
    ['a local time', { now: '2026-11-20T10:00:00+01:00' }],
    ['a day that is none', { now: '2026-02-30T10:00:00Z' }],
    ['no time', { now: 'datetime("2026-11-20")' }],
  ])('is refused: %s', (_, change) => {
    expect(() => gate.decide(request(change))).toThrow(expect.objectContaining({ code: 'input.invalid' }))
  })

  it('is not refused for what is merely strange', () => {
    const chain = [
      { kind: 'service', id: '"\\\n\u0000 Polity::User::"x"', roles: ['', 'a"b', 'é', 'e\u0301'] },
    ] as const
    const facts = { namespace: '\u0000"\\', sizeBytes: -0, tags: ['😀', '😀', ''] }
    const verdict = gate.decide(request({ chain, facts, resource: '//a//"b"\\/' }))
    expect(verdict).toMatchObject({ effect: 'allow', errors: [] })
    expect(verdict.evidence.context).toMatchObject({ sizeBytes: 0, tags: ['', '😀'] })
  })
})

describe('swapping bundles', () => {
  it('takes effect at once, whole, and leaves the old in force when the new is bad', async () => {
    const gate = await gateOf(rules(PERMIT_ALL))
    const before = gate.bundle.digest
    expect(gate.decide(request()).effect).toBe('allow')
    const bad = await rules('@id("x") permit (principal, action == Polity::Action::"no.such@1", resource);')
    expect(() => gate.load(bad)).toThrow(expect.objectContaining({ code: 'gate.bundle.invalid' }))
    expect(gate.bundle.digest).toBe(before)
    expect(gate.decide(request()).evidence.bundle).toBe(before)
    gate.load(await rules())
    expect(gate.decide(request()).effect).toBe('denied')
    expect(gate.decide(request()).evidence.bundle).toBe(gate.bundle.digest)
  })

  it('keeps what the rules before said, each apart from the other', async () => {
    const gate = await gateOf(rules(PERMIT_ALL))
    expect(gate.decideBefore(request())).toBeUndefined()
    const open = gate.bundle.digest
    gate.load(await rules())
    for (let at = 0; at < 3; at++) {
      expect(gate.decide(request()).effect).toBe('denied')
      expect(gate.decideBefore(request())).toMatchObject({ effect: 'allow', evidence: { bundle: open } })
    }
    gate.load(gate.source, undefined, { mode: 'log-only' })
    expect([gate.decide(request()).effect, gate.decideBefore(request())?.effect]).toEqual(['allow', 'allow'])
    gate.load(await rules(PERMIT_ALL))
    expect([gate.decide(request()).effect, gate.decideBefore(request())?.effect]).toEqual(['allow', 'allow'])
    expect(gate.decideBefore(request())).toMatchObject({ wouldEffect: 'denied' })
  })

  it('can bring other actions', async () => {
    const gate = await gateOf(rules(PERMIT_ALL))
    gate.load(gate.source, [...ACTIONS, { name: 'new.thing@1' }])
    expect(gate.decide(request({ action: 'new.thing@1' })).effect).toBe('allow')
    gate.load(gate.source)
    expect(gate.decide(request({ action: 'new.thing@1' })).effect).toBe('allow')
  })

  it('keeps gates apart', async () => {
    const [open, closed] = [await gateOf(rules(PERMIT_ALL)), await gateOf(rules())]
    expect([open.decide(request()).effect, closed.decide(request()).effect]).toEqual(['allow', 'denied'])
    expect([open.decide(request()).effect, closed.decide(request()).effect]).toEqual(['allow', 'denied'])
  })
})

it('the same request has the same verdict, whatever the order of its sets and keys', async () => {
  const [one, two] = [await gateOf(starter), await gateOf(starter)]
  fc.assert(
    fc.property(fc.uniqueArray(fc.string(), { maxLength: 8 }), fc.boolean(), (names, inScope) => {
      const [given, turned] = [names, [...names].reverse()].map((roles) =>
        request({
          chain: [{ ...owner, roles }],
          approvals: roles,
          facts: { tags: roles, namespace: 'x' },
          inScope,
        }),
      )
      if (given === undefined || turned === undefined) return
      const verdict = JSON.stringify(one.decide(given))
      expect(JSON.stringify(one.decide(given))).toBe(verdict)
      expect(JSON.stringify(two.decide({ ...turned, facts: { namespace: 'x', tags: names } }))).toBe(verdict)
    }),
    { numRuns: 50 },
  )
})
