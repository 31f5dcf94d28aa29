// What a deed of another program cost in truth, through a whole hub: given back or added, once, and told by nobody else.

import { describe, expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import { codeOf, ENGINES, openTestHub, owner, settle, tempFolder } from './lab/hubs.ts'

const shop: Caller = { chain: [{ kind: 'service', id: 'shop', roles: ['owner'] }] }
const other: Caller = { chain: [{ kind: 'service', id: 'other', roles: [] }] }
const put = (hub: Hub, more: object = {}) =>
  hub.invoke(owner, 'budgets.put', {
    id: 'spending',
    who: 'kind:service',
    measure: 'cost',
    limit: 100,
    window: 'day',
    ...more,
  })
const pay = async (hub: Hub, cost?: number): Promise<string> => {
  const deed = { operation: 'pay', resourceType: 'account', resourceId: '1', risk: 'low' }
  const input = { ...deed, ...(cost === undefined ? {} : { conduct: { cost } }) }
  const answer = await hub.invoke(shop, 'outside.act', input, { wait: false })
  return answer.status === 'running' ? answer.decision : answer.status
}
const report = (hub: Hub, decision: string, told: object, by = shop) =>
  hub.invoke(by, 'outside.report', { decision, ...told })
const use = async (hub: Hub) => {
  const { output } = await hub.ask(owner, 'budgets.list', {})
  return (output as { items: { uses: object[] }[] }).items[0]?.uses[0]
}
/** Seen once the feed has come by. */
const untilUse = (hub: Hub, expected: object) =>
  expect.poll(() => use(hub), { timeout: 10_000 }).toMatchObject(expected)

describe.each(ENGINES)('a deed that says what it cost (%s)', (engine) => {
  const open = (more: object = {}) => openTestHub(engine, { modules: [], ...more })

  it('gives back what it did not need, and takes what it needed beyond that', async () => {
    const hub = await open()
    await put(hub)
    const cheap = await pay(hub, 60)
    expect(await use(hub)).toMatchObject({ used: 0, reserved: 60, left: 40 })
    expect(await pay(hub, 60)).toBe('denied')
    await report(hub, cheap, { status: 'done', cost: 10 })
    await untilUse(hub, { used: 10, reserved: 0, left: 90 })
    const dear = await pay(hub, 60)
    await report(hub, dear, { status: 'done', cost: 95 })
    await untilUse(hub, { used: 105, reserved: 0, left: 0 })
    expect(await pay(hub, 1)).toBe('denied')
  })

  it('is believed also if it had stated none, and if it failed', async () => {
    const hub = await open()
    await put(hub)
    await report(hub, await pay(hub), { status: 'done', cost: 30 })
    await untilUse(hub, { used: 30, reserved: 0 })
    await report(hub, await pay(hub, 50), { status: 'failed', cost: 5 })
    await untilUse(hub, { used: 35, reserved: 0 })
    await report(hub, await pay(hub, 50), { status: 'failed' })
    await untilUse(hub, { used: 35, reserved: 0, left: 65 })
  })

  it('is believed once, and nobody else is', async () => {
    const hub = await open()
    await put(hub)
    const deed = await pay(hub, 50)
    expect(await codeOf(report(hub, deed, { status: 'done', cost: 0 }, other))).toMatch(
      /^(not-found|denied)$/,
    )
    await report(hub, deed, { status: 'done', cost: 40 })
    expect(await codeOf(report(hub, deed, { status: 'done', cost: 0 }))).toBe('outside.reported')
    await untilUse(hub, { used: 40, reserved: 0, left: 60 })
    expect(await codeOf(report(hub, deed, { status: 'failed', cost: 0 }))).toBe('outside.reported')
    expect(await codeOf(report(hub, await pay(hub, 1), { status: 'done', cost: -5 }))).toBe('input.invalid')
    await settle(hub)
    expect(await use(hub)).toMatchObject({ used: 40, reserved: 1 })
  })

  if (engine === 'sqlite')
    it('is settled by the next hub when it told the one before', async () => {
      const place = tempFolder()
      const first = await open(place)
      await put(first)
      const [deed, late] = [await pay(first, 60), await pay(first, 20)]
      await report(first, deed, { status: 'done', cost: 7 })
      await first.close()
      const second = await open(place)
      await untilUse(second, { used: 7, reserved: 20 })
      await report(second, late, { status: 'done', cost: 1 })
      await untilUse(second, { used: 8, reserved: 0 })
    })
})
