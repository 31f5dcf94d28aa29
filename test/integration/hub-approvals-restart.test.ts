// What stands beside the ordinary way of approvals is kept: escalation, delegation, broken glass and its review go on after a restart.

import { describe, expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import {
  ann,
  approvalRules,
  bob,
  count,
  cyd,
  dan,
  held,
  modules,
  outputOf,
  person,
  reached,
  shown,
  vote,
} from './lab/approvals.ts'
import { movableClock } from './lab/clock.ts'
import { codeOf, openTestHub, owner, tempFolder } from './lab/hubs.ts'

/** A hub in a folder that can be closed and opened again, with one clock. */
function restartable() {
  const folder = tempFolder()
  const clock = movableClock()
  const options = { modules, policyDir: approvalRules(folder.root), env: clock.env, ...folder }
  let hub: Hub | undefined
  const restarted = async (): Promise<Hub> => {
    await hub?.close()
    hub = await openTestHub('sqlite', options)
    return hub
  }
  return { clock, restarted }
}

const MINUTE_MS = 60_000

describe('over restarts', () => {
  it('those who are late are reminded once per time, and another role may answer then', async () => {
    const { clock, restarted } = restartable()
    let hub = await restarted()
    outputOf(
      await hub.invoke(owner, 'approvals.escalation', {
        of: 'security',
        remindAfterMinutes: 30,
        escalateAfterMinutes: 60,
        escalateTo: 'manager',
      }),
    )
    const approval = await held(hub, ann, 'lab.danger', { note: '' })
    hub = await restarted()
    clock.pass(31 * MINUTE_MS)
    await expect.poll(() => count(hub, 'approval.reminded@1', approval), { timeout: 20_000 }).toBe(1)
    hub = await restarted()
    clock.pass(30 * MINUTE_MS)
    await expect.poll(() => count(hub, 'approval.escalated@1', approval), { timeout: 20_000 }).toBe(1)
    hub = await restarted()
    expect(await shown(hub, approval)).toMatchObject({ escalated: [{ role: 'manager' }] })
    await vote(hub, person('mo', 'manager'), approval)
    expect(await vote(hub, bob, approval)).toMatchObject({ status: 'approved' })
    await reached(hub, approval, 'carried-out')
    expect(await count(hub, 'approval.reminded@1', approval)).toBe(2)
    expect(await count(hub, 'approval.escalated@1', approval)).toBe(1)
  })

  it('somebody stands in for another, also with a vote that he cast before', async () => {
    const { restarted } = restartable()
    let hub = await restarted()
    const until = new Date(Date.now() + 3_600_000).toISOString()
    outputOf(await hub.invoke(bob, 'approvals.delegate', { role: 'security', to: 'user:fay', until }))
    hub = await restarted()
    const approval = await held(hub, ann, 'lab.danger', { note: '' })
    await vote(hub, person('fay'), approval, 'approve', { delegator: 'user:bob' })
    hub = await restarted()
    expect(await shown(hub, approval)).toMatchObject({ progress: ['security:2 (1 of 2)'] })
    outputOf(await hub.invoke(bob, 'approvals.end-delegation', { role: 'security' }))
    hub = await restarted()
    expect(await vote(hub, cyd, approval)).toMatchObject({ status: 'pending' })
    expect(await vote(hub, dan, approval)).toMatchObject({ status: 'approved' })
  })

  it('two people break the glass, each in a life of the hub, and the review stays owed', async () => {
    const { restarted } = restartable()
    let hub = await restarted()
    const approval = await held(hub, ann, 'lab.danger', { note: 'fire' })
    const breaking = (caller: Caller, reason = 'the shop is down') =>
      hub.invoke(caller, 'approvals.break-glass', { approval, reason })
    expect(await codeOf(breaking(person('eve', 'owner'), ''))).toBe('input.invalid')
    outputOf(await breaking(person('eve', 'owner')))
    hub = await restarted()
    expect(await shown(hub, approval)).toMatchObject({ status: 'pending' })
    outputOf(await breaking(person('eve', 'owner')))
    expect(await shown(hub, approval)).toMatchObject({ status: 'pending' })
    outputOf(await breaking(person('fay', 'owner')))
    await reached(hub, approval, 'carried-out')
    hub = await restarted()
    expect(await shown(hub, approval)).toMatchObject({ isReviewOwed: true })
    const review = { approval, finding: 'justified', note: 'it was down' }
    expect(await codeOf(hub.invoke(person('fay', 'owner'), 'approvals.review', review))).toBe(
      'approvals.self',
    )
    outputOf(await hub.invoke(person('gus', 'owner'), 'approvals.review', review))
    hub = await restarted()
    expect(await shown(hub, approval)).toMatchObject({ isReviewOwed: false })
  })
})
