// Subscriptions: taken once, in order, at least once; set aside when they cannot be handled; and never by whom they are not for.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { matchesType, parsePattern } from '../../src/kit/type-pattern.ts'
import { codeOf, entriesOf, errorOf, settle } from './lab/hubs.ts'
import { caller, dataOf, openMesh, owner, type Taken } from './lab/mesh.ts'

const shop = caller('shop')
const billing = caller('billing')
const stranger = caller('stranger')
const audience = ['component:billing']

describe('a subscription', () => {
  it('is the chain’s that opened it, and of nobody else', async () => {
    const { ask, query } = await openMesh()
    await ask(billing, 'subscribe', { name: 's', types: ['a.*'] })
    for (const action of ['take', 'unsubscribe', 'pause', 'resume'])
      expect(await codeOf(ask(stranger, action, { name: 's' }))).toBe('not-found')
    const onBehalf = { chain: [...stranger.chain, ...billing.chain] }
    expect(await codeOf(ask(onBehalf, 'take', { name: 's' }))).toBe('not-found')
    expect(await query(stranger, 'subscriptions')).toEqual({ items: [] })
    expect(await query(billing, 'subscriptions')).toMatchObject({ items: [{ name: 's' }] })
    expect(await query(owner, 'subscriptions')).toMatchObject({ items: [{ name: 's' }] })
  })

  it('begins now, at the start, or behind a cursor', async () => {
    const { ask, takeAll, hub } = await openMesh()
    const publish = async (data: number) => {
      await ask(shop, 'publish', { type: 'a.b', data, audience })
      await entriesOf(hub)
    }
    await publish(1)
    const cursor = hub.log.cursorAt(hub.log.head().size)
    await publish(2)
    await ask(billing, 'subscribe', { name: 'now', types: ['a.b'] })
    await ask(billing, 'subscribe', { name: 'start', types: ['a.b'], from: 'start' })
    await ask(billing, 'subscribe', { name: 'behind', types: ['a.b'], from: cursor })
    await publish(3)
    const taken = async (name: string) => (await takeAll(billing, name)).map(({ data }) => data)
    expect(await taken('now')).toEqual([3])
    expect(await taken('start')).toEqual([1, 2, 3])
    expect(await taken('behind')).toEqual([2, 3])
    await ask(billing, 'seek', { name: 'now', to: 'start' })
    expect(await taken('now')).toEqual([1, 2, 3])
    for (const from of ['', 'rubbish', '\u0000', hub.log.cursorAt(10_000)])
      expect(await codeOf(ask(billing, 'subscribe', { name: 'x', types: ['a.b'], from }))).toMatch(
        /cursor|input/,
      )
  })

  it('starts with nothing when it is opened again after it was closed, and keeps its place when it is changed', async () => {
    const { ask, takeAll, query } = await openMesh()
    await ask(billing, 'subscribe', { name: 's', types: ['a.b'] })
    await ask(shop, 'publish', { type: 'a.b', data: 1, audience })
    await ask(billing, 'subscribe', { name: 's', types: ['a.*'], inFlightMax: 7 })
    expect((await takeAll(billing, 's')).map(({ data }) => data)).toEqual([1])
    await ask(shop, 'publish', { type: 'a.b', data: 2, audience })
    const { items } = await ask<Taken>(billing, 'take', { name: 's', waitMs: 5000 })
    await ask(billing, 'nack', { name: 's', ids: items.map(({ id }) => id), isFinal: true, reason: 'broken' })
    await ask(billing, 'unsubscribe', { name: 's' })
    expect(await codeOf(ask(billing, 'take', { name: 's' }))).toBe('not-found')
    await ask(billing, 'subscribe', { name: 's', types: ['a.*'] })
    expect(await query(billing, 'parked', { name: 's' })).toEqual({ items: [] })
  })

  it('waits for what is not there yet, and ends waiting when it comes', async () => {
    const { ask } = await openMesh()
    await ask(billing, 'subscribe', { name: 's', types: ['a.b'] })
    const taking = ask<Taken>(billing, 'take', { name: 's', waitMs: 30_000 })
    await ask(shop, 'publish', { type: 'other', audience })
    await ask(shop, 'publish', { type: 'a.b', data: 'at last', audience })
    expect(dataOf(await taking)).toEqual(['at last'])
    expect(dataOf(await ask<Taken>(billing, 'take', { name: 's' }))).toEqual([])
  })

  it('does not keep a hub from closing while somebody waits', async () => {
    const { ask, hub } = await openMesh()
    await ask(billing, 'subscribe', { name: 's', types: ['a.b'] })
    const taking = ask<Taken>(billing, 'take', { name: 's', waitMs: 30_000 }).catch(() => undefined)
    await ask(shop, 'publish', { type: 'x' })
    await hub.close()
    await taking
  })

  it('is shared by its consumers: each event goes to one of them', async () => {
    const { ask } = await openMesh()
    await ask(billing, 'subscribe', { name: 's', types: ['n.*'], orderBy: 'none', inFlightMax: 256 })
    const events = Array.from({ length: 120 }, (_, n) => ({ type: 'n.n', data: n, audience }))
    await ask(shop, 'publish-many', { events })
    const consumers = Array.from({ length: 6 }, async (_, n) => {
      const got: unknown[] = []
      for (;;) {
        const taken = await ask<Taken>(billing, 'take', { name: 's', max: 5, waitMs: 300, consumer: `c${n}` })
        if (taken.items.length === 0) return got
        got.push(...dataOf(taken))
        await ask(billing, 'ack', { name: 's', ids: taken.items.map(({ id }) => id) })
      }
    })
    const all = (await Promise.all(consumers)).flat() as number[]
    expect(all.sort((a, b) => a - b)).toEqual(events.map(({ data }) => data))
  })

  it('hands out one event of a key at a time, in order, and those of other keys beside it', async () => {
    const { ask } = await openMesh()
    await ask(billing, 'subscribe', { name: 's', types: ['n.*'] })
    const events = ['a1', 'a2', 'b1', 'a3', 'b2', 'c1'].map((data) => ({
      type: 'n.n',
      data,
      key: data[0],
      audience,
    }))
    await ask(shop, 'publish-many', { events })
    const take = () => ask<Taken>(billing, 'take', { name: 's', waitMs: 5000 })
    const first = await take()
    expect(dataOf(first)).toEqual(['a1', 'b1', 'c1'])
    const ack = (data: string) =>
      ask(billing, 'ack', {
        name: 's',
        ids: first.items.filter(({ event }) => event.data === data).map(({ id }) => id),
      })
    await ack('a1')
    const second = await take()
    expect(dataOf(second)).toEqual(['a2'])
    await ask(billing, 'nack', {
      name: 's',
      ids: second.items.map(({ id }) => id),
      delayMs: 0,
      reason: 'again',
    })
    const third = await take()
    expect(third.items.map(({ event, attempt }) => [event.data, attempt])).toEqual([['a2', 2]])
  })

  it('hands out again what was not acknowledged in time, and takes no late word for it', async () => {
    const { ask, later } = await openMesh()
    await ask(billing, 'subscribe', { name: 's', types: ['a.b'], ackWaitMs: 10_000 })
    await ask(shop, 'publish', { type: 'a.b', data: 1, audience })
    const first = await ask<Taken>(billing, 'take', { name: 's', waitMs: 5000 })
    const ids = first.items.map(({ id }) => id)
    later(8000)
    expect(await ask(billing, 'extend', { name: 's', ids })).toMatchObject({ count: 1 })
    later(8000)
    expect(dataOf(await ask<Taken>(billing, 'take', { name: 's' }))).toEqual([])
    later(8000)
    const second = await ask<Taken>(billing, 'take', { name: 's' })
    expect(second.items).toMatchObject([{ attempt: 2, event: { data: 1 } }])
    expect(await ask(billing, 'ack', { name: 's', ids })).toMatchObject({ count: 0 })
    expect(await ask(billing, 'ack', { name: 's', ids: second.items.map(({ id }) => id) })).toMatchObject({
      count: 1,
    })
    expect(
      await ask(billing, 'ack', { name: 's', ids: ['rubbish', '7.x', '', '\u0000'].filter(Boolean) }),
    ).toMatchObject({
      count: 0,
    })
  })

  it('gives a poisonous event up with its reason, lets the rest through, and can try it again', async () => {
    const { ask, query, takeAll } = await openMesh()
    await ask(billing, 'subscribe', { name: 's', types: ['a.b'], deliverMax: 2 })
    await ask(shop, 'publish', { type: 'a.b', data: 'poison', key: 'k', audience })
    await ask(shop, 'publish', { type: 'a.b', data: 'next', key: 'k', audience })
    for (const attempt of [1, 2]) {
      const { items } = await ask<Taken>(billing, 'take', { name: 's', waitMs: 5000 })
      expect(items).toMatchObject([{ attempt, event: { data: 'poison' } }])
      await ask(billing, 'nack', {
        name: 's',
        ids: items.map(({ id }) => id),
        delayMs: 0,
        reason: 'cannot be read',
      })
    }
    expect((await takeAll(billing, 's')).map(({ data }) => data)).toEqual(['next'])
    const { items } = await query<{ items: { seq: number }[] }>(billing, 'parked', { name: 's' })
    expect(items).toMatchObject([
      { state: 'dead', attempts: 2, reason: 'cannot be read', event: { data: 'poison', type: 'a.b' } },
    ])
    const [line] = (await query<{ items: { dead: number }[] }>(billing, 'subscriptions')).items
    expect(line).toMatchObject({ dead: 1, parked: 0, underWay: 0 })
    const seqs = items.map(({ seq }) => seq)
    expect(await ask(billing, 'retry', { name: 's', seqs })).toMatchObject({ count: 1 })
    const again = await ask<Taken>(billing, 'take', { name: 's', waitMs: 5000 })
    expect(dataOf(again)).toEqual(['poison'])
    await ask(billing, 'nack', {
      name: 's',
      ids: again.items.map(({ id }) => id),
      isFinal: true,
      reason: 'never',
    })
    expect(await ask(billing, 'drop', { name: 's', seqs })).toMatchObject({ count: 1 })
    expect(await query(billing, 'parked', { name: 's' })).toEqual({ items: [] })
  })

  it('hands out nothing while it is paused, also after it was asked to wait', async () => {
    const { ask, query } = await openMesh()
    await ask(billing, 'subscribe', { name: 's', types: ['a.b'] })
    await ask(billing, 'pause', { name: 's' })
    await ask(shop, 'publish', { type: 'a.b', data: 1, audience })
    expect(dataOf(await ask<Taken>(billing, 'take', { name: 's', waitMs: 50 }))).toEqual([])
    expect(await query(billing, 'subscriptions')).toMatchObject({
      items: [{ isPaused: true }],
    })
    await ask(billing, 'resume', { name: 's' })
    expect(dataOf(await ask<Taken>(billing, 'take', { name: 's', waitMs: 5000 }))).toEqual([1])
  })

  it('takes one lane only, where it says so', async () => {
    const { ask, takeAll } = await openMesh()
    await ask(billing, 'subscribe', { name: 'urgent', types: ['a.*'], lane: 'urgent' })
    await ask(billing, 'subscribe', { name: 'normal', types: ['a.*'], lane: 'normal' })
    for (const lane of ['urgent', 'normal'])
      await ask(shop, 'publish', { type: 'a.b', lane, data: lane, audience })
    for (const lane of ['urgent', 'normal'])
      expect((await takeAll(billing, lane)).map(({ data }) => data)).toEqual([lane])
  })

  it('is refused with the place of what is wrong in it', async () => {
    const { ask } = await openMesh()
    const subscribe = (more: object) =>
      errorOf(ask(billing, 'subscribe', { name: 's', types: ['a.b'], ...more }))
    expect(await subscribe({ filter: "type = 'a' AND" })).toMatchObject({ code: 'input.invalid' })
    expect((await subscribe({ filter: "type = 'a' AND" })).message).toMatch(/line 1, column \d+/)
    expect(await subscribe({ filter: 'NOSUCH(1)' })).toMatchObject({ code: 'input.invalid' })
    expect(await subscribe({ filter: '('.repeat(4000) })).toMatchObject({ code: 'input.invalid' })
    for (const types of [
      [],
      ['a..b'],
      ['a*'],
      ['***'],
      ['a.b@0'],
      Array.from({ length: 33 }, () => 'a.b'),
      [['a']],
    ])
      expect(await subscribe({ types })).toMatchObject({ code: 'input.invalid' })
    for (const name of ['inbox', '', 'a/b', '../x', '__proto__', 'x'.repeat(65)])
      expect(await subscribe({ name })).toMatchObject({ code: 'input.invalid' })
    for (const bad of [
      { inFlightMax: 0 },
      { inFlightMax: 257 },
      { ackWaitMs: 1 },
      { deliverMax: 1e9 },
      { owner: 'x' },
    ])
      expect(await subscribe(bad)).toMatchObject({ code: 'input.invalid' })
  })

  it('is one of a hundred that a principal may have', async () => {
    const { ask } = await openMesh()
    for (let n = 0; n < 100; n++) await ask(billing, 'subscribe', { name: `s${n}`, types: ['a.b'] })
    expect(await codeOf(ask(billing, 'subscribe', { name: 's100', types: ['a.b'] }))).toBe('limit')
    await ask(billing, 'subscribe', { name: 's7', types: ['a.c'] })
    await ask(stranger, 'subscribe', { name: 's', types: ['a.b'] })
  })
})

describe('labels', () => {
  it('keep an event from everybody whom they do not name', async () => {
    const { ask, takeAll } = await openMesh()
    const clerk = caller('clerk', ['accounting'], 'user')
    const lookalike = caller('billing', [], 'agent')
    const both = { chain: [...stranger.chain, ...billing.chain] }
    const everybody = { billing, stranger, clerk, lookalike, both, shop, owner }
    for (const who of Object.values(everybody)) await ask(who, 'subscribe', { name: 's', types: ['t.*'] })
    const publish = (data: string, labels?: string[]) =>
      ask(shop, 'publish', { type: 't.t', data, ...(labels === undefined ? {} : { audience: labels }) })
    await publish('nobody')
    await publish('billing', ['component:billing'])
    await publish('accounting', ['accounting'])
    await publish('empty', [])
    await publish('everybody', ['public'])
    const all = ['nobody', 'billing', 'accounting', 'empty', 'everybody']
    const seen = async (who: typeof shop) => (await takeAll(who, 's')).map(({ data }) => data)
    expect(await seen(billing)).toEqual(['billing', 'everybody'])
    expect(await seen(stranger)).toEqual(['everybody'])
    expect(await seen(clerk)).toEqual(['accounting', 'everybody'])
    expect(await seen(lookalike)).toEqual(['everybody'])
    expect(await seen(both)).toEqual(['everybody'])
    expect(await seen(shop)).toEqual(all)
    expect(await seen(owner)).toEqual(all)
  })

  it('hold for entries of the hub: they are the owner’s', async () => {
    const { ask, takeAll } = await openMesh()
    await ask(stranger, 'subscribe', { name: 's', types: ['**'], from: 'start' })
    await ask(owner, 'subscribe', { name: 's', types: ['log.*', 'gate.**'], from: 'start' })
    expect((await takeAll(owner, 's')).map(({ type }) => type)).toContain('log.opened@1')
    // Not even what it caused itself: an answer to every event would answer itself for ever.
    expect(await takeAll(stranger, 's')).toEqual([])
  })
})

describe('what a subscription takes', () => {
  const Type = fc.constantFrom('a', 'a.b', 'a.b.c', 'b.a', 'b', 'a.b@2', 'ab', 'a.bc')
  const Pattern = fc.constantFrom('a', 'a.*', 'a.**', '**', '*.b', '*', '**.c', 'a.b@1', 'a.b@2', 'b.*')
  const Published = fc.record({
    type: Type,
    key: fc.option(fc.constantFrom('x', 'y'), { nil: undefined }),
    audience: fc.constantFrom<string[]>(['component:billing'], ['public'], ['component:else'], []),
  })

  it('is the filter over what was published, each once', async () => {
    const { ask, hub } = await openMesh()
    let round = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(Published, { maxLength: 12 }),
        fc.uniqueArray(Pattern, { minLength: 1, maxLength: 3 }),
        fc.option(fc.constantFrom("partitionkey = 'x'", "type LIKE 'a%'", 'EXISTS partitionkey'), {
          nil: undefined,
        }),
        async (published, types, filter) => {
          const name = `p${round++ % 90}`
          await ask(billing, 'unsubscribe', { name }).catch(() => undefined)
          // What is not published yet is still to come for whoever begins now.
          await settle(hub)
          await ask(billing, 'subscribe', {
            name,
            types,
            orderBy: 'none',
            inFlightMax: 256,
            ...(filter ? { filter } : {}),
          })
          const events = published.map(({ key, ...event }, n) => ({
            ...event,
            data: n,
            ...(key ? { key } : {}),
          }))
          if (events.length > 0) await ask(shop, 'publish-many', { events })
          const isWanted = ({ type, key, audience: labels }: (typeof published)[number]) =>
            types.some((each) => matchesType(parsePattern(each), type.includes('@') ? type : `${type}@1`)) &&
            (labels.includes('component:billing') || labels.includes('public')) &&
            (filter === undefined ||
              (filter.startsWith('type')
                ? type.startsWith('a')
                : filter.includes('=')
                  ? key === 'x'
                  : key !== undefined))
          const wanted = published.flatMap((event, n) => (isWanted(event) ? [n] : []))
          const taken: unknown[] = []
          while (taken.length < wanted.length) {
            const some = await ask<Taken>(billing, 'take', { name, max: 5, waitMs: 5000 })
            taken.push(...dataOf(some))
            if (some.items.length > 0)
              await ask(billing, 'ack', { name, ids: some.items.map(({ id }) => id) })
          }
          await settle(hub)
          expect(taken).toEqual(wanted)
          expect(await ask<Taken>(billing, 'take', { name })).toMatchObject({ items: [] })
        },
      ),
      { numRuns: 40 },
    )
  })
})
