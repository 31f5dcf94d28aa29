// Sequences through a whole hub: what was read follows whoever read it, within a trace and without one.

import { describe, expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import { agent, deedRules, deeds, user } from './lab/deeds.ts'
import { codeOf, ENGINES, entriesOf, openTestHub, owner } from './lab/hubs.ts'

const traceparent = (trace: string) => `00-${trace}-00f067aa0ba902b7-01`
const ONE = traceparent('4bf92f3577b34da6a3ce929d0e0e4736')
const OTHER = traceparent('00000000000000000000000000000001')

const read = (hub: Hub, caller: Caller, traced?: string, what = 'secret') =>
  hub.ask(caller, `deeds.read-${what}`, {}, traced === undefined ? {} : { traced: { traceparent: traced } })
const send = async (hub: Hub, caller: Caller, traced?: string) =>
  (await hub.invoke(caller, 'deeds.send', {}, traced === undefined ? {} : { traceparent: traced })).status

describe.each(ENGINES)('a secret and then the outside (%s)', (engine) => {
  const open = async () => openTestHub(engine, { modules: [deeds()], policyDir: await deedRules() })

  it('is denied in one trace, over two calls, to whoever makes the second', async () => {
    const hub = await open()
    expect(await send(hub, user('ann'), ONE)).toBe('done')
    await read(hub, user('ann'), ONE)
    expect(await hub.invoke(user('ann'), 'deeds.send', {}, { traceparent: ONE })).toMatchObject({
      status: 'denied',
      reasons: ['secret-then-outside'],
    })
    expect(await send(hub, user('bob'), ONE)).toBe('denied')
    expect(await send(hub, user('ann'), OTHER)).toBe('done')
    expect(await send(hub, user('ann'))).toBe('done')
  })

  it('is denied to an agent that leaves the trace out, or names another', async () => {
    const hub = await open()
    await read(hub, agent('a'), ONE)
    expect(await send(hub, agent('a'))).toBe('denied')
    expect(await send(hub, agent('a'), OTHER)).toBe('denied')
    expect(await send(hub, agent('b'))).toBe('done')
  })

  it('is denied to whoever an agent acts for, in what they do together', async () => {
    const hub = await open()
    await read(hub, agent('a'))
    expect(await send(hub, { chain: [...user('ann').chain, ...agent('a').chain] })).toBe('denied')
    expect(await send(hub, user('ann'))).toBe('done')
  })

  it('is denied inside of a run', async () => {
    const hub = await open()
    expect(await codeOf(hub.invoke(user('ann'), 'deeds.leak', {}))).toBe('denied')
    // Its caller's trace is the run's.
    expect(await codeOf(hub.invoke(user('ann'), 'deeds.leak', {}, { traceparent: ONE }))).toBe('denied')
    expect(await send(hub, user('ann'), ONE)).toBe('denied')
    expect(await send(hub, user('ann'))).toBe('done')
  })

  it('is harmless the other way round, and so is what everybody may read', async () => {
    const hub = await open()
    await read(hub, agent('a'), ONE, 'public')
    expect(await send(hub, agent('a'), ONE)).toBe('done')
  })

  it('shows in the decision what was done before', async () => {
    const hub = await open()
    await hub.invoke(agent('a'), 'deeds.rotate', {})
    await send(hub, agent('a'))
    await send(hub, agent('a'))
    const last = (await entriesOf(hub, 'action.decided@1')).at(-1)
    expect(last?.data.context).toMatchObject({
      trace: ['changed:credentials', 'changed:other', 'sent:outside'],
    })
  })

  it('is not read at all where the reading cannot be noted', async () => {
    const hub = await open()
    await hub.close()
    // Whichever fails first, looking or writing down: there is no answer.
    expect(['log.closed', 'gate.unavailable']).toContain(await codeOf(read(hub, agent('a'))))
  })
})

it('is denied by the rules that come with the hub', async () => {
  const hub = await openTestHub('memory', { modules: [deeds()] })
  await read(hub, owner, ONE)
  expect(await send(hub, owner, ONE)).toBe('denied')
})
