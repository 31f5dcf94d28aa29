// Keys with which people sign votes, passkeys above all: who may register which, and what a signature is good for.

import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import {
  assertion,
  CREDENTIAL,
  creation,
  type Made,
  spki,
} from '../../src/kernel/approvals/fixtures/authenticator.ts'
import { VoteSignatures } from '../../src/kernel/audit/verify/votes.ts'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import { asPolityError } from '../../src/kernel/errors.ts'
import type { Entry } from '../../src/kernel/log/entry.ts'
import { canonicalText } from '../../src/kernel/schema/canonical.ts'
import {
  ann,
  bob,
  bot,
  count,
  cyd,
  dan,
  held,
  opened,
  outputOf,
  person,
  reached,
  shown,
  vote,
} from './lab/approvals.ts'
import { codeOf, entriesOf, owner } from './lab/hubs.ts'

interface Enrolment {
  readonly principal: string
  readonly offer: string
  readonly vouch?: string
  readonly keys: readonly { readonly key: string }[]
}

const enrolment = async (hub: Hub, caller: Caller, publicKey?: string): Promise<Enrolment> =>
  (await hub.ask(caller, 'approvals.enrolment', publicKey === undefined ? {} : { publicKey }))
    .output as Enrolment

const WHY = { reason: 'tested on staging' }

const newPasskey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })
const newKey = () => generateKeyPairSync('ed25519')

async function register(hub: Hub, caller: Caller, publicKey: KeyObject, more: object = {}): Promise<string> {
  const answer = await hub.invoke(caller, 'approvals.register-key', { publicKey: spki(publicKey), ...more })
  return (outputOf(answer) as { key: string }).key
}

const passkeyOf = async (hub: Hub, caller: Caller, publicKey: KeyObject, made: Made = {}) => ({
  credential: CREDENTIAL,
  registration: creation(publicKey, (await enrolment(hub, caller)).offer, made),
})

/** A statement as an authenticator signs it. */
const by = (key: string, privateKey: KeyObject, statement: string, made: Made = {}) => ({
  signature: { key, ...assertion(privateKey, statement, made) },
})

describe('a voter with a passkey', () => {
  it('signs his votes with it, each once, and the log keeps what he signed', async () => {
    const hub = await opened()
    const { publicKey, privateKey } = newPasskey()
    const key = await register(hub, bob, publicKey, await passkeyOf(hub, bob, publicKey))
    const [approval, other] = [
      await held(hub, ann, 'lab.danger', { note: '' }),
      await held(hub, ann, 'lab.danger', { note: '' }),
    ]
    const { statements } = await shown(hub, approval, bob)
    const refused = async (change: object, caller = bob, id = approval) => {
      expect(await codeOf(vote(hub, caller, id, 'approve', change))).toBe('approvals.signature')
      expect((await shown(hub, id)).votes).toEqual([])
    }
    const yes = by(key, privateKey, statements.approve, { counter: 1 })
    await refused({})
    await refused(yes, bob, other)
    await refused(yes, cyd)
    await refused(by(key, privateKey, statements.deny))
    await refused(by(key, privateKey, statements.approve.replace(approval, other)))
    await refused(by(key, privateKey, statements.approve, { origin: 'https://hub.example.evil' }))
    await refused(by(key, privateKey, statements.approve, { rpId: 'hub.example.evil' }))
    await refused(by(key, privateKey, statements.approve, { type: 'webauthn.create' }))
    await refused(by(key, privateKey, statements.approve, { flags: 0x01 }))
    await refused(by(key, newPasskey().privateKey, statements.approve))
    await refused(by(key, newKey().privateKey, statements.approve))
    await refused({
      signature: {
        key,
        signature: sign(null, Buffer.from(statements.approve), newKey().privateKey).toString('base64'),
      },
    })

    await vote(hub, bob, approval, 'approve', yes)
    expect((await shown(hub, approval)).votes).toMatchObject([{ voter: 'user:bob', assurance: 'signed' }])
    const [voted] = await entriesOf(hub, 'approval.voted@1')
    expect(voted?.data).toMatchObject({ assurance: 'signed', counter: 1, ...yes })

    await hub.invoke(bob, 'approvals.withdraw', { approval })
    await refused(yes)
    const { approve } = (await shown(hub, approval, bob)).statements
    await refused(by(key, privateKey, approve, { counter: 1 }))
    await vote(hub, bob, approval, 'approve', by(key, privateKey, approve, { counter: 2 }))
  })

  it('whose key was taken away signs with it no more', async () => {
    const hub = await opened()
    const [first, second] = [newKey(), newPasskey()]
    const firstKey = await register(hub, bob, first.publicKey)
    const { vouch = '' } = await enrolment(hub, bob, spki(second.publicKey))
    const passkey = {
      ...(await passkeyOf(hub, bob, second.publicKey)),
      signature: {
        key: firstKey,
        signature: sign(null, Buffer.from(vouch), first.privateKey).toString('base64'),
      },
    }
    const key = await register(hub, bob, second.publicKey, passkey)
    outputOf(await hub.invoke(owner, 'approvals.remove-key', { principal: 'user:bob', key }))

    const approval = await held(hub, ann, 'lab.danger', { note: '' })
    const { approve } = (await shown(hub, approval, bob)).statements
    expect(await codeOf(vote(hub, bob, approval, 'approve', by(key, second.privateKey, approve)))).toBe(
      'approvals.signature',
    )
    // What vouched for it then does not bring it back.
    expect(await codeOf(register(hub, bob, second.publicKey, passkey))).toBe('approvals.signature')
    const again = { ...passkey, ...(await passkeyOf(hub, bob, second.publicKey)) }
    expect(await codeOf(register(hub, bob, second.publicKey, again))).toBe('approvals.signature')
    expect((await enrolment(hub, bob)).keys.map((each) => each.key)).toEqual([firstKey])
  })

  it('whose key was taken away before it was done has not voted', async () => {
    const hub = await opened()
    const { publicKey, privateKey } = newPasskey()
    const key = await register(hub, bob, publicKey, await passkeyOf(hub, bob, publicKey))
    const approval = await held(hub, ann, 'lab.danger', { note: '' })
    const { approve } = (await shown(hub, approval, bob)).statements
    await vote(hub, bob, approval, 'approve', by(key, privateKey, approve))
    outputOf(await hub.invoke(owner, 'approvals.remove-key', { principal: 'user:bob', key }))
    expect(await vote(hub, cyd, approval)).toEqual({ approval, status: 'pending', owed: ['security:2'] })
    expect((await shown(hub, approval)).votes).toMatchObject([{ voter: 'user:cyd' }])
    expect(await count(hub, 'approval.vote-dropped@1', approval)).toBe(1)
    expect(await vote(hub, dan, approval)).toMatchObject({ status: 'approved' })
  })

  it('breaks the glass with it, and an authenticator that counts backwards counts for nothing', async () => {
    const hub = await opened()
    const { publicKey, privateKey } = newPasskey()
    const eve = person('eve', 'break-glass')
    const key = await register(hub, eve, publicKey, await passkeyOf(hub, eve, publicKey, { counter: 5 }))
    const approval = await held(hub, ann, 'lab.danger', { note: '' })
    const glass = async (statement: string, counter: number, reason = 'fire') =>
      hub.invoke(eve, 'approvals.break-glass', {
        approval,
        reason,
        ...by(key, privateKey, statement, { counter }),
      })
    const { breakGlass } = (await shown(hub, approval, owner, { reason: 'fire' })).statements
    expect(await codeOf(glass(breakGlass, 6))).toBe('approvals.signature')
    const own = breakGlass.replace('user:owner', 'user:eve')
    expect((await shown(hub, approval, eve, { reason: 'fire' })).statements.breakGlass).toBe(own)
    expect(await codeOf(glass(own, 6, 'flood'))).toBe('approvals.signature')
    expect(await codeOf(glass(own, 5))).toBe('approvals.signature')
    outputOf(await glass(own, 6))
    expect(await codeOf(glass(own, 7))).toBe('approvals.signature')
    const next = own.replace('"ballot":0', '"ballot":1')
    expect(await codeOf(glass(next, 6))).toBe('approvals.signature')
    outputOf(await glass(next, 7))
    expect(await count(hub, 'approval.glass-broken@1', approval)).toBe(2)
  })
})

describe('a passkey', () => {
  it('is the one that was made for this person, on this page, for this offer, or it is not registered', async () => {
    const hub = await opened()
    const { publicKey } = newPasskey()
    const good = await passkeyOf(hub, bob, publicKey)
    const wrong: readonly (readonly [string, object, Caller?])[] = [
      ['approvals.signature', good, cyd],
      ['approvals.signature', { ...good, credential: { ...CREDENTIAL, id: 'b3RoZXI' } }],
      ['approvals.signature', { ...good, credential: { ...CREDENTIAL, origin: 'https://www.hub.example' } }],
      ['input.invalid', { ...good, credential: { ...CREDENTIAL, origin: 'http://hub.example' } }],
      ['input.invalid', { ...good, credential: { ...CREDENTIAL, rpId: 'example' } }],
      ['approvals.signature', { ...good, publicKey: spki(newPasskey().publicKey) }],
      ['input.invalid', { credential: CREDENTIAL }],
      ['input.invalid', { registration: good.registration }],
    ]
    for (const [code, change, caller = bob] of wrong)
      expect(await codeOf(register(hub, caller, publicKey, change))).toBe(code)
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey
    expect(await codeOf(register(hub, bob, weak, good))).toBe('input.invalid')
    const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey
    expect(await codeOf(register(hub, bob, p384, good))).toBe('input.invalid')
    expect(await codeOf(enrolment(hub, bot))).toBe('approvals.not-yours')
    expect(await entriesOf(hub, 'approval.key-registered@1')).toEqual([])

    await register(hub, bob, publicKey, good)
    expect(await codeOf(register(hub, bob, newPasskey().publicKey, good))).toBe('approvals.signature')
    const [registered] = await entriesOf(hub, 'approval.key-registered@1')
    expect(registered?.data).toMatchObject({
      principal: 'user:bob',
      registered: { kind: 'webauthn', counter: 0 },
    })

    // Taken away, it does not come back by what it answered before.
    const [{ key } = { key: '' }] = (await enrolment(hub, bob)).keys
    outputOf(await hub.invoke(owner, 'approvals.remove-key', { principal: 'user:bob', key }))
    expect(await codeOf(register(hub, bob, publicKey, good))).toBe('approvals.signature')
  })
})

describe('whoever verifies the log', () => {
  /** The log of a hub in which one voted with a passkey, one with a plain key, and one without any. */
  async function log(): Promise<readonly Entry[]> {
    const hub = await opened()
    const [passkey, plain] = [newPasskey(), newKey()]
    const bobs = await register(hub, bob, passkey.publicKey, await passkeyOf(hub, bob, passkey.publicKey))
    const cyds = await register(hub, cyd, plain.publicKey)
    const approval = await held(hub, ann, 'lab.danger', { note: '' })
    const statement = async (caller: Caller, said: object = {}) =>
      (await shown(hub, approval, caller, said)).statements
    const first = by(bobs, passkey.privateKey, (await statement(bob, WHY)).approve)
    await vote(hub, bob, approval, 'approve', { ...WHY, ...first })
    await hub.invoke(bob, 'approvals.withdraw', { approval })
    const again = by(bobs, passkey.privateKey, (await statement(bob)).approve, { counter: 8 })
    await vote(hub, bob, approval, 'approve', again)
    const eve = person('eve', 'break-glass')
    outputOf(await hub.invoke(eve, 'approvals.break-glass', { approval, reason: 'fire' }))
    const signed = sign(null, Buffer.from((await statement(cyd)).approve), plain.privateKey)
    const signature = { key: cyds, signature: signed.toString('base64') }
    await vote(hub, cyd, approval, 'approve', { signature })
    await reached(hub, approval, 'carried-out')
    return entriesOf(hub)
  }

  function heard(entries: readonly Entry[], minimumIndex = 0): VoteSignatures {
    const votes = new VoteSignatures(minimumIndex)
    for (const { seq, ...event } of entries)
      if (seq >= minimumIndex) votes.hear(seq, { type: event.type, event })
    return votes
  }

  const verified = (entries: readonly Entry[], minimumIndex = 0) => heard(entries, minimumIndex).votes

  it('sees what people signed, and every vote that they did not', async () => {
    const entries = await log()
    expect(verified(entries)).toEqual({ signed: 3, unsigned: 1, unknown: 0, reasonUnsigned: 0 })
    expect(verified(entries.filter(({ type }) => !type.startsWith('approval.')))).toBeUndefined()

    const place = entries.findIndex(({ type }) => type === 'approval.voted@1')
    const changed = (change: object, at = place) =>
      entries.map((entry, index) => (index === at ? { ...entry, data: { ...entry.data, ...change } } : entry))
    const found = (made: readonly Entry[]) => codeAndReason(() => verified(made))
    expect(found(changed({ vote: 'deny' }))).toEqual(['vote', place])
    expect(found(changed({ voter: 'user:cyd' }))).toEqual(['vote', place])
    for (const reason of ['tested on production', '', undefined])
      expect(found(changed({ reason }))).toEqual(['vote', place])
    expect(found(changed({ delegator: 'user:dan' }))).toEqual(['vote', place])
    const unexplained = entries.findIndex(({ type }, at) => type === 'approval.voted@1' && at > place)
    expect(found(changed({ reason: 'tested, too' }, unexplained))).toEqual(['vote', unexplained])
    expect(found(changed({ signature: undefined }))).toEqual(['vote', place])
    expect(found(changed({ signature: undefined, assurance: 'attributed, unsigned' }))).toEqual([
      'vote',
      place,
    ])
    expect(found(changed({ assurance: 'attributed, unsigned' }))).toEqual(['vote', place])
    expect(found(changed({ approval: 'another' }))).toEqual(['vote', place])
    const asked = entries.findIndex(({ type }) => type === 'approval.requested@1')
    expect(found(changed({ inputDigest: `sha256:${'ab'.repeat(32)}` }, asked))).toEqual(['vote', place])
    const glass = entries.findIndex(({ type }) => type === 'approval.glass-broken@1')
    expect(found(changed({ assurance: 'signed' }, glass))).toEqual(['vote', glass])
    for (const data of [undefined, null, 7, [], {}, { voter: 'user:bob', vote: 'approve', approval: 7 }])
      expect(found(entries.with(place, { ...entries[place], data } as Entry))).toEqual(['vote', place])
    const replayed = entries.toSpliced(place + 1, 0, ...entries.slice(place, place + 1))
    expect(found(replayed)).toEqual(['vote', place])

    expect(verified(entries, asked)).toEqual({ signed: 0, unsigned: 1, unknown: 3, reasonUnsigned: 0 })
    expect(verified(entries, place)).toEqual({ signed: 0, unsigned: 0, unknown: 4, reasonUnsigned: 0 })
  })

  it('sees who vouched for each key, and every one that nobody can have registered', async () => {
    const hub = await opened()
    const [first, second, eves] = [newPasskey(), newPasskey(), newKey()]
    const key = await register(hub, bob, first.publicKey, await passkeyOf(hub, bob, first.publicKey))
    const approval = await held(hub, ann, 'lab.danger', { note: '' })
    // That it has signed counts, too: what vouches is for the keys as they are then.
    const { approve } = (await shown(hub, approval, bob)).statements
    await vote(hub, bob, approval, 'approve', by(key, first.privateKey, approve))
    const vouchedBy = async (privateKey: KeyObject, publicKey: KeyObject, counter: number) =>
      by(key, privateKey, (await enrolment(hub, bob, spki(publicKey))).vouch ?? '', { counter })
    const passkey = await passkeyOf(hub, bob, second.publicKey, { counter: 3 })
    const vouched = await vouchedBy(first.privateKey, second.publicKey, 9)
    const other = await register(hub, bob, second.publicKey, { ...passkey, ...vouched })
    for (const each of [key, other])
      outputOf(await hub.invoke(owner, 'approvals.remove-key', { principal: 'user:bob', key: each }))
    await register(hub, bob, eves.publicKey)
    await register(hub, cyd, newKey().publicKey)

    const entries = await entriesOf(hub)
    const votes = { signed: 1, unsigned: 0, unknown: 0, reasonUnsigned: 0 }
    expect(heard(entries)).toMatchObject({ votes, keys: { first: 3, vouched: 1, unknown: 0 } })
    const places = entries.flatMap(({ type }, at) => (type === 'approval.key-registered@1' ? [at] : []))
    const [firstAt = 0, vouchedAt = 0, againAt = 0] = places
    expect(heard(entries, vouchedAt).keys).toEqual({ first: 0, vouched: 0, unknown: 3 })

    const changed = (at: number, change: object, attributes: object = {}) =>
      entries.with(at, {
        ...entries[at],
        ...attributes,
        data: { ...entries[at]?.data, ...change },
      } as Entry)
    const found = (made: readonly Entry[]) => codeAndReason(() => heard(made))
    const registeredAt = (at: number) => entries[at]?.data.registered as Readonly<Record<string, unknown>>
    const foreign = { ...vouched.signature, signature: 'AAAA' }
    const forged: readonly (readonly [number, object, object?])[] = [
      // Nobody vouches, somebody else's key does, or for another key.
      [vouchedAt, { vouched: undefined }],
      [vouchedAt, { vouched: undefined, counter: undefined }],
      [vouchedAt, { vouched: foreign }],
      [vouchedAt, { vouched: { ...vouched.signature, key: 'ab'.repeat(8) } }],
      [vouchedAt, { counter: 8 }],
      [vouchedAt, { registered: { ...registeredAt(vouchedAt), publicKey: spki(newPasskey().publicKey) } }],
      // What the authenticator made is something else.
      [vouchedAt, { registration: undefined }],
      [vouchedAt, { registered: { ...registeredAt(vouchedAt), counter: 0 } }],
      [firstAt, { registered: { ...registeredAt(firstAt), publicKey: spki(eves.publicKey) } }],
      [firstAt, { registration: passkey.registration }],
      [firstAt, { vouched: vouched.signature }],
      // It is another's, or none.
      [firstAt, { principal: 'user:cyd' }],
      [firstAt, { principal: 'user:eve' }, { actor: 'user:eve' }],
      [againAt, {}, { actor: 'user:eve' }],
      [againAt, {}, { actor: undefined }],
      [againAt, { principal: 'agent:bot' }, { actor: 'agent:bot' }],
      [againAt, { registered: { ...registeredAt(againAt), key } }],
      [againAt, { registered: { ...registeredAt(againAt), kind: 'webauthn' } }],
      [againAt, { registered: { ...registeredAt(againAt), publicKey: 'AAAA' } }],
      [againAt, { registered: undefined }],
    ]
    for (const [at, change, attributes] of forged)
      expect(found(changed(at, change, attributes))).toEqual(['registration', at])
    expect(found(entries.toSpliced(firstAt + 1, 0, ...entries.slice(firstAt, firstAt + 1)))).toEqual([
      'registration',
      firstAt,
    ])
    const removals = entries.flatMap(({ type }, at) => (type === 'approval.key-removed@1' ? [at] : []))
    const [removedAt = 0] = removals
    expect(found(changed(removedAt, { key: 'ab'.repeat(8) }))).toEqual(['registration', removedAt])
    // Taken away in silence, so that a first one could come.
    expect(found(entries.filter((_, at) => !removals.includes(at)))).toMatchObject(['registration', againAt])
  })

  it('sees what people signed when signatures covered no reason, and says so', async () => {
    const hub = await opened()
    const { publicKey, privateKey } = newKey()
    const key = await register(hub, bob, publicKey)
    const approval = await held(hub, ann, 'lab.danger', { note: '' })
    const said = { ...WHY, delegator: 'user:dan' }
    const today = (await shown(hub, approval, bob, said)).statements.approve
    const { reason: _, delegator: __, ...earlier } = JSON.parse(today) as Readonly<Record<string, unknown>>
    const signedOver = (statement: string) => ({
      signature: { key, signature: sign(null, Buffer.from(statement), privateKey).toString('base64') },
    })
    const old = signedOver(canonicalText({ ...earlier, kind: 'polity.approval-vote/1' }))
    // No hub takes one any more, or a vote that is not the one that was signed.
    const wrong = [
      old,
      signedOver(today.replace('staging', 'stage')),
      signedOver(today.replace('dan', 'cyd')),
    ]
    for (const signature of wrong)
      expect(await codeOf(vote(hub, bob, approval, 'approve', { ...said, ...signature }))).toBe(
        'approvals.signature',
      )
    await vote(hub, bob, approval, 'approve', { ...said, ...signedOver(today) })

    const entries = await entriesOf(hub)
    expect(verified(entries)).toEqual({ signed: 1, unsigned: 0, unknown: 0, reasonUnsigned: 0 })
    const withVote = (change: object) =>
      entries.map((entry) =>
        entry.type === 'approval.voted@1' ? { ...entry, data: { ...entry.data, ...change } } : entry,
      )
    const counted = { signed: 1, unsigned: 0, unknown: 0 }
    expect(verified(withVote(old))).toEqual({ ...counted, reasonUnsigned: 1 })
    expect(verified(withVote({ ...old, reason: undefined }))).toEqual({ ...counted, reasonUnsigned: 0 })
    expect(codeAndReason(() => verified(withVote({ ...old, vote: 'deny' })))).toEqual([
      'vote',
      expect.any(Number),
    ])
  })

  function codeAndReason(act: () => unknown): unknown {
    try {
      return act()
    } catch (error) {
      const { facts } = asPolityError(error)
      return [facts.reason, facts.seq]
    }
  }
})
