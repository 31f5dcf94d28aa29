// What feeds trust beside acts: alerts of peers, what the hub notices, halts, verifications; each bounded, and shown by where it came from.

import { describe, expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import type { PrincipalKind } from '../../src/kernel/gate/types.ts'
import { sign as signing } from '../../src/modules/attest/contract.ts'
import { attest } from '../../src/modules/attest/module.ts'
import { componentsModule } from '../../src/modules/components/module.ts'
import { state } from '../../src/modules/state/module.ts'
import { movableClock } from './lab/clock.ts'
import { flow } from './lab/flow.ts'
import { codeOf, entriesOf, openTestHub, owner, settle } from './lab/hubs.ts'
import { lab } from './lab/module.ts'

const caller = (kind: PrincipalKind, id: string): Caller => ({ chain: [{ kind, id, roles: [] }] })
const shop = caller('component', 'shop')
const peer = caller('agent', 'peer')
const DAY_MS = 86_400_000

async function open() {
  const clock = movableClock()
  const modules = [state, lab(), attest, componentsModule()]
  const hub = await openTestHub('memory', { modules, env: clock.env })
  return { hub, clock }
}

interface Explained {
  readonly score: number
  readonly bound: number
  readonly sources: readonly { id: string; count: number; positive: number; negative: number }[]
}

async function explained(hub: Hub, principal: string, family = '*'): Promise<Explained> {
  await settle(hub)
  return (await hub.ask(owner, 'trust.explain', { principal, family })).output as Explained
}

const sourceIn = ({ sources }: Explained, id: string) => sources.find((source) => source.id === id)

async function done<T>(hub: Hub, who: Caller, name: string, input: object): Promise<T> {
  const answer = await hub.invoke(who, name, input)
  if (answer.status !== 'done') throw new Error(`${name}: ${answer.status}`)
  await settle(hub)
  return answer.output as T
}

interface Counted {
  readonly isCounted: boolean
  readonly sentence: string
  readonly counted: number
}
const alert = (hub: Hub, who: Caller, input: object = {}) =>
  done<Counted>(hub, who, 'trust.alert', {
    principal: 'component:shop',
    severity: 'high',
    reason: 'it sends the same mail again and again',
    ...input,
  })

/** Acts of medium risk are enough of them to be believed. */
async function makeKnown(hub: Hub, who: Caller): Promise<void> {
  for (let turn = 0; turn < 60; turn++)
    await hub.invoke(who, 'state.put', { namespace: 'ns', key: 'k', value: turn })
}

describe('an alert about somebody', () => {
  it('counts as far as whoever raises it is known, the more the graver it is, and says where it came from', async () => {
    const { hub } = await open()
    const counted = await alert(hub, owner, { family: 'state', reference: 'https://example.com/incidents/7' })
    expect(counted.isCounted).toBe(true)
    expect(counted.counted).toBeGreaterThan(1)
    expect(counted.counted).toBeLessThan(3)
    const seen = await explained(hub, 'component:shop', 'state')
    expect(sourceIn(seen, 'alerts')).toEqual({
      id: 'alerts',
      count: 1,
      positive: 0,
      negative: counted.counted,
    })
    expect(seen.bound).toBeLessThan(50)
    const [entry] = await entriesOf(hub, 'trust.reported@1')
    expect(entry?.data).toMatchObject({
      kind: 'alert',
      severity: 'high',
      reference: 'https://example.com/incidents/7',
    })
  })

  it('about oneself, about whom one acts for, and of an unknown one counts nothing', async () => {
    const { hub } = await open()
    expect((await alert(hub, shop)).sentence).toContain('oneself')
    const behind: Caller = { chain: [...shop.chain, ...peer.chain] }
    expect((await alert(hub, behind)).sentence).toContain('oneself')
    expect(await alert(hub, peer)).toMatchObject({ isCounted: false, counted: 0 })
    expect(await entriesOf(hub, 'trust.reported@1')).toHaveLength(0)
  })

  it('of another form, or of a family that is none, is refused', async () => {
    const { hub } = await open()
    for (const wrong of [
      { principal: 'user:owner' },
      { severity: 'huge' },
      { reason: '' },
      { reference: 'a\nb' },
    ])
      expect(await codeOf(alert(hub, owner, wrong))).toBe('input.invalid')
    expect(await codeOf(alert(hub, owner, { family: 'nonsense' }))).toBe('name.unknown')
  })

  it('comes to ten outcomes of one peer in all, in however many families and on however many days', async () => {
    const { hub, clock } = await open()
    await makeKnown(hub, peer)
    let total = 0
    for (let day = 0; day < 6; day++) {
      for (const family of ['state', 'lab', 'attest', 'components', '*'])
        total += (await alert(hub, peer, { family, severity: 'critical' })).counted
      const { negative = 0 } = sourceIn(await explained(hub, 'component:shop'), 'alerts') ?? {}
      expect(negative).toBeLessThanOrEqual(10)
      clock.setWall((day + 1) * DAY_MS)
    }
    // More than ten were said, and what has faded makes room.
    expect(total).toBeGreaterThan(10)
    expect((await alert(hub, peer, { principal: 'component:other' })).isCounted).toBe(true)
  })
})

describe('what the hub notices', () => {
  it('of a lost lease speaks against who registered the component, in the commit of the loss', async () => {
    const { hub, clock } = await open()
    for (const [who, id] of [
      [shop, 'shop'],
      [owner, 'mine'],
    ] as const)
      await done(hub, who, 'components.register', { id, version: '1.0.0', ttlMs: 5000 })
    const lost = () => entriesOf(hub, 'components.lost@1')
    await expect
      .poll(
        async () => {
          clock.pass(2000)
          return (await lost()).length
        },
        { timeout: 20_000, interval: 3 },
      )
      .toBe(2)
    // Of what a person registered nothing is counted.
    const alerts = await entriesOf(hub, 'trust.alerted@1')
    expect(alerts.map(({ data }) => data)).toEqual([
      {
        principal: 'component:shop',
        family: 'components',
        severity: 'medium',
        fact: 'components.lost@1',
        about: 'component/shop',
      },
    ])
    const fact = (await lost()).find(({ subject }) => subject === 'component/shop')
    expect(alerts[0]?.correlationid).toBe(fact?.correlationid)
    const seen = await explained(hub, 'component:shop', 'components')
    expect(sourceIn(seen, 'observed')).toMatchObject({ count: 1, negative: 1 })
  })

  it('of a check that fails as often as it may speaks against who registered the component', async () => {
    const { hub, clock } = await open()
    const check = {
      name: 'alive',
      kind: 'tcp',
      url: 'tcp://127.0.0.1:1',
      intervalMs: 1000,
      failuresBeforeCritical: 2,
    }
    const input = { id: 'shop', version: '1.0.0', ttlMs: 24 * 3600_000, checks: [check] }
    await done(hub, shop, 'components.register', input)
    await expect
      .poll(
        async () => {
          clock.pass(200)
          return (await entriesOf(hub, 'trust.alerted@1')).map(({ data }) => data.fact)
        },
        { timeout: 20_000, interval: 5 },
      )
      .toEqual(['components.check-failed@1'])
    // That it goes on failing is no other fact.
    for (let turn = 0; turn < 20; turn++) {
      clock.pass(200)
      await settle(hub)
    }
    const seen = await explained(hub, 'component:shop', 'components')
    expect(sourceIn(seen, 'observed')).toMatchObject({ count: 1, negative: 1 })
  })

  it('when somebody is stopped speaks against him, but not when he stops himself', async () => {
    const { hub } = await open()
    await done(hub, owner, 'halts.quarantine', { principal: 'agent:bot', reason: 'it spends money' })
    expect(sourceIn(await explained(hub, 'agent:bot'), 'observed')).toMatchObject({ count: 1, negative: 2 })
    await done(hub, owner, 'halts.kill', { principal: 'agent:bot', reason: 'it goes on' })
    expect(sourceIn(await explained(hub, 'agent:bot'), 'observed')).toMatchObject({ count: 2, negative: 6 })
    const himself: Caller = { chain: [{ kind: 'service', id: 'ci', roles: ['owner'] }] }
    await done(hub, himself, 'halts.quarantine', { principal: 'service:ci', reason: 'my token leaked' })
    await done(hub, owner, 'halts.quarantine', { principal: 'user:eve', reason: 'she left' })
    expect(await entriesOf(hub, 'trust.alerted@1')).toHaveLength(2)
  })
})

describe('a verification', () => {
  const digest = (byte: string) => ({ sha256: byte.repeat(64) })
  const subjects = [
    { name: 'a', digest: digest('a') },
    { name: 'b', digest: digest('b') },
  ]
  const sign = async (hub: Hub, who: Caller): Promise<string> => {
    const input = { predicateType: 'https://example.com/p', subjects, predicate: {} }
    const { statement } = await done<{ statement: string }>(hub, who, 'attest.sign', input)
    return statement
  }
  interface Verified extends Counted {
    readonly result: string
    readonly reasons: readonly string[]
    readonly producer?: string
  }
  const verify = (hub: Hub, who: Caller, statement: string, presented: object[]) =>
    done<Verified>(hub, who, 'attest.verify', { statement, subjects: presented })
  const maker: Caller = { chain: [{ kind: 'service', id: 'maker', roles: ['owner'] }] }

  it('that passed or failed is a fact, and counts for whoever had the statement signed', async () => {
    const { hub } = await open()
    const statement = await sign(hub, maker)
    const passed = await verify(hub, owner, statement, [{ name: 'a', digest: digest('a') }])
    expect(passed).toMatchObject({
      result: 'passed',
      producer: 'service:maker',
      isCounted: true,
      reasons: [],
    })
    const before = await explained(hub, 'service:maker', 'attest')
    expect(sourceIn(before, 'verifications')).toMatchObject({ count: 1, negative: 0 })
    // One report of the same reporter counts in a day: somebody else has found out.
    const second: Caller = { chain: [{ kind: 'user', id: 'second', roles: ['owner'] }] }
    const failed = await verify(hub, second, statement, [
      { name: 'a', digest: digest('a') },
      { name: 'b', digest: digest('c') },
      { name: 'c', digest: digest('c') },
      { name: 'a', digest: { gitCommit: 'd'.repeat(40) } },
    ])
    expect(failed).toMatchObject({
      result: 'failed',
      isCounted: true,
      reasons: [
        'it has another sha256 of b',
        'it says nothing of c',
        'it has no digest of a of a kind that was presented',
      ],
    })
    const after = await explained(hub, 'service:maker', 'attest')
    expect(sourceIn(after, 'verifications')?.negative).toBeGreaterThan(1)
    expect(after.score).toBeLessThan(before.score)
    const facts = await entriesOf(hub, 'attest.verified@1')
    expect(facts.map(({ data }) => [data.result, data.producer])).toEqual([
      ['passed', 'service:maker'],
      ['failed', 'service:maker'],
    ])
  })

  it('of what oneself, or a person, had signed is a fact that counts for nobody', async () => {
    const { hub } = await open()
    const own = await verify(hub, maker, await sign(hub, maker), subjects)
    expect(own).toMatchObject({ result: 'passed', isCounted: false })
    expect(own.sentence).toContain('oneself')
    const ofPerson = await verify(hub, maker, await sign(hub, owner), subjects)
    expect(ofPerson).toMatchObject({ result: 'passed', isCounted: false })
    expect(ofPerson.producer).toBeUndefined()
    expect(await entriesOf(hub, 'trust.reported@1')).toHaveLength(0)
    expect(await codeOf(verify(hub, owner, 'nothing', subjects))).toBe('not-found')
  })

  it('of what a run had signed says nothing about who asked for the run', async () => {
    const input = { predicateType: 'https://example.com/p', subjects, predicate: {} }
    const work = flow(async (ctx) => (await ctx.invoke(signing, input)).statement)
    const hub = await openTestHub('memory', { modules: [attest, work] })
    await done(hub, maker, 'flow.play', {})
    const [signed] = await entriesOf(hub, 'attest.statement-signed@1')
    expect(signed?.actor).toBe('service:maker')
    const verified = await verify(hub, owner, String(signed?.data.statement), subjects)
    expect(verified).toMatchObject({ result: 'passed', isCounted: false })
    expect(verified.producer).toBeUndefined()
  })
})
