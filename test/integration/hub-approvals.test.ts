// Approvals: what is suspended waits for people, who count once each, and the hub carries out exactly what they agreed to.

import { describe, expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import { ApprovalConsumed, approvalRequests } from '../../src/kernel/approvals/contract.ts'
import { WAITING_PER_ASKER_MAX } from '../../src/kernel/approvals/waiting-shares.ts'
import type { Grant } from '../../src/kernel/catalog/approval-desk.ts'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import { viewTable } from '../../src/kernel/log/view.ts'
import { KnownOpenings } from '../../src/kernel/schema/privacy.ts'
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
  opened,
  outputOf,
  person,
  reached,
  shown,
  vote,
} from './lab/approvals.ts'
import { movableClock } from './lab/clock.ts'
import { codeOf, ENGINES, entriesOf, openTestHub, owner, tempFolder } from './lab/hubs.ts'

const issued = async (hub: Hub, id: string, ...roles: string[]): Promise<Caller> => {
  const { token } = outputOf(await hub.invoke(owner, 'token.create', { kind: 'user', id, roles })) as {
    token: string
  }
  return hub.identity.byToken(token)
}

describe('whoever asks people for everything', () => {
  it('has so many requests that wait, in whosever name, and leaves others their turn', async () => {
    const hub = await opened('memory')
    const ask = (caller: Caller, note: string) => hub.invoke(caller, 'lab.danger', { note })
    const first = await held(hub, bot, 'lab.danger', { note: 'first' })
    for (let at = 1; at < WAITING_PER_ASKER_MAX; at += 50)
      await Promise.all(
        Array.from({ length: Math.min(50, WAITING_PER_ASKER_MAX - at) }, (_, index) =>
          ask(bot, `${at + index}`),
        ),
      )
    const forAnother = { chain: [...person('zoe').chain, ...bot.chain] }
    for (const caller of [bot, forAnother]) expect(await codeOf(ask(caller, 'more'))).toBe('limit')
    expect(await ask(ann, 'mine')).toMatchObject({ status: 'suspended' })
    await vote(hub, bob, first, 'deny')
    await expect
      .poll(
        async () =>
          ask(bot, 'again').then(
            ({ status }) => status,
            () => 'limit',
          ),
        { timeout: 20_000 },
      )
      .toBe('suspended')
    expect(await codeOf(ask(bot, 'more'))).toBe('limit')
  }, 60_000)
})

describe.each(ENGINES)('what is suspended (%s)', (engine) => {
  it('is carried out by the hub once everybody has agreed, in the name of whoever asked', async () => {
    const hub = await opened(engine)
    const approval = await held(hub, bot, 'lab.danger', { note: 'risky' })
    expect(await vote(hub, bob, approval)).toMatchObject({ status: 'pending', owed: ['security:2'] })
    expect(await shown(hub, approval)).toMatchObject({
      progress: ['security:2 (1 of 2)'],
      input: { note: 'risky' },
    })
    expect(await vote(hub, cyd, approval)).toMatchObject({ status: 'approved', owed: [] })
    const { carriedOut } = await reached(hub, approval, 'carried-out')
    const decisions = await entriesOf(hub, 'action.decided@1')
    const resumed = decisions.find(({ data }) => data.decision === carriedOut?.decision)
    const context = { approvals: ['security:2'] }
    expect(resumed).toMatchObject({ actor: 'agent:bot', data: { effect: 'allow', approval, context } })
    expect(await count(hub, 'approval.consumed@1', approval)).toBe(1)
  })

  it('starts a run in the commit that uses the approval up', async () => {
    const hub = await opened(engine)
    const approval = await held(hub, ann, 'lab.work', { steps: 2, secret: 'hush' })
    await vote(hub, owner, approval)
    const { carriedOut } = await reached(hub, approval, 'carried-out')
    const run = carriedOut?.run ?? ''
    await expect.poll(async () => (await hub.run(ann, run)).status).toBe('done')
    expect(await hub.run(ann, run)).toMatchObject({ output: { total: 3, secret: 'hush' } })
  })

  it('is asked for once, however often the same key submits it, and answers what became of it', async () => {
    const hub = await opened(engine)
    const ask = () => hub.invoke(ann, 'lab.work', { steps: 1 }, { key: 'once', wait: true })
    const answers = await Promise.all([ask(), ask(), ask()])
    const approvals = new Set(answers.map((answer) => 'approval' in answer && answer.approval))
    expect(approvals.size).toBe(1)
    const [approval] = [...approvals] as [string]
    expect(await codeOf(hub.invoke(ann, 'lab.work', { steps: 2 }, { key: 'once' }))).toBe(
      'idempotency.conflict',
    )
    await vote(hub, owner, approval)
    await reached(hub, approval, 'carried-out')
    expect(await ask()).toMatchObject({ status: 'done', output: { total: 1 } })
    expect(await count(hub, 'approval.requested@1', approval)).toBe(1)
  })

  it('keeps private values until it is closed, and commits to them by the commitments that people saw', async () => {
    const hub = await opened(engine)
    const approval = await held(hub, ann, 'state.put', { namespace: 'n', key: 'k', value: { card: 4711 } })
    expect(await shown(hub, approval)).toMatchObject({ input: { value: { card: 4711 } } })
    const seen = (await entriesOf(hub)).map(({ data }) => JSON.stringify(data)).join()
    expect(seen).not.toContain('4711')
    await vote(hub, owner, approval)
    await reached(hub, approval, 'carried-out')
    await expect.poll(async () => (await shown(hub, approval)).input).toBeUndefined()
    const { output } = await hub.ask(owner, 'state.get', { namespace: 'n', key: 'k' })
    expect(output).toMatchObject({ value: { card: 4711 } })
    const [asked, done] = (await entriesOf(hub, 'action.decided@1')).filter(
      ({ data }) => data.action === 'state.put@1',
    )
    expect(done?.data.input).toEqual(asked?.data.input)
    const [written] = await entriesOf(hub, 'state.document-written@1')
    expect(asked?.data.input).toMatchObject({ value: written?.data.value })
  })
})

describe('a vote', () => {
  it.each([
    ['whoever asks', ann, 'approvals.self'],
    ['somebody without the role', person('eve', 'owner'), 'approvals.not-yours'],
    ['an agent', { chain: [{ kind: 'agent', id: 'x', roles: ['security'] }] }, 'approvals.not-yours'],
    ['a component', { chain: [{ kind: 'component', id: 'x', roles: ['security'] }] }, 'approvals.not-yours'],
    ['an agent on behalf of a person', { chain: [...bob.chain, ...bot.chain] }, 'approvals.not-yours'],
  ] as const)('of %s is refused, and leaves a trace', async (_, caller, code) => {
    const hub = await opened()
    const approval = await held(hub, ann, 'lab.danger', { note: '' })
    expect(await codeOf(vote(hub, caller as Caller, approval))).toBe(code)
    const outcomes = await entriesOf(hub, 'action.finished@1')
    expect(outcomes.at(-1)?.data).toMatchObject({ status: 'failed', code })
    expect(await count(hub, 'approval.voted@1', approval)).toBe(0)
  })

  it('counts once, however often it is cast, and may be changed until it is decided', async () => {
    const hub = await opened()
    const approval = await held(hub, ann, 'lab.danger', { note: '' })
    await vote(hub, bob, approval, 'abstain')
    await vote(hub, bob, approval)
    await vote(hub, bob, approval)
    expect(await shown(hub, approval)).toMatchObject({ status: 'pending', progress: ['security:2 (1 of 2)'] })
    expect(await count(hub, 'approval.voted@1', approval)).toBe(2)
    expect(await vote(hub, bob, approval, 'deny')).toMatchObject({ status: 'denied' })
    expect(await shown(hub, approval)).toMatchObject({
      status: 'denied',
      closed: { rule: 'veto', by: 'user:bob', reason: 'not today' },
    })
    expect(await codeOf(vote(hub, cyd, approval))).toBe('approvals.closed')
  })

  it('can be taken back, and so can what was asked for', async () => {
    const hub = await opened()
    const approval = await held(hub, ann, 'lab.danger', { note: '' })
    await vote(hub, bob, approval)
    await hub.invoke(bob, 'approvals.withdraw', { approval })
    await vote(hub, cyd, approval)
    expect(await shown(hub, approval)).toMatchObject({ status: 'pending', progress: ['security:2 (1 of 2)'] })
    expect(await codeOf(hub.invoke(dan, 'approvals.withdraw', { approval }))).toBe('approvals.not-yours')
    await hub.invoke(ann, 'approvals.withdraw', { approval, reason: 'not needed any more' })
    expect(await shown(hub, approval)).toMatchObject({ status: 'withdrawn' })
  })

  it('of many at a time makes it happen once', async () => {
    const hub = await opened('sqlite')
    const approval = await held(hub, ann, 'lab.danger', { note: '' })
    const votes = await Promise.allSettled([bob, cyd, dan].map((each) => vote(hub, each, approval)))
    expect(votes.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThanOrEqual(2)
    await reached(hub, approval, 'carried-out')
    expect(await count(hub, 'approval.consumed@1', approval)).toBe(1)
    expect(await count(hub, 'approval.granted@1', approval)).toBe(1)
  })

  it('counts no more once the token is revoked with which it was cast', async () => {
    const hub = await opened()
    const [first, second, third] = [
      await issued(hub, 'bob', 'security'),
      await issued(hub, 'cyd', 'security'),
      await issued(hub, 'dan', 'security'),
    ]
    const approval = await held(hub, ann, 'lab.danger', { note: '' })
    await vote(hub, first, approval)
    await hub.invoke(owner, 'token.revoke', { id: first.token })
    expect(await vote(hub, second, approval)).toMatchObject({ status: 'pending' })
    expect(await count(hub, 'approval.vote-dropped@1', approval)).toBe(1)
    expect(await vote(hub, third, approval)).toMatchObject({ status: 'approved' })
    await reached(hub, approval, 'carried-out')
  })

  it('is cast anew with another token, also before anybody has noticed that the first one is gone', async () => {
    const hub = await opened('memory', { env: movableClock().env })
    const [before, after] = [await issued(hub, 'bob', 'security'), await issued(hub, 'bob', 'security')]
    const approval = await held(hub, ann, 'lab.danger', { note: '' })
    await vote(hub, before, approval)
    await hub.invoke(owner, 'token.revoke', { id: before.token })
    await vote(hub, after, approval)
    expect(await vote(hub, cyd, approval)).toMatchObject({ status: 'approved' })
    await reached(hub, approval, 'carried-out')
  })

  it.each(['kill', 'quarantine'])(
    'counts no more after a %s of whoever cast it, or let it be cast',
    async (how) => {
      const hub = await opened()
      const until = new Date(Date.now() + 3_600_000).toISOString()
      const stop = (principal: string) =>
        hub.invoke(owner, `halts.${how}`, { principal, reason: 'stolen laptop' })
      const fay = person('fay')
      outputOf(await hub.invoke(bob, 'approvals.delegate', { role: 'security', to: 'user:fay', until }))
      const [own, lent] = [
        await held(hub, ann, 'lab.danger', { note: 'own' }),
        await held(hub, ann, 'lab.danger', { note: 'lent' }),
      ]
      await vote(hub, bob, own)
      await vote(hub, fay, lent, 'approve', { delegator: 'user:bob' })
      outputOf(await stop('user:bob'))
      for (const approval of [own, lent]) {
        expect(await vote(hub, cyd, approval)).toMatchObject({ status: 'pending', owed: ['security:2'] })
        expect(await count(hub, 'approval.vote-dropped@1', approval)).toBe(1)
        expect(await vote(hub, dan, approval)).toMatchObject({ status: 'approved' })
        await reached(hub, approval, 'carried-out')
      }
    },
  )

  it('is offered to nobody who asks, unless he is the only owner', async () => {
    const hub = await opened()
    const mine = async (caller: Caller) =>
      ((await hub.ask(caller, 'approvals.list', { status: 'mine' })).output as { items: unknown[] }).items
    const own = await held(hub, bob, 'lab.danger', { note: '' })
    expect(await shown(hub, own, bob)).toMatchObject({ answers: [], isYours: false })
    expect([(await mine(bob)).length, (await mine(cyd)).length]).toEqual([0, 1])
    const alone = await held(hub, hub.owner, 'lab.work', { steps: 1 })
    expect(await shown(hub, alone, hub.owner)).toMatchObject({ answers: ['approve', 'deny'] })
    const eve = await issued(hub, 'eve', 'owner')
    expect(await shown(hub, alone, hub.owner)).toMatchObject({ answers: [], isYours: false })
    expect(await shown(hub, alone, eve)).toMatchObject({ answers: ['approve', 'deny'] })
  })

  it('of the only owner counts for his own agent, and says so', async () => {
    const hub = await opened()
    const agent: Caller = { chain: [...hub.owner.chain, ...bot.chain] }
    const approval = await held(hub, agent, 'lab.work', { steps: 1 })
    await vote(hub, hub.owner, approval)
    expect((await reached(hub, approval, 'carried-out')).votes).toMatchObject([{ isSolo: true }])
    await issued(hub, 'eve', 'owner')
    const next = await held(hub, agent, 'lab.work', { steps: 1 })
    expect(await codeOf(vote(hub, hub.owner, next))).toBe('approvals.self')
  })
})

describe('what was agreed to', () => {
  it('is not done for somebody whose token is gone', async () => {
    const hub = await opened()
    const asking = await issued(hub, 'ann')
    const approval = await held(hub, asking, 'lab.danger', { note: '' })
    await hub.invoke(owner, 'token.revoke', { id: asking.token })
    await vote(hub, bob, approval)
    await vote(hub, cyd, approval)
    expect(await reached(hub, approval, 'void')).toMatchObject({ closed: { rule: 'auth.invalid' } })
  })

  it('is void once its time is over, also when the clock goes back', async () => {
    const clock = movableClock()
    const hub = await opened('memory', { env: clock.env })
    const approval = await held(hub, ann, 'lab.danger', { note: '' }, { key: 'late' })
    await vote(hub, bob, approval)
    clock.pass(24 * 3_600_000)
    expect(await codeOf(vote(hub, cyd, approval))).toBe('approvals.closed')
    await reached(hub, approval, 'expired')
    clock.setWall(-24 * 3_600_000)
    expect(await codeOf(vote(hub, cyd, approval))).toBe('approvals.closed')
    expect(await hub.invoke(ann, 'lab.danger', { note: '' }, { key: 'late' })).toMatchObject({
      status: 'denied',
    })
    const [entry] = await entriesOf(hub, 'approval.expired@1')
    expect(entry?.data).toMatchObject({ decision: approval, owed: ['security:2'] })
  })

  it('is void under other rules', async () => {
    const { dir, anchorPath, root } = tempFolder()
    const before = await openTestHub('sqlite', { modules, dir, anchorPath, policyDir: approvalRules(root) })
    const approval = await held(before, ann, 'lab.danger', { note: '' })
    await vote(before, bob, approval)
    await before.close()
    const more =
      '@id("more")\nforbid (principal, action, resource) when { resource in Polity::Resource::"nothing" };'
    const after = await openTestHub('sqlite', {
      modules,
      dir,
      anchorPath,
      policyDir: approvalRules(root, more),
    })
    expect(await codeOf(vote(after, cyd, approval))).toMatch(/^approvals\.(superseded|closed)$/)
    await reached(after, approval, 'superseded')
  })

  it('survives a restart, votes and all', async () => {
    const { dir, anchorPath, root } = tempFolder()
    const options = { modules, dir, anchorPath, policyDir: approvalRules(root) }
    const before = await openTestHub('sqlite', options)
    const approval = await held(before, ann, 'lab.danger', { note: '' })
    await vote(before, bob, approval)
    await before.close()
    const after = await openTestHub('sqlite', options)
    await vote(after, cyd, approval)
    await reached(after, approval, 'carried-out')
  })
})

it.each([
  ['lab.danger', { note: '' }, 'security:2'],
  ['lab.work', { steps: 1 }, 'owner:1'],
])(
  'what was agreed to of %s is used once, however many carry it out at a time',
  async (action, input, owed) => {
    const hub = await opened('sqlite')
    const approval = await held(hub, ann, action, input)
    const { version } = await hub.views.read(approvalRequests, approval)
    const grant: Grant = {
      id: approval,
      approvals: [owed],
      bundle: hub.gate.bundle.digest,
      committed: { form: input, canonical: JSON.stringify(input) },
      known: new KnownOpenings(),
      beside: { expect: [{ table: viewTable(approvalRequests), key: approval, version }], rows: [] },
      drafts: (decision) => [ApprovalConsumed({ approval, decision, obligations: [owed] })],
    }
    const under = (bundle: string) => hub.invoke(ann, action, input, { grant: { ...grant, bundle } })
    expect(await codeOf(under(`sha256:${'0'.repeat(64)}`))).toBe('approvals.superseded')
    const asked = await Promise.allSettled([1, 2, 3].map(() => under(grant.bundle)))
    expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const each of asked)
      if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'expectation.failed' })
    expect(await count(hub, 'approval.consumed@1', approval)).toBe(1)
  },
)

describe('a committee', () => {
  const members = ['bob', 'cyd', 'dan', 'eve'].map((id) => ({ principal: `user:${id}`, weight: 1 }))
  const seats = { name: 'security', quorum: 3, thresholdPercent: 60, votingHours: 2 }

  it('votes with the members it had when it was asked', async () => {
    const hub = await opened()
    const put = await hub.invoke(owner, 'approvals.committee', { ...seats, members })
    expect(outputOf(put)).toMatchObject({ veto: [] })
    const approval = await held(hub, person('eve'), 'lab.increment', { counter: 'c' })
    outputOf(
      await hub.invoke(owner, 'approvals.committee', {
        ...seats,
        members: [...members, { principal: 'user:fay', weight: 900 }],
      }),
    )
    expect(await codeOf(vote(hub, person('fay'), approval))).toBe('approvals.not-yours')
    expect(await codeOf(vote(hub, person('eve'), approval))).toBe('approvals.self')
    await vote(hub, person('bob'), approval)
    await vote(hub, person('cyd'), approval, 'abstain')
    // Were the seat of whoever asks still out, its ballot could turn this into a no.
    expect(await vote(hub, person('dan'), approval, 'abstain')).toMatchObject({ status: 'approved' })
    await reached(hub, approval, 'carried-out')
  })

  it('closes by its ballots when its time is up, or for the lack of them', async () => {
    const clock = movableClock()
    const hub = await opened('memory', { env: clock.env })
    const five = [...members, { principal: 'user:fay', weight: 1 }, { principal: 'user:gus', weight: 1 }]
    outputOf(await hub.invoke(owner, 'approvals.committee', { ...seats, members: five }))
    const [full, short] = [
      await held(hub, ann, 'lab.increment', { counter: 'full' }),
      await held(hub, ann, 'lab.increment', { counter: 'short' }),
    ]
    for (const id of ['bob', 'cyd', 'dan']) await vote(hub, person(id), full)
    await vote(hub, person('bob'), short)
    expect(await shown(hub, full)).toMatchObject({ status: 'pending' })
    clock.pass(2 * 3_600_000)
    await reached(hub, full, 'carried-out')
    expect(await reached(hub, short, 'denied')).toMatchObject({ closed: { rule: 'expired' } })
  })

  it('in which nobody sits says no at once', async () => {
    const hub = await opened()
    const approval = await held(hub, ann, 'lab.increment', { counter: 'c' })
    expect(await reached(hub, approval, 'denied')).toMatchObject({ closed: { rule: 'impossible' } })
  })
})
