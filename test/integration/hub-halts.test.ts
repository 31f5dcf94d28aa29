// The kill switch and the quarantine through a whole hub: at once, in every chain, for runs and streams, and never for good.

import { describe, expect, it } from 'vitest'
import { openStream } from '../../src/doors/http/fixtures/client.ts'
import { serve } from '../../src/doors/http/fixtures/served.ts'
import type { Hub } from '../../src/hub.ts'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import { systemEnv } from '../../src/kernel/env.ts'
import { agent, deedRules, deeds, user } from './lab/deeds.ts'
import { begin, calls, type Flow, flow, outcome, stateOf, told, untilStopped } from './lab/flow.ts'
import { codeOf, ENGINES, entriesOf, openTestHub, owner } from './lab/hubs.ts'

const a = agent('a')
const second = { chain: [{ kind: 'user' as const, id: 'second', roles: ['owner'] }] }
const kill = (hub: Hub, principal: string, more: object = {}, by: Caller = owner) =>
  hub.invoke(by, 'halts.kill', { principal, reason: 'it went wild', ...more })
const release = (hub: Hub, principal: string, by: Caller = owner) =>
  hub.invoke(by, 'halts.release', { principal, reason: 'all clear' })
const statusOf = async (hub: Hub, caller: Caller, action = 'deeds.send') =>
  (await hub.invoke(caller, action, {})).status
const makeOwner = (hub: Hub) =>
  hub.invoke(owner, 'token.create', { kind: 'user', id: 'second', roles: ['owner'] })
const open = async (engine: (typeof ENGINES)[number] = 'memory', more: object = {}) =>
  openTestHub(engine, { modules: [deeds()], policyDir: await deedRules(), ...more })

describe.each(ENGINES)('a principal that was killed (%s)', (engine) => {
  it('takes part in nothing any more, alone or in a chain, and everybody else goes on', async () => {
    const hub = await open(engine)
    const onBehalf = { chain: [...user('ann').chain, ...a.chain] }
    const before = { chain: [...a.chain, ...user('ann').chain] }
    await kill(hub, 'agent:a')
    for (const caller of [a, onBehalf, before]) {
      expect(await hub.invoke(caller, 'deeds.send', {})).toMatchObject({
        status: 'denied',
        reasons: ['polity.halted'],
      })
      expect(await codeOf(hub.ask(caller, 'deeds.read-public', {}))).toBe('denied')
      expect(await codeOf(hub.permit(caller, 'deeds.read-public'))).toBe('denied')
    }
    for (const caller of [agent('b'), user('a'), user('ann')])
      expect(await statusOf(hub, caller)).toBe('done')
    expect(await release(hub, 'agent:a')).toMatchObject({ status: 'done' })
    expect(await statusOf(hub, onBehalf)).toBe('done')
    expect((await hub.ask(owner, 'halts.list', {})).output).toEqual({ items: [] })
  })
})

describe('a halt', () => {
  it('holds in log-only mode, and where everything else is permitted', async () => {
    const hub = await open('memory', { rollout: { mode: 'log-only' } })
    await kill(hub, 'agent:a')
    expect(await statusOf(hub, a)).toBe('denied')
    expect((await hub.ask(owner, 'halts.list', {})).output).toMatchObject({
      items: [{ principal: 'agent:a', how: 'kill', runs: 'pause', placedBy: 'user:owner' }],
    })
  })

  it('is not outlived by what a door was permitted a moment ago', async () => {
    const stopped = Date.now()
    const hub = await open('memory', { env: { ...systemEnv(), now: () => stopped } })
    await hub.permit(a, 'deeds.read-public')
    await kill(hub, 'agent:a')
    expect(await codeOf(hub.permit(a, 'deeds.read-public'))).toBe('denied')
  })

  it('is met under a key that was answered before, by whoever asks and for whomever, and its release gives the answer back', async () => {
    const hub = await open()
    const deed = { operation: 'x', resourceType: 't', resourceId: '1', risk: 'low' } as const
    const forAnn = { ...deed, subjectKind: 'user', subjectId: 'ann' } as const
    const options = { key: 'k', wait: false }
    const again = () =>
      Promise.all([
        hub.invoke(a, 'deeds.send', {}, options),
        hub.invoke(a, 'outside.act', deed, options),
        hub.invoke(agent('b'), 'outside.act', forAnn, options),
      ])
    const before = await again()
    expect(before.map(({ status }) => status)).toEqual(['done', 'running', 'running'])
    for (const how of ['quarantine', 'kill'] as const)
      for (const principal of ['agent:a', 'user:ann'])
        await hub.invoke(owner, `halts.${how}`, { principal, reason: 'odd', runs: 'leave' })
    for (const answer of await again())
      expect(answer).toMatchObject({ status: 'denied', reasons: ['polity.halted'] })
    for (const principal of ['agent:a', 'user:ann']) await release(hub, principal)
    const after = await again()
    expect(after.map(({ decision }) => decision)).toEqual(before.map(({ decision }) => decision))
  })

  it('reaches what was decided before it and is not committed yet', async () => {
    const [reached, hold] = [calls(), calls()]
    const hub = await openTestHub('memory', {
      policyDir: await deedRules(),
      modules: [
        flow(async () => {
          reached.call()
          await hold.reached
        }),
      ],
    })
    const acting = hub.invoke(a, 'flow.atomically', {})
    await reached.reached
    await kill(hub, 'agent:a')
    hold.call()
    expect(await acting).toMatchObject({ status: 'denied', reasons: ['polity.halted'] })
  })

  it('as a quarantine leaves queries of low risk, and nothing else', async () => {
    for (const mode of ['enforce', 'log-only'] as const) {
      const hub = await open('memory', { rollout: { mode } })
      await hub.invoke(owner, 'halts.quarantine', { principal: 'agent:a', reason: 'odd' })
      await hub.ask(a, 'deeds.read-public', {})
      expect(await codeOf(hub.ask(a, 'deeds.read-more', {}))).toBe('denied')
      expect(await statusOf(hub, a)).toBe('denied')
    }
  })

  it('becomes harder at once, and milder only by a release', async () => {
    const hub = await open()
    const quarantine = () => hub.invoke(owner, 'halts.quarantine', { principal: 'agent:a', reason: 'odd' })
    await quarantine()
    await kill(hub, 'agent:a')
    expect(await codeOf(hub.ask(a, 'deeds.read-public', {}))).toBe('denied')
    expect(await codeOf(quarantine())).toBe('halts.stands')
    expect(await codeOf(release(hub, 'agent:b'))).toBe('not-found')
  })

  it('stops whoever stands in a chain under the name that another system has for him', async () => {
    const hub = await open()
    for (const id of ['auth0|123', 'ann+1@example.com', 'a=b', '~'.padStart(128, 'x')]) {
      const act = () =>
        hub.invoke(
          a,
          'outside.act',
          { operation: 'x', resourceType: 't', resourceId: '1', subjectKind: 'user', subjectId: id },
          { wait: false },
        )
      expect(await act()).toMatchObject({ status: 'running' })
      expect(await kill(hub, `user:${id}`)).toMatchObject({ status: 'done' })
      expect(await act()).toMatchObject({ status: 'denied', reasons: ['polity.halted'] })
    }
  })

  it('is refused of what is no principal, and of the hub itself', async () => {
    const hub = await open()
    for (const principal of [
      'hub:polity',
      'anyone',
      'agent:',
      'agent:a b',
      'constructor',
      `agent:${'x'.repeat(200)}`,
    ])
      expect(await codeOf(kill(hub, principal))).toBe('input.invalid')
  })

  it('is for owners by the rules that come with the hub, and its release waits for another owner', async () => {
    const hub = await openTestHub('memory', { modules: [deeds()] })
    await makeOwner(hub)
    expect(await kill(hub, 'agent:a', {}, user('ann'))).toMatchObject({ status: 'denied' })
    expect(await kill(hub, 'agent:a')).toMatchObject({ status: 'done' })
    expect(await statusOf(hub, a)).toBe('denied')
    expect(await release(hub, 'agent:a')).toMatchObject({ status: 'suspended' })
  })
})

describe('the last owner', () => {
  it('cannot be stopped, nor stop himself', async () => {
    const hub = await open()
    expect(await codeOf(kill(hub, 'user:owner'))).toBe('halts.last-owner')
    await makeOwner(hub)
    expect(await kill(hub, 'user:owner', {}, second)).toMatchObject({ status: 'done' })
    expect(await codeOf(kill(hub, 'user:second', {}, second))).toBe('halts.last-owner')
  })

  it('is left when both of two are stopped at the same moment, by one another or by others', async () => {
    for (const [one, other] of [
      [owner, second],
      [user('ann'), user('bob')],
    ] as const) {
      const hub = await open()
      await makeOwner(hub)
      const both = [kill(hub, 'user:second', {}, one), kill(hub, 'user:owner', {}, other)]
      const statuses = (await Promise.allSettled(both)).map((each) =>
        each.status === 'fulfilled' ? each.value.status : each.reason.code,
      )
      expect(statuses.filter((status) => status === 'done')).toHaveLength(1)
      expect(await entriesOf(hub, 'halt.placed@1')).toHaveLength(1)
    }
  })

  it('releases whom he stopped; whoever is stopped does not release himself', async () => {
    const hub = await open()
    await makeOwner(hub)
    await kill(hub, 'user:second')
    expect(await release(hub, 'user:second', second)).toMatchObject({ status: 'denied' })
    expect(await release(hub, 'user:second')).toMatchObject({ status: 'done' })
  })

  it('is not somebody whose token covers less than everything, or was revoked', async () => {
    const hub = await open()
    await hub.invoke(owner, 'token.create', {
      kind: 'user',
      id: 'second',
      roles: ['owner'],
      scopes: ['state'],
    })
    expect(await codeOf(kill(hub, 'user:owner', {}, second))).toBe('halts.last-owner')
    const whole = hub.invoke(second, 'token.create', { kind: 'user', id: 'second', roles: ['owner'] })
    const { output } = (await whole) as unknown as { output: { id: string } }
    await hub.invoke(owner, 'token.revoke', { id: output.id })
    expect(await codeOf(kill(hub, 'user:owner', {}, second))).toBe('halts.last-owner')
  })
})

describe('runs of a principal that is stopped', () => {
  const running = async (body: Flow) =>
    openTestHub('memory', { policyDir: await deedRules(), modules: [flow(body)] })

  it('are paused before their next step, and stay so after the release until somebody resumes them', async () => {
    const [reached, hold] = [calls(), calls()]
    const bodies: string[] = []
    const hub = await running(async (ctx) => {
      await ctx.step('one', () => {
        reached.call()
        return hold.reached
      })
      await ctx.step('two', () => bodies.push('two'))
    })
    const run = await begin(hub, { chain: [...user('ann').chain, ...a.chain] })
    await reached.reached
    await kill(hub, 'agent:a')
    expect(await told(hub, 'run.paused@1', run)).toMatchObject({
      reason: 'agent:a was stopped: it went wild',
    })
    hold.call()
    await release(hub, 'agent:a')
    expect(await stateOf(hub, run)).toMatchObject({ status: 'paused' })
    expect(bodies).toEqual([])
    await hub.invoke(owner, 'runs.resume', { run })
    expect(await outcome(hub, run)).toMatchObject({ status: 'done' })
  })

  it('are cancelled and undone where that was asked for, and those of others go on', async () => {
    const undone: string[] = []
    const [reached, others] = [calls(), calls()]
    const hub = await running(async (ctx, { mark }) => {
      await ctx.step('book', () => mark, { undo: () => undone.push(`${mark}`) })
      await ctx.step('hold', ({ signal }) => {
        if (mark === 'b') return others.reached
        reached.call()
        return untilStopped(signal)
      })
    })
    const [run, other] = [
      await begin(hub, a, 'flow.play', { mark: 'a' }),
      await begin(hub, agent('b'), 'flow.play', { mark: 'b' }),
    ]
    await reached.reached
    await kill(hub, 'agent:a', { runs: 'cancel' })
    expect(await outcome(hub, run)).toMatchObject({ status: 'cancelled' })
    others.call()
    expect(await outcome(hub, other)).toMatchObject({ status: 'done' })
    expect(undone).toEqual(['a'])
  })
})

describe('a stream of a principal that is stopped', () => {
  it('ends, although nothing happens any more', async () => {
    const hub = await open()
    await using served = await serve(hub)
    const made = await hub.invoke(owner, 'token.create', { kind: 'agent', id: 'a' })
    const { token } = (made as unknown as { output: { token: string } }).output
    const stream = await openStream(served.url, token)
    await stream.next()
    await kill(hub, 'agent:a')
    // The stream says itself that it is over; a test that waits in vain runs into its own limit.
    for (let event = await stream.next(); event !== undefined; ) event = await stream.next()
    expect(await stream.next()).toBeUndefined()
  })
})
