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

  it('two people break the glass, and a third one looks at it later', async () => {
    const hub = await opened()
    const [eve, fay, gus] = ['eve', 'fay', 'gus'].map((id) => person(id, 'owner')) as [Caller, Caller, Caller]
    const approval = await held(hub, ann, 'lab.danger', { note: 'fire' })
    const breaking = (caller: Caller) =>
      hub.invoke(caller, 'approvals.break-glass', { approval, reason: 'the shop is down' })
    expect(await codeOf(breaking(bob))).toBe('approvals.not-yours')
    await breaking(eve)
    await breaking(eve)
    expect(await shown(hub, approval)).toMatchObject({ status: 'pending' })
    await breaking(fay)
    await reached(hub, approval, 'carried-out')
    const list = async () =>
      ((await hub.ask(owner, 'approvals.list', { status: 'review' })).output as { items: unknown[] }).items
    expect(await list()).toHaveLength(1)
    const review = { approval, finding: 'justified', note: 'it was down' }
    expect(await codeOf(hub.invoke(eve, 'approvals.review', review))).toBe('approvals.self')
    outputOf(await hub.invoke(gus, 'approvals.review', review))
    expect(await list()).toHaveLength(0)
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

it('whom it does not concern sees nothing of it', async () => {
  const hub = await opened()
  const approval = await held(hub, ann, 'lab.danger', { note: '' })
  const listed = async (caller: Caller) =>
    ((await hub.ask(caller, 'approvals.list', {})).output as { items: unknown[] }).items.length
  expect(await listed(person('zoe'))).toBe(0)
  expect(await codeOf(shown(hub, approval, person('zoe')))).toBe('not-found')
  expect([await listed(ann), await listed(bob), await listed(owner)]).toEqual([1, 1, 1])
})
