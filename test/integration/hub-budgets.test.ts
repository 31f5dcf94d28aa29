// Budgets and rates through a whole hub: who is stopped when, what runs give back, and what is left to see.

import { describe, expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import type { BudgetState } from '../../src/kernel/budgets/contract.ts'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import { agent, deedRules, deeds, user } from './lab/deeds.ts'
import { begin, calls, outcome } from './lab/flow.ts'
import { codeOf, ENGINES, entriesOf, openTestHub, owner, settle, tempFolder } from './lab/hubs.ts'

const put = (hub: Hub, id: string, more: object = {}) =>
  hub.invoke(owner, 'budgets.put', { id, who: 'kind:agent', limit: 3, window: 'total', ...more })
const listed = async (hub: Hub, input: object = {}): Promise<readonly BudgetState[]> =>
  ((await hub.ask(owner, 'budgets.list', input)).output as { items: BudgetState[] }).items
const usesOf = async (hub: Hub, id: string) => (await listed(hub)).find((each) => each.id === id)?.uses ?? []
const statusOf = async (hub: Hub, caller: Caller, action = 'deeds.send', input: object = {}) =>
  (await hub.invoke(caller, action, input)).status

/** What a run gives back is seen once the feed has come by: asked again until then, or until the test's own time is up. */
async function untilUses(hub: Hub, id: string, expected: object): Promise<void> {
  await expect.poll(() => usesOf(hub, id), { timeout: 10_000 }).toMatchObject([expected])
}

describe.each(ENGINES)('a budget (%s)', (engine) => {
  const open = async (more: object = {}) =>
    openTestHub(engine, { modules: [deeds()], policyDir: await deedRules(), ...more })

  it('lets each of whom it is about do so much, says so, and stops nobody else', async () => {
    const hub = await open()
    await put(hub, 'sending', { actions: 'deeds.send' })
    for (let turn = 0; turn < 3; turn++) expect(await statusOf(hub, agent('a'))).toBe('done')
    const denied = await hub.invoke(agent('a'), 'deeds.send', {})
    expect(denied).toMatchObject({ status: 'denied', reasons: ['budget-exceeded'] })
    expect(await statusOf(hub, agent('b'))).toBe('done')
    expect(await statusOf(hub, user('ann'))).toBe('done')
    expect(await statusOf(hub, agent('a'), 'deeds.spend')).toBe('done')
    expect(await usesOf(hub, 'sending')).toEqual([
      { principal: 'agent:a', used: 3, reserved: 0, left: 0 },
      { principal: 'agent:b', used: 1, reserved: 0, left: 2 },
    ])
    expect((await listed(hub, { principal: 'agent:b' }))[0]?.uses).toHaveLength(1)
    const decided = (await entriesOf(hub, 'action.decided@1')).filter(({ data }) => data.effect === 'denied')
    expect(decided.at(-1)?.data.context).toMatchObject({ exceeded: ['sending'] })
  })

  it('is about whomever only a program names, too', async () => {
    const hub = await open()
    expect(await put(hub, 'named', { who: 'user:ann+test@shop.example' })).toMatchObject({ status: 'done' })
  })

  it('is never passed by callers at the same moment', async () => {
    const hub = await open()
    await put(hub, 'together', { limit: 20, isShared: true })
    const all = await Promise.all(
      Array.from({ length: 60 }, (_, index) => statusOf(hub, agent(`a${index % 7}`), 'deeds.send')),
    )
    expect(all.filter((status) => status === 'done')).toHaveLength(20)
    expect(all.filter((status) => status === 'denied')).toHaveLength(40)
    expect(await usesOf(hub, 'together')).toEqual([
      { principal: 'everybody', used: 20, reserved: 0, left: 0 },
    ])
  })

  it('counts a link of a chain wherever it stands, and a retried request once', async () => {
    const hub = await open()
    await put(hub, 'links', { limit: 2 })
    const onBehalf = { chain: [...user('ann').chain, ...agent('a').chain] }
    for (let turn = 0; turn < 3; turn++) await hub.invoke(onBehalf, 'deeds.send', {}, { key: 'once' })
    expect(await usesOf(hub, 'links')).toMatchObject([{ principal: 'agent:a', used: 1 }])
  })

  it('counts queries, too', async () => {
    const hub = await open()
    await put(hub, 'reading', { actions: 'deeds.read-public', limit: 2 })
    for (let turn = 0; turn < 2; turn++) await hub.ask(agent('a'), 'deeds.read-public', {})
    expect(await codeOf(hub.ask(agent('a'), 'deeds.read-public', {}))).toBe('denied')
    expect(await usesOf(hub, 'reading')).toMatchObject([{ used: 2, left: 0 }])
  })

  it('of costs counts cents, and leaves alone what costs nothing', async () => {
    const hub = await open()
    await put(hub, 'money', { measure: 'cost', limit: 12, window: 'day' })
    expect(await statusOf(hub, agent('a'), 'deeds.spend')).toBe('done')
    expect(await statusOf(hub, agent('a'), 'deeds.spend')).toBe('done')
    expect(await statusOf(hub, agent('a'), 'deeds.spend')).toBe('denied')
    expect(await statusOf(hub, agent('a'), 'deeds.send')).toBe('done')
    const [use] = await usesOf(hub, 'money')
    expect(use).toMatchObject({ used: 10, left: 2 })
    expect(Date.parse(use?.resetsAt ?? '')).toBeGreaterThan(Date.now() + 23 * 3_600_000)
  })

  it('keeps its count when its limit changes, and begins anew when it was removed', async () => {
    const hub = await open()
    await put(hub, 'one', { limit: 1 })
    await statusOf(hub, agent('a'))
    await put(hub, 'one', { limit: 2 })
    expect(await usesOf(hub, 'one')).toMatchObject([{ used: 1, left: 1 }])
    await hub.invoke(owner, 'budgets.remove', { id: 'one' })
    expect(await listed(hub)).toEqual([])
    await put(hub, 'one', { limit: 2 })
    expect(await usesOf(hub, 'one')).toEqual([])
    expect(await codeOf(hub.invoke(owner, 'budgets.remove', { id: 'two' }))).toBe('not-found')
  })

  it('counts beyond its limit what the rules let pass all the same', async () => {
    const hub = await open({ rollout: { mode: 'log-only' } })
    await put(hub, 'lenient', { limit: 1 })
    for (let turn = 0; turn < 3; turn++) expect(await statusOf(hub, agent('a'))).toBe('done')
    expect(await usesOf(hub, 'lenient')).toMatchObject([{ used: 3, left: 0 }])
  })
})

describe('a budget that makes no sense', () => {
  it.each([
    ['a negative limit', { limit: -1 }],
    ['a fraction', { limit: 1.5 }],
    ['a window that is none', { window: 'week' }],
    ['nobody', { who: '' }],
    ['somebody of no kind', { who: 'robot:x' }],
    ['the hub', { who: 'hub:polity' }],
    ['a measure that is none', { measure: 'fact:' }],
    ['an id with a slash', { id: 'a/b' }],
  ])('is refused with %s', async (_, more) => {
    expect(
      await codeOf(
        put(await openTestHub('memory', { modules: [deeds()], policyDir: await deedRules() }), 'x', more),
      ),
    ).toBe('input.invalid')
  })
})

describe.each(ENGINES)('what a run reserves (%s)', (engine) => {
  const open = async (onCopy?: Parameters<typeof deeds>[0], place: object = {}) =>
    openTestHub(engine, { modules: [deeds(onCopy)], policyDir: await deedRules(), ...place })
  const units = { measure: 'fact:units', actions: 'deeds.copy', limit: 10 }

  it('is out of reach while it is under way, used when it is done, and given back when it failed', async () => {
    const hold = calls()
    const hub = await open(() => hold.reached)
    await put(hub, 'units', units)
    const run = await begin(hub, agent('a'), 'deeds.copy', { units: 7 } as object)
    expect(await usesOf(hub, 'units')).toMatchObject([{ used: 0, reserved: 7, left: 3 }])
    expect(await statusOf(hub, agent('a'), 'deeds.copy', { units: 4 })).toBe('denied')
    hold.call()
    await outcome(hub, run)
    await untilUses(hub, 'units', { used: 7, reserved: 0, left: 3 })
    await hub.invoke(agent('a'), 'deeds.copy', { units: 3, isFailing: true }).catch(() => undefined)
    await untilUses(hub, 'units', { used: 7, reserved: 0, left: 3 })
  })

  it('is kept by a budget that says so, although the run failed', async () => {
    const hub = await open()
    await put(hub, 'units', { ...units, keepsFailed: true })
    await hub.invoke(agent('a'), 'deeds.copy', { units: 3, isFailing: true }).catch(() => undefined)
    await untilUses(hub, 'units', { used: 3, reserved: 0, left: 7 })
  })

  if (engine === 'sqlite')
    it('is settled by the next hub when the one that carried it was closed first', async () => {
      const place = tempFolder()
      const hold = calls()
      const first = await open(() => hold.reached, place)
      await put(first, 'units', units)
      await begin(first, agent('a'), 'deeds.copy', { units: 7 } as object)
      await settle(first)
      await first.close()
      const second = await open(() => undefined, place)
      await untilUses(second, 'units', { used: 7, reserved: 0, left: 3 })
      hold.call()
    })
})
