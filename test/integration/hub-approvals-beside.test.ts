// Beside the ordinary way of approvals: stand-ins, broken glass, escalation, standing approvals, signatures, and who sees what.

import { generateKeyPairSync, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
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
import { movableClock } from './lab/clock.ts'
import { codeOf, entriesOf, owner } from './lab/hubs.ts'

describe('beside the ordinary way', () => {
  it('somebody may stand in for another, until that one ends it', async () => {
    const hub = await opened()
    const until = new Date(Date.now() + 3_600_000).toISOString()
    const fay = person('fay')
    expect(
      await codeOf(hub.invoke(fay, 'approvals.delegate', { role: 'security', to: 'user:x', until })),
    ).toBe('approvals.not-yours')
    outputOf(await hub.invoke(bob, 'approvals.delegate', { role: 'security', to: 'user:fay', until }))
    const approval = await held(hub, ann, 'lab.danger', { note: '' })
    expect(await codeOf(vote(hub, fay, approval))).toBe('approvals.not-yours')
    await vote(hub, fay, approval, 'approve', { delegator: 'user:bob' })
    expect(await shown(hub, approval)).toMatchObject({ progress: ['security:2 (1 of 2)'] })
    outputOf(await hub.invoke(bob, 'approvals.end-delegation', { role: 'security' }))
    expect(await vote(hub, cyd, approval)).toMatchObject({ status: 'pending' })
    expect(await vote(hub, dan, approval)).toMatchObject({ status: 'approved' })
  })

  it('somebody who votes himself is not represented, and what is shown counts him once', async () => {
    const hub = await opened()
    const until = new Date(Date.now() + 3_600_000).toISOString()
    outputOf(await hub.invoke(bob, 'approvals.delegate', { role: 'security', to: 'user:fay', until }))
    const approval = await held(hub, ann, 'lab.danger', { note: '' })
    await vote(hub, person('fay'), approval, 'approve', { delegator: 'user:bob' })
    await vote(hub, bob, approval)
    expect(await shown(hub, approval)).toMatchObject({ status: 'pending', progress: ['security:2 (1 of 2)'] })
  })

  it('somebody is found who stands in, however many others do', async () => {
    const hub = await opened()
    const until = new Date(Date.now() + 3_600_000).toISOString()
    const lend = (from: string, to: string) =>
      hub.invoke(person(from, 'security'), 'approvals.delegate', { role: 'security', to, until })
    const others = Array.from({ length: 1_001 }, (_, each) => `a${String(each).padStart(4, '0')}`)
    for (const answer of await Promise.all(others.map((each) => lend(each, `user:of-${each}`))))
      outputOf(answer)
    outputOf(await lend('bob', 'user:fay'))
    const approval = await held(hub, ann, 'lab.danger', { note: 'seen' })
    const fay = person('fay')
    expect(await shown(hub, approval, fay)).toMatchObject({ input: { note: 'seen' } })

    const listed: string[] = []
    for (let after: string | undefined; ; ) {
      const input = { limit: 500, ...(after === undefined ? {} : { after }) }
      const { output } = await hub.ask(owner, 'approvals.delegations', input)
      const page = output as { items: { from: string }[]; after?: string }
      listed.push(...page.items.map(({ from }) => from))
      if (page.after === undefined) break
      after = page.after
    }
    expect(listed).toEqual([...others, 'bob'].map((each) => `user:${each}`))

    outputOf(await lend('bob', 'user:gus'))
    expect(await codeOf(shown(hub, approval, fay))).toBe('not-found')
    expect(await shown(hub, approval, person('gus'))).toMatchObject({ status: 'pending' })
    outputOf(await hub.invoke(bob, 'approvals.end-delegation', { role: 'security' }))
    expect(await codeOf(shown(hub, approval, person('gus')))).toBe('not-found')
  })

  it('nobody stands in more often than he can be looked up with', async () => {
    const hub = await opened()
    const until = new Date(Date.now() + 3_600_000).toISOString()
    const lend = (from: string, to = 'user:fay') =>
      hub.invoke(person(from, 'security'), 'approvals.delegate', { role: 'security', to, until })
    for (let each = 0; each < 100; each++) outputOf(await lend(`p${each}`))
    expect(await codeOf(lend('late'))).toBe('limit')
    // What stands already is lent for longer, and what is lent to somebody else, or ended, makes room.
    outputOf(await lend('p0'))
    outputOf(await lend('p1', 'user:gus'))
    outputOf(await lend('late'))
    expect(await codeOf(lend('later'))).toBe('limit')
    outputOf(await hub.invoke(person('p2', 'security'), 'approvals.end-delegation', { role: 'security' }))
    outputOf(await lend('later'))
  })

  it('what was asked for is shown to nobody once it is closed, also while a hold keeps it', async () => {
    const hub = await opened()
    const approval = await held(hub, ann, 'lab.danger', { note: 'confidential' })
    const hold = { name: 'case', reason: 'a lawsuit', subject: `approval/${approval}` }
    outputOf(await hub.invoke(owner, 'hold.place', hold))
    expect(await shown(hub, approval, bob)).toMatchObject({ input: { note: 'confidential' } })
    await vote(hub, bob, approval)
    await vote(hub, cyd, approval)
    await reached(hub, approval, 'carried-out')
    for (const who of [owner, ann, bob]) expect((await shown(hub, approval, who)).input).toBeUndefined()
  })

  it('two people break the glass after one whose token is gone', async () => {
    const hub = await opened()
    const issued = async (id: string) => {
      const input = { kind: 'user', id, roles: ['break-glass'] }
      const { token } = outputOf(await hub.invoke(owner, 'token.create', input)) as { token: string }
      return hub.identity.byToken(token)
    }
    const gone = await issued('gone')
    const approval = await held(hub, ann, 'lab.danger', { note: 'fire' })
    const breaking = async (caller: Caller) =>
      outputOf(await hub.invoke(caller, 'approvals.break-glass', { approval, reason: 'the shop is down' }))
    await breaking(gone)
    await hub.invoke(owner, 'token.revoke', { id: gone.token })
    expect(await breaking(person('fay', 'owner'))).toMatchObject({ status: 'pending' })
    expect(await breaking(person('gus', 'owner'))).toMatchObject({ status: 'approved' })
    await reached(hub, approval, 'carried-out')
  })

  it('two people break the glass, and a third one looks at it later', async () => {
    const hub = await opened()
    const [eve, fay, gus] = ['eve', 'fay', 'gus'].map((id) => person(id, 'owner')) as [Caller, Caller, Caller]
    const approval = await held(hub, ann, 'lab.danger', { note: 'fire' })
    const breaking = (caller: Caller) =>
      hub.invoke(caller, 'approvals.break-glass', { approval, reason: 'the shop is down' })
    expect(await codeOf(breaking(bob))).toBe('approvals.not-yours')
    const rita = person('rita', 'reviewer')
    const offered = async (caller: Caller) => (await shown(hub, approval, caller)).answers
    expect(await offered(eve)).toEqual(['break-glass'])
    expect(await offered(bob)).toEqual(['approve', 'deny'])
    expect(await offered(ann)).toEqual([])
    expect(await codeOf(offered(rita))).toBe('not-found')
    await breaking(eve)
    await breaking(eve)
    expect(await offered(eve)).toEqual([])
    expect((await shown(hub, approval)).progress).toEqual(['security:2 (0 of 2)', 'break-glass (1 of 2)'])
    expect(await shown(hub, approval)).toMatchObject({ status: 'pending' })
    await breaking(fay)
    await reached(hub, approval, 'carried-out')
    const list = async () =>
      ((await hub.ask(owner, 'approvals.list', { status: 'review' })).output as { items: unknown[] }).items
    expect(await list()).toHaveLength(1)
    expect((await shown(hub, approval)).progress).toEqual(['security:2 (glass broken)'])
    for (const reviewer of [gus, rita]) expect(await offered(reviewer)).toEqual(['review'])
    // Neither those who did it, nor who is no reviewer; who broke the glass sees what became of it.
    for (const party of [ann, eve, fay, bob]) expect(await offered(party)).toEqual([])
    const review = { approval, finding: 'justified', note: 'it was down' }
    expect(await codeOf(hub.invoke(eve, 'approvals.review', review))).toBe('approvals.self')
    outputOf(await hub.invoke(gus, 'approvals.review', review))
    expect(await list()).toHaveLength(0)
    expect(await codeOf(offered(rita))).toBe('not-found')
  })

  it('is offered to nobody whose own yes would do, and an abstention to members of a committee alone', async () => {
    const hub = await opened()
    const members = ['bob', 'cyd', 'eve'].map((id) => ({ principal: `user:${id}`, weight: 1 }))
    const committee = { name: 'security', members, quorum: 2, thresholdPercent: 60, veto: [], votingHours: 2 }
    outputOf(await hub.invoke(owner, 'approvals.committee', committee))
    const eve = person('eve', 'owner')
    const offered = async (approval: string, caller: Caller) => (await shown(hub, approval, caller)).answers
    const work = await held(hub, ann, 'lab.work', { steps: 1 })
    expect(await offered(work, eve)).toEqual(['approve', 'deny'])
    const counting = await held(hub, ann, 'lab.increment', { counter: 'c' })
    expect(await offered(counting, eve)).toEqual(['approve', 'deny', 'abstain', 'break-glass'])
    expect(await offered(counting, person('fay', 'owner'))).toEqual(['break-glass'])
    await vote(hub, eve, counting, 'abstain')
    expect(await offered(counting, eve)).toEqual(['break-glass'])
    expect(await offered(counting, bob)).toEqual(['approve', 'deny', 'abstain'])
    const own = await held(hub, eve, 'lab.increment', { counter: 'own' })
    expect(await offered(own, eve)).toEqual([])
  })

  it('those who do not answer are reminded, and then another role may', async () => {
    const clock = movableClock()
    const hub = await opened('memory', { env: clock.env })
    outputOf(
      await hub.invoke(owner, 'approvals.escalation', {
        of: 'security',
        remindAfterMinutes: 30,
        escalateAfterMinutes: 60,
        escalateTo: 'manager',
      }),
    )
    const approval = await held(hub, ann, 'lab.danger', { note: '' })
    clock.pass(31 * 60_000)
    await expect.poll(() => count(hub, 'approval.reminded@1', approval), { timeout: 20_000 }).toBe(1)
    const mo = person('mo', 'manager')
    expect(await codeOf(vote(hub, mo, approval))).toBe('approvals.not-yours')
    clock.pass(30 * 60_000)
    await expect.poll(() => count(hub, 'approval.escalated@1', approval), { timeout: 20_000 }).toBe(1)
    await vote(hub, mo, approval)
    expect(await vote(hub, bob, approval)).toMatchObject({ status: 'approved' })
  })

  it('an agent says what it thinks, which changes nothing', async () => {
    const hub = await opened()
    const approval = await held(hub, ann, 'lab.danger', { note: '' })
    outputOf(
      await hub.invoke(bot, 'approvals.advise', { approval, opinion: 'approve', reason: 'looks fine' }),
    )
    expect(await shown(hub, approval)).toMatchObject({ status: 'pending', votes: [] })
  })

  it('a standing approval covers what it names, and no more, until it is used up or revoked', async () => {
    const hub = await opened()
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString()
    const { standing } = outputOf(
      await hub.invoke(owner, 'approvals.standing', {
        action: 'lab.work',
        resource: 'lab',
        requester: 'agent:bot',
        obligations: ['owner:1'],
        expiresAt,
        usesMax: 2,
        reason: 'it heals itself',
      }),
    ) as { standing: string }
    const work = (caller: Caller) => hub.invoke(caller, 'lab.work', { steps: 1 })
    await expect.poll(async () => (await work(bot)).status).toBe('done')
    expect(await work(ann)).toMatchObject({ status: 'suspended' })
    expect(await hub.invoke(bot, 'lab.danger', { note: '' })).toMatchObject({ status: 'suspended' })
    const twice = await Promise.all([work(bot), work(bot), work(bot)])
    expect(twice.map(({ status }) => status).filter((status) => status === 'done')).toHaveLength(1)
    const uses = (await entriesOf(hub, 'approval.consumed@1')).filter(
      ({ data }) => data.standing === standing,
    )
    expect(uses).toHaveLength(2)
    outputOf(await hub.invoke(owner, 'approvals.revoke-standing', { standing }))
    expect(await work(bot)).toMatchObject({ status: 'suspended' })
  })
})

describe('standing approvals', () => {
  const granted = async (hub: Awaited<ReturnType<typeof opened>>, more: object = {}) =>
    outputOf(
      await hub.invoke(owner, 'approvals.standing', {
        action: 'lab.work',
        resource: 'lab',
        requester: 'agent:bot',
        obligations: ['owner:1'],
        expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
        reason: 'it heals itself',
        ...more,
      }),
    ) as { standing: string }

  it('that overlap are used up one at a time', async () => {
    const hub = await opened()
    for (let each = 0; each < 2; each++) await granted(hub, { usesMax: 1 })
    const statuses: string[] = []
    for (let each = 0; each < 3; each++)
      statuses.push((await hub.invoke(bot, 'lab.work', { steps: 1 })).status)
    expect(statuses).toEqual(['done', 'done', 'suspended'])
  })

  it('are so many for whoever acts, and all of them are shown and good', async () => {
    const hub = await opened()
    const { standing } = await granted(hub)
    for (let each = 1; each < 100; each++) await granted(hub, { resource: `other/${each}` })
    expect(await codeOf(granted(hub))).toBe('limit')
    await granted(hub, { requester: 'agent:other' })
    expect((await hub.invoke(bot, 'lab.work', { steps: 1 })).status).toBe('done')
    const ids: string[] = []
    for (let after: string | undefined; ; ) {
      const asked = { limit: 40, ...(after === undefined ? {} : { after }) }
      const page = (await hub.ask(owner, 'approvals.standing-list', asked)).output as {
        items: { standing: string }[]
        after?: string
      }
      ids.push(...page.items.map((each) => each.standing))
      after = page.after
      if (after === undefined) break
    }
    expect([ids.length, new Set(ids).size, ids.includes(standing)]).toEqual([101, 101, true])
    outputOf(await hub.invoke(owner, 'approvals.revoke-standing', { standing }))
    expect((await hub.invoke(bot, 'lab.work', { steps: 1 })).status).toBe('suspended')
    await granted(hub)
  })
})

describe('a voter with a key', () => {
  const pair = generateKeyPairSync('ed25519')
  const publicKey = pair.publicKey.export({ format: 'der', type: 'spki' }).toString('base64')

  it('votes with signatures that serve once, for one vote on one request', async () => {
    const hub = await opened()
    const { key } = outputOf(await hub.invoke(bob, 'approvals.register-key', { publicKey })) as {
      key: string
    }
    const [approval, other] = [
      await held(hub, ann, 'lab.danger', { note: '' }),
      await held(hub, ann, 'lab.danger', { note: '' }),
    ]
    expect(await codeOf(vote(hub, bob, approval))).toBe('approvals.signature')
    const signed = async (choice: 'approve' | 'deny') => {
      const { statements } = await shown(hub, approval, bob)
      const signature = sign(null, Buffer.from(statements[choice]), pair.privateKey).toString('base64')
      return { signature: { key, signature } }
    }
    const yes = await signed('approve')
    expect(await codeOf(vote(hub, bob, approval, 'deny', yes))).toBe('approvals.signature')
    expect(await codeOf(vote(hub, bob, other, 'approve', yes))).toBe('approvals.signature')
    expect(await codeOf(vote(hub, cyd, approval, 'approve', yes))).toBe('approvals.signature')
    await vote(hub, bob, approval, 'approve', yes)
    expect((await shown(hub, approval)).votes).toMatchObject([{ voter: 'user:bob', assurance: 'signed' }])
    await hub.invoke(bob, 'approvals.withdraw', { approval })
    expect(await codeOf(vote(hub, bob, approval, 'approve', yes))).toBe('approvals.signature')
    await vote(hub, bob, approval, 'approve', await signed('approve'))
    const another = generateKeyPairSync('ed25519').publicKey.export({ format: 'der', type: 'spki' })
    expect(
      await codeOf(hub.invoke(bob, 'approvals.register-key', { publicKey: another.toString('base64') })),
    ).toBe('approvals.signature')
  })
})

it('a vote from before its voter had a key is signed by casting it again', async () => {
  const hub = await opened()
  const pair = generateKeyPairSync('ed25519')
  const publicKey = pair.publicKey.export({ format: 'der', type: 'spki' }).toString('base64')
  const approval = await held(hub, ann, 'lab.danger', { note: '' })
  await vote(hub, bob, approval)
  const { key } = outputOf(await hub.invoke(bob, 'approvals.register-key', { publicKey })) as { key: string }
  const { statements } = await shown(hub, approval, bob)
  const signature = sign(null, Buffer.from(statements.approve), pair.privateKey).toString('base64')
  await vote(hub, bob, approval, 'approve', { signature: { key, signature } })
  expect(await shown(hub, approval)).toMatchObject({
    progress: ['security:2 (1 of 2)'],
    votes: [{ voter: 'user:bob', assurance: 'signed' }],
  })
})

it('whom it does not concern sees nothing of it', async () => {
  const hub = await opened()
  const approval = await held(hub, ann, 'lab.danger', { note: '' })
  const listed = async (caller: Caller) =>
    ((await hub.ask(caller, 'approvals.list', {})).output as { items: unknown[] }).items.length
  expect(await listed(person('zoe'))).toBe(0)
  expect(await codeOf(shown(hub, approval, person('zoe')))).toBe('not-found')
  expect([await listed(ann), await listed(bob), await listed(owner)]).toEqual([1, 1, 1])
})
