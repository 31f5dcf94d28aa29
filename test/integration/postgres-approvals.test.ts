// Approvals of two hubs on one database: votes through either, and each request settled once, whichever hub looks first.

import { expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import { describeOnPostgres } from '../conformance/store/postgres-server.ts'
import {
  ann,
  approvalRules,
  bob,
  bot,
  count,
  cyd,
  dan,
  held,
  modules,
  outputOf,
  person,
  reached,
  vote,
} from './lab/approvals.ts'
import { movableClock } from './lab/clock.ts'
import { counted } from './lab/flow.contract.ts'
import { begin, calls, flow, outcome, told } from './lab/flow.ts'
import { errorOf, owner } from './lab/hubs.ts'
import { twoHubs } from './lab/two-hubs.ts'

const RULE = `
@id("flowing-needs-owner")
@obligation("owner:1")
forbid (principal, action in [Polity::Action::"flow.atomically", Polity::Action::"flow.counted"], resource)
unless { context.approvals.contains("owner:1") };
`

const eve = person('eve', 'owner')

await describeOnPostgres('approvals of two hubs', () => {
  it('takes the last vote that it needs once, of two that race for it', async () => {
    const { first, second } = await twoHubs((root) => ({ modules, policyDir: approvalRules(root) }))
    for (let round = 0; round < 3; round++) {
      const approval = await held(first, ann, 'lab.danger', { note: `${round}` })
      await vote(second, bob, approval)
      const votes = await Promise.allSettled([vote(first, cyd, approval), vote(second, dan, approval)])
      const counts = votes.filter(({ status }) => status === 'fulfilled')
      expect(counts.length).toBeGreaterThan(0)
      for (const each of votes)
        if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'approvals.closed' })
      await reached(second, approval, 'carried-out')
      expect(await count(first, 'approval.granted@1', approval)).toBe(1)
      expect(await count(first, 'approval.consumed@1', approval)).toBe(1)
    }
  })

  it('does once what was agreed to, though both begin to do it', async () => {
    const both = calls(2)
    const { first, second } = await twoHubs((root) => ({
      // Neither commits before both are about to.
      modules: [
        ...modules,
        flow(async () => {
          both.call()
          await both.reached
        }),
      ],
      policyDir: approvalRules(root, RULE),
    }))
    const approval = await held(first, ann, 'flow.atomically', {})
    await vote(second, eve, approval)
    await reached(first, approval, 'carried-out')
    expect(await count(second, 'approval.consumed@1', approval)).toBe(1)
    expect(await count(second, 'approval.voided@1', approval)).toBe(0)
  })

  it('says once that it failed, though it failed for both', async () => {
    const both = calls(2)
    const { first, second } = await twoHubs((root) => ({
      modules: [
        ...modules,
        flow(async () => {
          both.call()
          await both.reached
          throw await errorOf(Promise.reject(new Error('not today')))
        }),
      ],
      policyDir: approvalRules(root, RULE),
    }))
    const approval = await held(first, ann, 'flow.atomically', {})
    await vote(second, eve, approval)
    await reached(first, approval, 'void')
    expect(await count(second, 'approval.voided@1', approval)).toBe(1)
  })

  it('ends once what nobody answered, though both see that its time is up', async () => {
    const { env, ...clock } = movableClock()
    const { first, second } = await twoHubs((root) => ({ modules, policyDir: approvalRules(root), env }))
    const approvals: string[] = []
    for (let each = 0; each < 10; each++)
      approvals.push(await held(first, ann, 'lab.danger', { note: `${each}` }))
    clock.pass(25 * 3_600_000)
    for (const approval of approvals) await reached(second, approval, 'expired')
    for (const approval of approvals) expect(await count(first, 'approval.expired@1', approval)).toBe(1)
  })

  it('has a standing approval count at both from its commit on, and at neither once either revoked it', async () => {
    const { first, second } = await twoHubs((root) => ({ modules, policyDir: approvalRules(root) }))
    const work = (hub: Hub) => hub.invoke(bot, 'lab.work', { steps: 1 })
    for (const [here, there] of [
      [first, second],
      [second, first],
    ] as const) {
      const { standing } = outputOf(
        await here.invoke(owner, 'approvals.standing', {
          action: 'lab.work',
          resource: 'lab',
          requester: 'agent:bot',
          obligations: ['owner:1'],
          expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
          reason: 'it heals itself',
        }),
      ) as { standing: string }
      for (const hub of [here, there]) expect(await work(hub)).toMatchObject({ status: 'done' })
      outputOf(await there.invoke(owner, 'approvals.revoke-standing', { standing }))
      for (const hub of [here, there]) expect(await work(hub)).toMatchObject({ status: 'suspended' })
    }
  })

  it('lets a run of one go on with what was agreed to through the other', async () => {
    const { first, second } = await twoHubs((root) => ({
      modules: [...modules, flow((ctx) => ctx.invoke(counted, { by: 2 }))],
      policyDir: approvalRules(root, RULE),
    }))
    const run = await begin(first, bot)
    const { approval } = await told(second, 'approval.requested@1', run)
    await vote(second, eve, String(approval))
    expect(await outcome(first, run)).toMatchObject({ status: 'done' })
    expect(await first.run(bot, run)).toMatchObject({ output: { result: { sum: 2 } } })
    expect(await count(first, 'approval.consumed@1', String(approval))).toBe(1)
  })
})
