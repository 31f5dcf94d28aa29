// Trust through a hub: earned by outcomes, lost by violations, weighed reports of peers, overrides that end, and a rebuild that agrees.

import { describe, expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import type { PrincipalKind } from '../../src/kernel/gate/types.ts'
import { reputations } from '../../src/kernel/trust/contract.ts'
import { state } from '../../src/modules/state/module.ts'
import { movableClock } from './lab/clock.ts'
import { codeOf, entriesOf, openTestHub, owner, settle } from './lab/hubs.ts'
import { lab } from './lab/module.ts'

const caller = (kind: PrincipalKind, id: string): Caller => ({ chain: [{ kind, id, roles: [] }] })
const shop = caller('component', 'shop')
const peer = caller('component', 'peer')
const DAY_MS = 86_400_000

async function open() {
  const clock = movableClock()
  const hub = await openTestHub('memory', { modules: [state, lab()], env: clock.env })
  return { hub, clock }
}

const put = (hub: Hub, who: Caller, key = 'k') =>
  hub.invoke(who, 'state.put', { namespace: 'ns', key, value: 1 })

async function ask<T>(hub: Hub, name: string, input: object): Promise<T> {
  await settle(hub)
  return (await hub.ask(owner, name, input)).output as T
}

interface Shown {
  readonly principal: string
  readonly family: string
  readonly trust: number
  readonly score: number
  readonly bound: number
  readonly positive: number
  readonly negative: number
  readonly counts: Readonly<Record<string, number>>
  readonly override?: { readonly trust: number; readonly by: string }
}

const trustIn = (hub: Hub, principal: string, family = 'state') =>
  ask<Shown>(hub, 'trust.get', { principal, family })

const contextsOf = async (hub: Hub, actor: string) =>
  (await entriesOf(hub, 'action.decided@1'))
    .filter((entry) => entry.actor === actor)
    .map(({ data }) => data.context as { readonly trust: number; readonly autonomous: boolean })

describe('trust', () => {
  it('begins at the prior, rises with good outcomes, and is what the gate is told', async () => {
    const { hub } = await open()
    expect(await trustIn(hub, 'component:shop')).toMatchObject({ trust: 50, score: 500, positive: 0 })
    for (let turn = 0; turn < 25; turn++) await put(hub, shop)
    const now = await trustIn(hub, 'component:shop')
    // 25 outcomes of low risk count 5.
    expect(now).toMatchObject({ positive: 5, negative: 0, counts: { done: 25 }, bound: 606 })
    await put(hub, shop)
    const contexts = await contextsOf(hub, 'component:shop')
    expect(contexts.at(0)).toMatchObject({ autonomous: true, trust: 50 })
    expect(contexts.at(-1)).toMatchObject({ autonomous: true, trust: 606 })
  })

  it('of people and services is no matter of evidence, and people leave no row', async () => {
    const { hub } = await open()
    await put(hub, owner)
    await put(hub, caller('service', 'ci'))
    expect((await contextsOf(hub, 'user:owner')).at(-1)).toMatchObject({ autonomous: false, trust: 1000 })
    expect((await contextsOf(hub, 'service:ci')).at(-1)).toMatchObject({ autonomous: false, trust: 1000 })
    const { items } = await ask<{ items: Shown[] }>(hub, 'trust.list', {})
    expect(items.map(({ principal, family }) => `${principal} ${family}`)).toEqual([
      'service:ci *',
      'service:ci state',
    ])
  })

  it('of a chain is that of its least trusted link', async () => {
    const { hub } = await open()
    for (let turn = 0; turn < 25; turn++) await put(hub, shop)
    const both: Caller = { chain: [...shop.chain, ...caller('agent', 'new').chain] }
    await put(hub, both)
    expect((await contextsOf(hub, 'component:shop > agent:new')).at(-1)).toMatchObject({ trust: 50 })
    // Who acted is counted; on whose behalf is not.
    expect((await trustIn(hub, 'agent:new')).counts).toMatchObject({ done: 1 })
    expect((await trustIn(hub, 'component:shop')).counts).toMatchObject({ done: 25 })
  })

  it('falls by what the rules deny, and not by what was only suspended', async () => {
    const { hub } = await open()
    await hub.invoke(shop, 'lab.danger', { note: 'mine' })
    const { counts, negative, bound } = await trustIn(hub, 'component:shop', 'lab')
    expect(counts).toMatchObject({ denied: 1 })
    expect(negative).toBe(4)
    expect(bound).toBeLessThan(50)
  })

  it('in one family helps only a little in another', async () => {
    const { hub } = await open()
    for (let turn = 0; turn < 60; turn++) await put(hub, shop)
    expect((await trustIn(hub, 'component:shop')).bound).toBeGreaterThan(700)
    const { bound, positive } = await trustIn(hub, 'component:shop', 'lab')
    expect(positive).toBe(0)
    expect(bound).toBeGreaterThan(50)
    expect(bound).toBeLessThan(600)
  })

  it('is forgotten with time', async () => {
    const { hub, clock } = await open()
    for (let turn = 0; turn < 25; turn++) await put(hub, shop)
    clock.setWall(30 * DAY_MS)
    expect((await trustIn(hub, 'component:shop')).positive).toBe(2.5)
    clock.setWall(4000 * DAY_MS)
    expect(await trustIn(hub, 'component:shop')).toMatchObject({ trust: 50, score: 500 })
  })

  it('folds to the same rows when it is folded again', async () => {
    const { hub, clock } = await open()
    for (let turn = 0; turn < 8; turn++) {
      await put(hub, shop, `k${turn}`)
      await hub.invoke(shop, 'lab.danger', { note: `${turn}` })
      clock.setWall((turn + 1) * DAY_MS)
    }
    await settle(hub)
    const [row] = await hub.views.list(reputations, { prefix: 'component:shop state', limit: 1 })
    const again = (await entriesOf(hub)).reduce<undefined | NonNullable<typeof row>['value']>(
      (value, entry) =>
        reputations.from.some(({ name }) => name === entry.type) &&
        reputations.keys(entry as never).includes('component:shop state')
          ? (reputations.fold(
              value === undefined ? undefined : { version: 1, value },
              entry as never,
              'component:shop state',
            ) ?? undefined)
          : value,
      undefined,
    )
    expect(again).toEqual(row?.value)
  })
})

describe('a report', () => {
  const report = async (hub: Hub, who: Caller, input: object = {}) => {
    const answer = await hub.invoke(who, 'trust.report', {
      principal: 'component:shop',
      verdict: 'negative',
      family: 'state',
      strength: 5,
      ...input,
    })
    if (answer.status !== 'done') throw new Error(answer.status)
    await settle(hub)
    return answer.output as { isCounted: boolean; sentence: string; counted: number }
  }

  it('about oneself counts nothing and says so, also on behalf of whom it is about', async () => {
    const { hub } = await open()
    const self = await report(hub, shop, { verdict: 'positive' })
    expect(self).toMatchObject({ isCounted: false, counted: 0 })
    expect(self.sentence).toContain('oneself')
    const behind: Caller = { chain: [...shop.chain, ...caller('agent', 'puppet').chain] }
    expect((await report(hub, behind, { verdict: 'positive' })).sentence).toContain('oneself')
    expect(await entriesOf(hub, 'trust.reported@1')).toHaveLength(0)
  })

  it('of an unknown peer counts nothing, and of a known one the more, the better it is known', async () => {
    const { hub } = await open()
    expect(await report(hub, peer)).toMatchObject({ isCounted: false })
    for (let turn = 0; turn < 40; turn++) await put(hub, peer)
    const counted = await report(hub, peer)
    expect(counted.isCounted).toBe(true)
    expect(counted.counted).toBeGreaterThan(2)
    expect(counted.counted).toBeLessThan(5)
    expect((await trustIn(hub, 'component:shop')).negative).toBe(counted.counted)
  })

  it('counts once in a window for one reporter, principal and family, however many come at once', async () => {
    const { hub, clock } = await open()
    const at = await Promise.all(Array.from({ length: 8 }, () => report(hub, owner)))
    expect(at.filter(({ isCounted }) => isCounted)).toHaveLength(1)
    expect(await report(hub, owner, { family: '*' })).toMatchObject({ isCounted: true })
    clock.setWall(DAY_MS)
    expect(await report(hub, owner)).toMatchObject({ isCounted: true })
  })

  it('of a family that no action is in is refused: invented rows could hide those that count', async () => {
    const { hub } = await open()
    for (const family of ['aaa', 'trust', 'constructor'])
      expect(await codeOf(report(hub, owner, { family }))).toBe('name.unknown')
  })

  it('of another form is refused', async () => {
    const { hub } = await open()
    for (const wrong of [
      { principal: 'user:owner' },
      { principal: 'component:shop x' },
      { strength: 6 },
      { strength: 0 },
      { verdict: 'superb' },
      { family: 'State' },
      { reason: 'two\nlines' },
    ])
      expect(await codeOf(report(hub, owner, wrong))).toBe('input.invalid')
  })
})

describe('an override', () => {
  const override = (hub: Hub, who: Caller, input: object = {}) =>
    hub.invoke(who, 'trust.override', {
      principal: 'component:shop',
      level: 900,
      reason: 'vouched for by the team',
      expiresInSeconds: 3600,
      ...input,
    })

  it('is a critical act that is not for everybody, is seen by the gate, and ends by itself', async () => {
    const { hub, clock } = await open()
    expect((await override(hub, shop)).status).toBe('denied')
    expect((await override(hub, owner)).status).toBe('done')
    expect((await entriesOf(hub, 'action.decided@1')).at(-1)?.data).toMatchObject({ risk: 'critical' })
    expect(await trustIn(hub, 'component:shop')).toMatchObject({
      trust: 900,
      bound: 50,
      override: { trust: 900, by: 'user:owner' },
    })
    await put(hub, shop)
    expect((await contextsOf(hub, 'component:shop')).at(-1)).toMatchObject({ trust: 900 })
    clock.setWall(3_600_000)
    expect((await trustIn(hub, 'component:shop')).override).toBeUndefined()
    expect(await codeOf(hub.invoke(owner, 'trust.lift', { principal: 'component:shop', reason: 'x' }))).toBe(
      'not-found',
    )
  })

  it('of one family wins over that of all, and can be lifted', async () => {
    const { hub } = await open()
    await override(hub, owner)
    await override(hub, owner, { family: 'state', level: 0 })
    expect((await trustIn(hub, 'component:shop')).trust).toBe(0)
    expect((await trustIn(hub, 'component:shop', 'lab')).trust).toBe(900)
    await hub.invoke(owner, 'trust.lift', {
      principal: 'component:shop',
      family: 'state',
      reason: 'it is well',
    })
    expect((await trustIn(hub, 'component:shop')).trust).toBe(900)
  })

  it('outlives evidence that comes meanwhile', async () => {
    const { hub } = await open()
    await override(hub, owner, { family: 'state', level: 10 })
    await put(hub, shop)
    expect(await trustIn(hub, 'component:shop')).toMatchObject({ trust: 10, counts: { done: 1 } })
  })
})

describe('an explanation', () => {
  it('shows inputs, terms and coverage, replays, and says what is missing to each threshold', async () => {
    const { hub } = await open()
    const none = await ask(hub, 'trust.explain', { principal: 'component:shop', family: 'state' })
    expect(none).toMatchObject({
      formula: 'reputation/1',
      score: 500,
      isReplayed: true,
      missing: [
        { threshold: 600, outcomes: 5 },
        { threshold: 700, outcomes: 8 },
        { threshold: 800, outcomes: 13 },
        { threshold: 900, outcomes: 28 },
      ],
    })
    for (let turn = 0; turn < 25; turn++) await put(hub, shop)
    const some = await ask<{ coverage: number; score: number; bound: number }>(hub, 'trust.explain', {
      principal: 'component:shop',
      family: 'state',
    })
    const { score, bound } = await trustIn(hub, 'component:shop')
    expect(some).toMatchObject({ score, bound, isReplayed: true, missing: [{ outcomes: 0 }, {}, {}, {}] })
    expect(some.coverage).toBeGreaterThan(0.1)
  })
})

describe('the list', () => {
  it('has everything of a principal above its families, and goes on where a page ended', async () => {
    const { hub } = await open()
    for (const who of [shop, peer, caller('agent', 'bot')]) {
      await put(hub, who)
      await hub.invoke(who, 'lab.danger', { note: 'x' })
    }
    const all = await ask<{ items: Shown[] }>(hub, 'trust.list', {})
    const names = all.items.map(({ principal, family }) => `${principal} ${family}`)
    expect(names).toEqual(
      ['agent:bot', 'component:peer', 'component:shop'].flatMap((who) => [
        `${who} *`,
        `${who} lab`,
        `${who} state`,
      ]),
    )
    const paged: string[] = []
    let after: string | undefined
    do {
      const page = await ask<{ items: Shown[]; after?: string }>(hub, 'trust.list', {
        limit: 1,
        ...(after === undefined ? {} : { after }),
      })
      paged.push(...page.items.map(({ principal, family }) => `${principal} ${family}`))
      after = page.after
    } while (after !== undefined)
    expect(paged).toEqual(names)
  })
})
