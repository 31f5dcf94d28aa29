// Nobody makes himself a second voice: what hands one out is agreed to by another owner, who sees the digest of a token and never its text.

import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { Hub, HubOptions } from '../../src/hub.ts'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import type { Answer } from '../../src/kernel/catalog/invoke.ts'
import { MISSED_MS } from '../../src/kernel/identity/alone.ts'
import { type OwnToken, ownToken } from '../../src/kernel/identity/token-text.ts'
import { proceduresModule } from '../../src/modules/procedures/module.ts'
import { outputOf, reached, shown, vote } from './lab/approvals.ts'
import { movableClock } from './lab/clock.ts'
import { codeOf, ENGINES, entriesOf, errorOf, openTestHub, owner } from './lab/hubs.ts'
import { lab } from './lab/module.ts'

const modules = [lab(), proceduresModule]
const made = (): OwnToken => ownToken(randomBytes(32))
const asked = ({ digest }: OwnToken, more: object = {}) => ({
  kind: 'user',
  id: 'bob',
  roles: ['owner'],
  secretDigest: digest,
  ...more,
})

/** As `token.create` answers an owner who is alone. */
async function issued(hub: Hub, id: string, ...roles: string[]): Promise<Caller> {
  const token = made()
  const answer = await hub.invoke(owner, 'token.create', {
    kind: 'user',
    id,
    roles,
    secretDigest: token.digest,
  })
  expect(answer.status).toBe('done')
  return hub.identity.byToken(token.text)
}

/** Two owners, each with a token. */
async function withTwo(more: Partial<HubOptions> = {}, engine: 'memory' | 'sqlite' = 'memory') {
  const hub = await openTestHub(engine, { modules, ...more })
  const alice: Caller = hub.owner
  const bob = await issued(hub, 'bob', 'owner')
  return { hub, alice, bob }
}

const waiting = (answer: Answer): string => {
  expect(answer).toMatchObject({ status: 'suspended', obligations: ['owner:1'] })
  return (answer.status === 'suspended' && answer.approval) || ''
}

describe.each(ENGINES)('a token that another owner agrees to (%s)', (engine) => {
  it('is good once he has, and known to nobody but who asked', async () => {
    const { hub, alice, bob } = await withTwo({}, engine)
    const token = made()
    const input = asked(token, { id: 'cyd' })
    const approval = waiting(await hub.invoke(alice, 'token.create', input, { key: 'k' }))
    expect(await codeOf(hub.identity.byToken(token.text))).toBe('auth.invalid')
    expect((await shown(hub, approval)).input).toEqual(input)
    expect(await codeOf(vote(hub, alice, approval))).toBe('approvals.self')
    await vote(hub, bob, approval)
    await reached(hub, approval, 'carried-out')
    expect(await hub.identity.byToken(token.text)).toEqual({
      chain: [{ kind: 'user', id: 'cyd', roles: ['owner'] }],
      token: token.id,
    })
    // Whoever comes back is answered what came of it: there is no tombstone where there is no secret.
    const again = await hub.invoke(alice, 'token.create', input, { key: 'k' })
    expect(outputOf(again)).toEqual({
      id: token.id,
      principal: { kind: 'user', id: 'cyd', roles: ['owner'] },
    })
    const secret = token.text.slice(-43)
    expect(JSON.stringify(await entriesOf(hub))).not.toContain(secret)
  })

  it('that is asked for once is not swapped for another, before or after', async () => {
    const { hub, alice, bob } = await withTwo({}, engine)
    const [token, other] = [made(), made()]
    const ask = (each: OwnToken) =>
      hub.invoke(alice, 'token.create', asked(each, { id: 'cyd' }), { key: 'k' })
    const approval = waiting(await ask(token))
    expect(await codeOf(ask(other))).toBe('idempotency.conflict')
    await vote(hub, bob, approval)
    await reached(hub, approval, 'carried-out')
    expect(await codeOf(ask(other))).toBe('idempotency.conflict')
    // Without the key it is another request, and what was agreed to is used up.
    const anew = waiting(await hub.invoke(alice, 'token.create', asked(other, { id: 'cyd' })))
    expect(anew).not.toBe(approval)
    expect(await codeOf(hub.identity.byToken(other.text))).toBe('auth.invalid')
  })
})

describe('a digest', () => {
  it('goes through at once where nobody has to agree, and comes back under its key', async () => {
    const hub = await openTestHub('memory', { modules })
    const token = made()
    const input = { kind: 'agent', id: 'bot', secretDigest: token.digest }
    for (let time = 0; time < 2; time++)
      expect(outputOf(await hub.invoke(owner, 'token.create', input, { key: 'k' }))).toEqual({
        id: token.id,
        principal: { kind: 'agent', id: 'bot', roles: [] },
      })
    expect((await hub.identity.byToken(token.text)).chain).toEqual([{ kind: 'agent', id: 'bot', roles: [] }])
    const [bootstrap, entry, ...others] = await entriesOf(hub, 'identity.token-issued@1')
    expect(others).toEqual([])
    expect(bootstrap).toBeDefined()
    expect(entry?.data).toMatchObject({ verifier: token.digest })
  })

  it.each([
    ['too short', 'ab'.repeat(31)],
    ['too long', 'ab'.repeat(33)],
    ['in capitals', 'AB'.repeat(32)],
    ['with a word before it', `sha256:${'ab'.repeat(32)}`],
    ['no text', 7],
    ['all zeroes', '0'.repeat(64)],
    ['all the same', 'f'.repeat(64)],
    ['of nothing', createHash('sha256').digest('hex')],
  ])('that is %s is refused', async (_, secretDigest) => {
    const hub = await openTestHub('memory', { modules })
    const input = { kind: 'agent', id: 'bot', secretDigest }
    expect(await errorOf(hub.invoke(owner, 'token.create', input))).toMatchObject({
      code: 'input.invalid',
      facts: { violations: [{ pointer: '/secretDigest' }] },
    })
  })

  it('that the log shows of somebody else, or begins like it, is refused, revoked or not', async () => {
    const hub = await openTestHub('memory', { modules })
    const verifierOf = (text: string) => createHash('sha256').update(text.slice(-43)).digest('hex')
    const ofOwner = verifierOf(hub.ownerToken)
    const token = made()
    const ask = (secretDigest: string) =>
      hub.invoke(owner, 'token.create', { kind: 'agent', id: 'bot', secretDigest })
    await ask(token.digest)
    const alike = token.id + 'c0ffee'.repeat(8)
    const ofOwnersId = hub.ownerToken.slice(4, 20) + 'c0ffee'.repeat(8)
    for (const each of [ofOwner, token.digest, alike, ofOwnersId])
      expect(await codeOf(ask(each))).toBe('token.digest-used')
    await hub.invoke(owner, 'token.revoke', { id: token.id })
    expect(await codeOf(ask(token.digest))).toBe('token.digest-used')
    expect(await hub.identity.byToken(hub.ownerToken)).toMatchObject(owner)
  })

  it('is taken once, by however many at a time', async () => {
    const hub = await openTestHub('memory', { modules })
    const { digest, text } = made()
    const codes = await Promise.all(
      ['a', 'b', 'c', 'd'].map((id) =>
        hub.invoke(owner, 'token.create', { kind: 'agent', id, secretDigest: digest }).then(
          ({ status }) => status,
          (error: { code: string }) => error.code,
        ),
      ),
    )
    expect(codes.sort()).toEqual(['done', ...Array(3).fill('token.digest-used')])
    expect((await hub.identity.byToken(text)).chain).toHaveLength(1)
  })

  it('that was taken meanwhile makes void what was agreed to', async () => {
    const { hub, alice, bob } = await withTwo()
    const token = made()
    const approval = waiting(await hub.invoke(alice, 'token.create', asked(token, { id: 'cyd' })))
    await hub.invoke(bob, 'token.create', { kind: 'agent', id: 'x', secretDigest: token.digest })
    await vote(hub, bob, approval)
    expect((await reached(hub, approval, 'void')).closed).toMatchObject({ rule: 'token.digest-used' })
    expect((await hub.identity.byToken(token.text)).chain).toEqual([{ kind: 'agent', id: 'x', roles: [] }])
  })
})

describe('a token whose text the hub would make', () => {
  it('is refused before anybody is asked', async () => {
    const { hub, alice } = await withTwo()
    const error = await errorOf(hub.invoke(alice, 'token.create', { kind: 'user', id: 'cyd' }, { key: 'k' }))
    expect(error).toMatchObject({ code: 'approvals.answer-lost', facts: { obligations: ['owner:1'] } })
    expect(error.message).toContain('secretDigest')
    expect(await entriesOf(hub, 'approval.requested@1')).toEqual([])
    // The key was not used up by it.
    const input = { kind: 'user', id: 'cyd', secretDigest: made().digest }
    waiting(await hub.invoke(alice, 'token.create', input, { key: 'k' }))
  })

  it('ends the procedure that asks for it, instead of one that waits in vain', async () => {
    const { hub, alice } = await withTwo()
    const step = { kind: 'action', name: 'voice', action: 'token.create', input: { kind: 'user', id: 'zed' } }
    await hub.invoke(alice, 'procedures.define', { definition: { name: 'round', steps: [step] } })
    expect(await codeOf(hub.invoke(alice, 'procedures.start', { name: 'round' }))).toBe(
      'approvals.answer-lost',
    )
    expect(await entriesOf(hub, 'approval.requested@1')).toEqual([])
  })

  it('is issued as ever where nobody has to agree', async () => {
    const { hub, alice } = await withTwo()
    const { token } = outputOf(await hub.invoke(alice, 'token.create', { kind: 'agent', id: 'bot' })) as {
      token: string
    }
    expect((await hub.identity.byToken(token)).chain).toEqual([{ kind: 'agent', id: 'bot', roles: [] }])
  })
})

describe('an owner who is alone', () => {
  it('makes the second one, on the record, and is alone no more', async () => {
    const hub = await openTestHub('memory', { modules })
    await issued(hub, 'bob', 'owner')
    const decided = (await entriesOf(hub, 'action.decided@1')).filter(
      ({ data }) => data.action === 'token.create@1',
    )
    expect(decided.map(({ data }) => [data.effect, data.risk, data.solo])).toEqual([
      ['allow', 'critical', true],
    ])
    waiting(await hub.invoke(owner, 'token.create', asked(made(), { id: 'cyd' })))
  })
})

describe('an owner among others', () => {
  /** Ways to a voice that is not his: each waits for somebody else. */
  const ways: readonly [string, string, () => object][] = [
    ['a person of his own making', 'token.create', () => asked(made(), { id: 'zed' })],
    ['one whose name only looks like his', 'token.create', () => asked(made(), { id: 'Owner' })],
    ['the other owner', 'token.create', () => asked(made(), { id: 'bob' })],
    ['the seats of a person without roles', 'token.create', () => asked(made(), { id: 'eve', roles: [] })],
    ['a person who may only vote', 'token.create', () => asked(made(), { id: 'zed', scopes: ['approvals'] })],
    ['one for a moment', 'token.create', () => asked(made(), { id: 'zed', expiresInSeconds: 1 })],
    [
      'a role that he does not have',
      'token.create',
      () => asked(made(), { id: 'owner', roles: ['owner', 'security'] }),
    ],
    [
      'the role of those who break the glass',
      'token.create',
      () => asked(made(), { id: 'zed', roles: ['break-glass'] }),
    ],
    [
      'a program that asks for what he agrees to',
      'token.create',
      () => asked(made(), { kind: 'agent', id: 'bot' }),
    ],
    [
      'a service that does',
      'token.create',
      () => asked(made(), { kind: 'service', id: 'owner', roles: ['x', 'owner'] }),
    ],
    [
      'a committee of his friends',
      'approvals.committee',
      () => ({
        name: 'meta',
        members: [{ principal: 'user:owner', weight: 1 }],
        quorum: 1,
        thresholdPercent: 50,
        veto: [],
        votingHours: 1,
      }),
    ],
    [
      'another role that answers',
      'approvals.escalation',
      () => ({ of: 'owner', escalateAfterMinutes: 1, escalateTo: 'friend' }),
    ],
    [
      'an agreement in advance',
      'approvals.standing',
      () => ({
        action: 'token.create',
        resource: 'token',
        requester: 'user:owner',
        obligations: ['owner:1'],
        expiresAt: new Date(Date.now() + 60_000).toISOString(),
        reason: 'why not',
      }),
    ],
    ['other rules', 'gate.mode', () => ({ policy: 'risk-voices', state: 'draft', reason: 'why not' })],
    [
      'the other without his key',
      'approvals.remove-key',
      () => ({ principal: 'user:bob', key: 'ab'.repeat(8) }),
    ],
  ]

  it.each(ways)('waits for the other: %s', async (_, action, input) => {
    const { hub, alice } = await withTwo()
    const approval = waiting(await hub.invoke(alice, action, input()))
    expect(await codeOf(vote(hub, alice, approval))).toBe('approvals.self')
    expect((await shown(hub, approval)).status).toBe('pending')
  })

  it('has the second token of his own name, and one voice', async () => {
    const { hub, alice } = await withTwo()
    const token = made()
    const input = asked(token, { id: 'owner' })
    expect(await hub.invoke(alice, 'token.create', input)).toMatchObject({ status: 'done' })
    const again = await hub.identity.byToken(token.text)
    const approval = waiting(await hub.invoke(alice, 'token.create', asked(made(), { id: 'zed' })))
    expect(await codeOf(vote(hub, again, approval))).toBe('approvals.self')
  })

  it('is not alone for having stopped the other, or taken his tokens away', async () => {
    const clock = movableClock()
    const { hub, alice, bob } = await withTwo({ env: clock.env })
    const ask = () => hub.invoke(alice, 'token.create', asked(made(), { id: 'zed' }))
    await hub.invoke(alice, 'halts.kill', { principal: 'user:bob', reason: 'in my way' })
    waiting(await ask())
    await hub.invoke(alice, 'token.revoke', { id: bob.token ?? '' })
    // Once more, as if it had been himself or another time.
    await hub.invoke(alice, 'token.revoke', { id: bob.token ?? '' })
    const approval = waiting(await ask())
    expect(await codeOf(vote(hub, alice, approval))).toBe('approvals.self')
    clock.pass(MISSED_MS - 60_000)
    waiting(await ask())
    clock.pass(60_000)
    expect(await ask()).toMatchObject({ status: 'done' })
  })

  it('is alone once the other has gone by himself', async () => {
    const { hub, alice, bob } = await withTwo()
    await hub.invoke(bob, 'token.revoke', { id: bob.token ?? '' })
    expect(await hub.invoke(alice, 'token.create', asked(made(), { id: 'zed' }))).toMatchObject({
      status: 'done',
    })
  })

  it('lends nobody a voice that counts for what he asked himself', async () => {
    const { hub, alice } = await withTwo()
    const zed: Caller = { chain: [{ kind: 'user', id: 'zed', roles: [] }] }
    const until = new Date(Date.now() + 3_600_000).toISOString()
    await hub.invoke(alice, 'approvals.delegate', { role: 'owner', to: 'user:zed', until })
    const approval = waiting(await hub.invoke(alice, 'token.create', asked(made(), { id: 'zed' })))
    expect(await codeOf(vote(hub, zed, approval, 'approve', { delegator: 'user:owner' }))).toBe(
      'approvals.not-yours',
    )
  })

  it('finds no way round by having others ask: a procedure asks in his name', async () => {
    const { hub, alice } = await withTwo()
    const step = {
      kind: 'action',
      name: 'voice',
      action: 'token.create',
      input: asked(made(), { id: 'zed' }),
    }
    await hub.invoke(alice, 'procedures.define', { definition: { name: 'round', steps: [step] } })
    const started = await hub.invoke(alice, 'procedures.start', { name: 'round' }, { wait: false })
    expect(started.status).toBe('running')
    await expect
      .poll(async () => (await entriesOf(hub, 'approval.requested@1')).map(({ data }) => data.requester))
      .toEqual([['user:owner']])
    const [requested] = await entriesOf(hub, 'approval.requested@1')
    expect(await codeOf(vote(hub, alice, String(requested?.data.approval)))).toBe('approvals.self')
  })
})
