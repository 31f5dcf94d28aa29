// Fused advice through a hub: what the gate is told of targets that are ill, of acts that keep failing, and of who has lost all trust.

import { describe, expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import { componentsModule } from '../../src/modules/components/module.ts'
import { state } from '../../src/modules/state/module.ts'
import { movableClock } from './lab/clock.ts'
import { codeOf, entriesOf, errorOf, openTestHub, owner, settle } from './lab/hubs.ts'
import { lab } from './lab/module.ts'
import { put, setPolicy, standIn } from './lab/witnesses.ts'

const shop: Caller = { chain: [{ kind: 'component', id: 'shop', roles: [] }] }

async function open() {
  const clock = movableClock()
  const hub = await openTestHub('memory', {
    modules: [state, lab(), componentsModule()],
    env: clock.env,
  })
  return { hub, clock }
}

interface Context {
  readonly advice: string
  readonly health: string
  readonly trust: number
}

const lastContext = async (hub: Hub, action: string): Promise<Context> =>
  (await entriesOf(hub, 'action.decided@1')).filter(({ data }) => data.action === action).at(-1)?.data
    .context as Context

interface Advised {
  readonly advice: string
  readonly support: number | null
  readonly coverage: number
  readonly vetoes: readonly { readonly id: string }[]
  readonly terms: readonly { readonly id: string; readonly value: number | null; readonly asOf?: string }[]
}

async function advised(hub: Hub, input: object, who = owner): Promise<Advised> {
  await settle(hub)
  return (await hub.ask(who, 'gate.advice', input)).output as Advised
}

const register = (hub: Hub) =>
  hub.invoke(shop, 'components.register', { id: 'shop', version: '1.0.0', ttlMs: 60_000 })

describe('advice', () => {
  it('of a fresh hub goes ahead at low risk, with what is unknown said to be so', async () => {
    const { hub } = await open()
    await hub.invoke(shop, 'state.put', { namespace: 'ns', key: 'k', value: 1 })
    expect(await lastContext(hub, 'state.put@1')).toMatchObject({ advice: 'execute', health: 'unknown' })
    const { advice, support, terms } = await advised(hub, {
      action: 'lab.danger',
      principal: 'component:new',
    })
    expect([advice, support]).toEqual(['escalate', null])
    expect(terms.find(({ id }) => id === 'health')).toMatchObject({ value: null })
    expect(terms.find(({ id }) => id === 'memory')?.asOf).toBeDefined()
  })

  it('is to pause what acts on a component whose lease is lost, but not what that component does itself', async () => {
    const { hub, clock } = await open()
    expect((await register(hub)).status).toBe('done')
    const health = (await hub.ask(owner, 'components.get', { id: 'shop' })).output as { health: string }
    expect(health.health).toBe('passing')
    const deregister = { action: 'components.deregister', resource: 'component/shop' }
    expect((await advised(hub, deregister)).vetoes).toEqual([])
    const isLost = async () =>
      ((await hub.ask(owner, 'components.get', { id: 'shop' })).output as { health: string }).health ===
      'lost'
    // A hub that slept through it all would take the loss for its own fault.
    while (!(await isLost())) {
      clock.pass(2000)
      await new Promise((resolve) => setTimeout(resolve, 3))
    }
    clock.pass(2000)
    const seen = await advised(hub, { ...deregister, principal: 'component:other' })
    expect(seen.advice).toBe('pause')
    expect(seen.vetoes.map(({ id }) => id)).toContain('health-critical')
    expect((await advised(hub, { ...deregister, principal: 'component:shop' })).vetoes).toEqual([])
    expect((await hub.invoke(shop, 'components.deregister', { id: 'shop' })).status).toBe('done')
    expect(await lastContext(hub, 'components.deregister@1')).toMatchObject({
      advice: 'execute',
      health: 'critical',
    })
  })

  it('about a principal knows how the components are that he registered, and holds no measure about him up', async () => {
    const { hub, clock } = await open()
    const bot: Caller = { chain: [{ kind: 'agent', id: 'bot', roles: ['owner'] }] }
    const registered = async (id: string, ttlMs: number) => {
      const answer = await hub.invoke(bot, 'components.register', { id, version: '1.0.0', ttlMs })
      expect(answer.status).toBe('done')
    }
    const ask = { action: 'state.put', principal: 'agent:other' }
    const healthOf = async (resource: string, principal = 'agent:other') => {
      const { terms, vetoes } = await advised(hub, { ...ask, resource, principal })
      return [terms.find(({ id }) => id === 'health')?.value ?? null, vetoes.map(({ id }) => id)]
    }
    expect(await healthOf('mesh/to/agent:bot')).toEqual([null, []])
    await registered('one', 5000)
    clock.pass(1500)
    expect(await healthOf('mesh/to/agent:bot')).toEqual([1000, []])
    expect(await healthOf('mesh/to/agent:bots')).toEqual([null, []])
    const lost = async (id: string) =>
      ((await hub.ask(owner, 'components.get', { id })).output as { health: string }).health === 'lost'
    while (!(await lost('one'))) {
      clock.pass(2000)
      await new Promise((resolve) => setTimeout(resolve, 3))
    }
    clock.pass(1500)
    expect(await healthOf('mesh/to/agent:bot')).toEqual([0, ['health-critical']])
    // Who stops him, or reports on him, need not wait until he is well; and he himself may say how he is.
    for (const resource of ['halts/agent:bot', 'trust/agent:bot'])
      expect(await healthOf(resource)).toEqual([null, []])
    expect(await healthOf('mesh/to/agent:bot', 'agent:bot')).toEqual([null, []])
    await registered('two', 24 * 3600_000)
    clock.pass(1500)
    expect(await healthOf('mesh/to/agent:bot')).toEqual([500, []])
  })

  it('is to reject who did nearly nothing but what is denied, until somebody vouches for him', async () => {
    const { hub, clock } = await open()
    const negative = async () => {
      await settle(hub)
      const { output } = await hub.ask(owner, 'trust.get', { principal: 'component:shop', family: 'lab' })
      return (output as { negative: number }).negative
    }
    // The second one waits for the end of its window: a burst leaves one entry with a count.
    for (let turn = 0; turn < 2; turn++) await hub.invoke(shop, 'lab.danger', { note: 'mine' })
    while ((await negative()) < 8) {
      clock.pass(10_000)
      await new Promise((resolve) => setTimeout(resolve, 3))
    }
    const put = { namespace: 'ns', key: 'k', value: 1 }
    const rejected = await hub.invoke(shop, 'lab.danger', { note: 'again' })
    expect(rejected.status).toBe('denied')
    expect(await lastContext(hub, 'lab.danger@1')).toMatchObject({ advice: 'reject' })
    await hub.invoke(owner, 'trust.override', {
      principal: 'component:shop',
      level: 600,
      reason: 'it was tested',
      expiresInSeconds: 3600,
    })
    expect((await hub.invoke(shop, 'state.put', put)).status).toBe('done')
    expect(await lastContext(hub, 'state.put@1')).toMatchObject({ advice: 'execute', trust: 600 })
    // That advice stood in his way is no violation of his.
    expect(await negative()).toBe(8)
  })

  it('is to try later what failed a moment ago', async () => {
    const { hub, clock } = await open()
    await errorOf(hub.invoke(owner, 'lab.work', { steps: 2, failAt: 1 }))
    const [failed] = (await entriesOf(hub, 'action.finished@1')).slice(-1)
    expect(failed?.data).toMatchObject({ status: 'failed', resource: 'lab' })
    clock.pass(1500)
    const vetoes = async () => {
      const { vetoes: told } = await advised(hub, { action: 'lab.work', principal: 'component:shop' })
      return told.map(({ id }) => id)
    }
    expect(await vetoes()).toEqual(['just-failed'])
    clock.pass(60_000)
    expect(await vetoes()).toEqual([])
  })

  it('counts on the witnesses that must cosign the log, and knows of no quorum where none must', async () => {
    const { hub, clock } = await open()
    const seen = async () => {
      const { terms, vetoes } = await advised(hub, { action: 'state.put', principal: 'component:shop' })
      return [terms.find(({ id }) => id === 'quorum')?.value ?? null, vetoes.map(({ id }) => id)]
    }
    expect(await seen()).toEqual([null, []])
    const witness = await standIn()
    await setPolicy(hub, [witness])
    clock.pass(1500)
    expect((await seen())[0]).toBe(1000)
    await witness.close()
    await put(hub)
    await seen()
    clock.pass(61_000)
    await expect
      .poll(
        async () => {
          clock.pass(1500)
          return seen()
        },
        { timeout: 20_000, interval: 50 },
      )
      .toEqual([0, ['quorum-missing']])
  })

  it('is asked about what exists only', async () => {
    const { hub } = await open()
    expect(await codeOf(advised(hub, { action: 'nothing.here' }))).toBe('name.unknown')
    expect(await codeOf(advised(hub, { action: 'state.put', principal: 'ghost:x' }))).toBe('input.invalid')
    expect(await codeOf(advised(hub, { action: 'constructor' }))).toBe('input.invalid')
  })
})
