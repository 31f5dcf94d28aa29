// Messages to one principal, and requests: nobody else sees them, and each is replied to once, in time, by its addressee.

import { describe, expect, it } from 'vitest'
import { codeOf, entriesOf, errorOf, settle } from './lab/hubs.ts'
import { caller, dataOf, eventsOf, openMesh, owner, type Taken } from './lab/mesh.ts'

const shop = caller('shop')
const billing = caller('billing')
const stranger = caller('stranger')

describe('a message', () => {
  it('is in the inbox of its addressee, and nowhere else', async () => {
    const { ask, hub, takeAll } = await openMesh()
    for (const who of [shop, billing, stranger, owner])
      await ask(who, 'subscribe', { name: 's', types: ['**', 'note.*'] })
    await ask(shop, 'send', { to: 'component:billing', type: 'note.left', data: { secret: 'plum' } })
    await settle(hub)
    const everybody = {
      shop,
      stranger,
      owner,
      lookalike: caller('billing', [], 'agent'),
      auditor: caller('a', ['auditor']),
    }
    for (const who of Object.values(everybody)) {
      expect(await ask(who, 'inbox')).toMatchObject({ items: [] })
      if (who === shop || who === stranger || who === owner)
        expect(JSON.stringify(await takeAll(who, 's'))).not.toContain('plum')
    }
    for (const entry of await entriesOf(hub)) expect(JSON.stringify(entry)).not.toContain('plum')
    const taken = await ask<Taken>(billing, 'inbox')
    expect(eventsOf(taken)).toMatchObject([
      { type: 'note.left', source: 'component:shop', to: 'component:billing', data: { secret: 'plum' } },
    ])
    expect(
      await ask(stranger, 'ack', { name: 'inbox', ids: taken.items.map(({ id }) => id) }).catch(() => 0),
    ).not.toMatchObject({ count: 1 })
    expect(await ask(billing, 'ack', { name: 'inbox', ids: taken.items.map(({ id }) => id) })).toMatchObject({
      count: 1,
    })
    expect(await ask(billing, 'inbox')).toMatchObject({ items: [] })
    expect(JSON.stringify(await takeAll(billing, 's'))).not.toContain('plum')
  })

  it('is not handed to somebody who acts for the addressee’s name only in part', async () => {
    const { ask } = await openMesh()
    await ask(shop, 'send', { to: 'component:billing', type: 'note.left', data: 1 })
    const onBehalf = { chain: [...stranger.chain, ...billing.chain] }
    expect(await codeOf(ask(onBehalf, 'inbox'))).toBe('mesh.subscriber-not-allowed')
    const forOwner = { chain: [...owner.chain, ...billing.chain] }
    expect(dataOf(await ask<Taken>(forOwner, 'inbox', { waitMs: 5000 }))).toEqual([1])
  })

  it('is waited for before the first one ever came, and is kept until the addressee comes', async () => {
    const { ask } = await openMesh()
    const waiting = ask<Taken>(billing, 'inbox', { waitMs: 30_000 })
    await ask(shop, 'send', { to: 'component:billing', type: 'note.left', data: 'first' })
    expect(dataOf(await waiting)).toEqual(['first'])
    await ask(shop, 'send', { to: 'component:late', type: 'note.left', data: 'kept' })
    expect(dataOf(await ask<Taken>(caller('late'), 'inbox', { waitMs: 5000 }))).toEqual(['kept'])
  })

  it('is worth nothing after its deadline', async () => {
    const { ask, hub, later } = await openMesh()
    await ask(shop, 'send', { to: 'component:billing', type: 'note.left', data: 'old', deadlineMs: 60_000 })
    await ask(shop, 'send', { to: 'component:billing', type: 'note.left', data: 'new' })
    await settle(hub)
    later(61_000)
    expect(dataOf(await ask<Taken>(billing, 'inbox'))).toEqual(['new'])
  })

  it('goes to a principal, and has a type that is not the hub’s', async () => {
    const { ask } = await openMesh()
    for (const to of ['billing', 'component:', 'component:a,component:b', 'public', 'auditor', '', 'x:y'])
      expect(await codeOf(ask(shop, 'send', { to, type: 'a.b' }))).toBe('input.invalid')
    expect(await codeOf(ask(shop, 'send', { to: 'component:billing', type: 'action.finished@1' }))).toBe(
      'mesh.reserved-type',
    )
  })
})

describe('a request', () => {
  const question = { to: 'component:billing', type: 'price.asked', data: { item: 'plum' }, timeoutMs: 30_000 }

  it('is answered with the reply, which nobody else can give, and only once', async () => {
    const { ask, hub } = await openMesh()
    const asking = ask(shop, 'request', question)
    const [event] = eventsOf(await ask<Taken>(billing, 'inbox', { waitMs: 30_000 }))
    expect(event).toMatchObject({ type: 'price.asked', data: { item: 'plum' } })
    const reply = { request: String(event?.request), data: { price: 7 } }
    for (const who of [stranger, shop, owner, caller('billing', [], 'agent')])
      expect(await codeOf(ask(who, 'reply', reply))).toBe('not-found')
    await ask(billing, 'reply', reply)
    expect(await codeOf(ask(billing, 'reply', reply))).toBe('mesh.answered')
    expect(await asking).toEqual({ request: reply.request, data: { price: 7 } })
    for (const entry of await entriesOf(hub)) expect(JSON.stringify(entry)).not.toMatch(/plum|price":7/)
  })

  it('is answered with the error that its addressee replied', async () => {
    const { ask } = await openMesh()
    const asking = ask(shop, 'request', question)
    const [event] = eventsOf(await ask<Taken>(billing, 'inbox', { waitMs: 30_000 }))
    const request = String(event?.request)
    expect(await codeOf(ask(billing, 'reply', { request }))).toBe('input.invalid')
    expect(await codeOf(ask(billing, 'reply', { request, data: 1, error: 'both' }))).toBe('input.invalid')
    await ask(billing, 'reply', { request, error: 'no plums' })
    expect(await asking).toEqual({ request, error: 'no plums' })
  })

  it('ends at its deadline, and a reply after that is refused', async () => {
    const { ask } = await openMesh()
    const { code, facts } = await errorOf(ask(shop, 'request', { ...question, timeoutMs: 40 }))
    expect(code).toBe('mesh.no-reply')
    expect(await codeOf(ask(billing, 'reply', { request: String(facts.request), data: 1 }))).toBe(
      'mesh.expired',
    )
  })

  it('of many at a time gets each its own reply', async () => {
    const { ask } = await openMesh()
    const asked = Array.from({ length: 20 }, (_, n) => ask(shop, 'request', { ...question, data: n }))
    let left = asked.length
    while (left > 0) {
      const { items } = await ask<Taken>(billing, 'inbox', { waitMs: 5000 })
      for (const { id, event } of items) {
        await ask(billing, 'reply', { request: String(event.request), data: { for: event.data } })
        await ask(billing, 'ack', { name: 'inbox', ids: [id] })
        left -= 1
      }
    }
    expect((await Promise.all(asked)).map(({ data }) => data)).toEqual(asked.map((_, n) => ({ for: n })))
  })
})
