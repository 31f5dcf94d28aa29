// Whose traffic it is: nobody takes over what is sent to a component of somebody else, by its id or by what it can do.

import { describe, expect, it } from 'vitest'
import { backend, deadUrl, openGatewayHub } from './gateway-backend.ts'
import { codeOf, entriesOf } from './lab/hubs.ts'
import { caller, owner } from './lab/mesh.ts'

const bank = caller('bank')
const thief = caller('thief')
const partner = caller('partner')
const REQUESTS = 40

async function open() {
  const served = await openGatewayHub()
  const { hub } = served
  const act = async (who: typeof bank, name: string, input: object) => {
    const answer = await hub.invoke(who, `components.${name}`, input)
    if (answer.status !== 'done') throw new Error(JSON.stringify(answer))
  }
  const register = async (who: typeof bank, id: string, url: string, more: object = {}) => {
    await act(who, 'register', {
      id,
      version: '1.0.0',
      endpoints: [{ protocol: 'http', url }],
      ttlMs: 3600_000,
      ...more,
    })
    await entriesOf(hub)
  }
  /** How many of so many requests each backend got. */
  const ask = async (path: string, backends: readonly Awaited<ReturnType<typeof backend>>[]) => {
    const before = backends.map(({ seen }) => seen.length)
    const statuses = await Promise.all(
      Array.from({ length: REQUESTS }, async () => (await served.owner(path)).status),
    )
    return {
      got: backends.map(({ seen }, at) => seen.length - (before[at] ?? 0)),
      statuses: [...new Set(statuses)],
    }
  }
  /** The gateway may know the registry of half a second ago. */
  const until = (wanted: () => Promise<unknown>) => expect.poll(wanted, { timeout: 20_000, interval: 200 })
  return { ...served, act, register, ask, until }
}

const CAPABLE = { capabilities: ['payments'] }

describe('the traffic of a component', () => {
  it('stays with the principal that registered its id: lost, moved or dead, until it or an owner lets it go', async () => {
    await using served = await open()
    const { register, act, ask, until } = served
    const [mine, theirs] = [await backend(), await backend()]
    await register(bank, 'pay', mine.url)
    const attempts: object[] = [{}, { ttlMs: 5000 }, { name: 'pay', kind: 'gateway' }, CAPABLE]
    for (const more of attempts)
      expect(await codeOf(register(thief, 'pay', theirs.url, more))).toBe('components.not-yours')
    for (const [name, input] of [
      ['renew', { id: 'pay', epoch: 1 }],
      ['deregister', { id: 'pay' }],
    ] as const)
      expect(await codeOf(act(thief, name, input))).toBe('components.not-yours')
    // Somebody who acts for the thief, and one who claims the bank acts through him.
    const through = { chain: [...bank.chain, ...thief.chain] }
    expect(await codeOf(register(through, 'pay', theirs.url))).toBe('components.not-yours')
    // Where it does not answer, nobody else does.
    await register(bank, 'pay', await deadUrl())
    expect(await codeOf(register(thief, 'pay', theirs.url))).toBe('components.not-yours')
    await until(async () => (await ask('/svc/pay/', [mine, theirs])).got).toEqual([0, 0])
    await act(owner, 'deregister', { id: 'pay' })
    await register(thief, 'pay', theirs.url)
    await until(async () => (await ask('/svc/pay/', [mine, theirs])).got).toEqual([0, REQUESTS])
    expect(await codeOf(register(bank, 'pay', mine.url))).toBe('components.not-yours')
  })

  it('that is asked for by capability stays with whoever named it first, however many others name it', async () => {
    await using served = await open()
    const { register, act, ask, until } = served
    const [mine, mineToo, theirs] = [await backend(), await backend(), await backend()]
    const all = [mine, mineToo, theirs]
    await register(bank, 'pay', mine.url, CAPABLE)
    for (let at = 0; at < 20; at++) await register(thief, `a${at}`, theirs.url, CAPABLE)
    const path = '/svc/capability:payments/'
    await until(async () => (await ask(path, all)).got).toEqual([REQUESTS, 0, 0])
    // It starts again, and grows: its place is that of before.
    await register(bank, 'pay', mine.url, CAPABLE)
    await register(bank, 'pay-2', mineToo.url, CAPABLE)
    await until(async () => (await ask(path, all)).got[1]).toBeGreaterThan(0)
    expect((await ask(path, all)).got[2]).toBe(0)
    // Replaced by the second, it loses nothing; only with the last one it goes.
    await act(bank, 'deregister', { id: 'pay' })
    await until(async () => (await ask(path, all)).got).toEqual([0, REQUESTS, 0])
    await act(bank, 'deregister', { id: 'pay-2' })
    await until(async () => (await ask(path, all)).got).toEqual([0, 0, REQUESTS])
  })

  it('goes to nobody else while those whose it is do not answer', async () => {
    await using served = await open()
    const { register, ask, until } = served
    const theirs = await backend()
    await register(bank, 'pay', await deadUrl(), CAPABLE)
    await register(thief, 'a', theirs.url, CAPABLE)
    await until(async () => (await ask('/svc/capability:payments/', [theirs])).statuses).not.toContain(404)
    const { got, statuses } = await ask('/svc/capability:payments/', [theirs])
    expect(got).toEqual([0])
    for (const status of statuses) expect(status).toBeGreaterThanOrEqual(502)
  })

  it('is shared with those whom its principal names, and with nobody who names himself', async () => {
    await using served = await open()
    const { register, ask, until } = served
    const [mine, theirs, partners] = [await backend(), await backend(), await backend()]
    await register(bank, 'pay', mine.url, { ...CAPABLE, sharedWith: ['component:partner'] })
    await register(thief, 'a', theirs.url, { ...CAPABLE, sharedWith: ['component:thief', 'component:bank'] })
    await register(partner, 'b', partners.url, { ...CAPABLE, sharedWith: ['component:thief'] })
    const path = '/svc/capability:payments/'
    await until(async () => (await ask(path, [partners])).got[0]).toBeGreaterThan(0)
    const { got } = await ask(path, [mine, theirs, partners])
    expect(got[0]).toBeGreaterThan(0)
    expect(got[1]).toBe(0)
    // Taken back, it is the bank's alone.
    await register(bank, 'pay', mine.url, CAPABLE)
    await until(async () => (await ask(path, [mine, theirs, partners])).got).toEqual([REQUESTS, 0, 0])
    for (const label of ['bank', '*', 'component:*', 'hub:polity', 'component:'])
      expect(await codeOf(register(bank, 'pay', mine.url, { ...CAPABLE, sharedWith: [label] }))).toBe(
        'input.invalid',
      )
  })
})
