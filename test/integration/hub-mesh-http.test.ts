// The mesh over HTTP: publish, long poll, acknowledge, watch; the form of the older bus; counters.

import { describe, expect, it, onTestFinished } from 'vitest'
import { clientOf, openStream } from '../../src/doors/http/fixtures/client.ts'
import { serve } from '../../src/doors/http/fixtures/served.ts'
import { meshModule } from '../../src/modules/mesh/module.ts'
import { openTestHub } from './lab/hubs.ts'

async function opened() {
  const hub = await openTestHub('memory', { modules: [meshModule()] })
  const served = await serve(hub)
  onTestFinished(() => served[Symbol.asyncDispose]())
  const as = async (id: string, scopes?: readonly string[]) => {
    const { token } = await served.issue({
      kind: 'component',
      id,
      ...(scopes === undefined ? {} : { scopes }),
    })
    const client = clientOf(served.url, token)
    return {
      token,
      client,
      act: async (action: string, input: object) =>
        client(`/v1/actions/mesh.${action}`, { method: 'POST', body: { input } }),
    }
  }
  return { ...served, as }
}

type Taken = { output: { items: { id: string; event: { type: string; data: unknown } }[] } }

describe('over HTTP', () => {
  it('a component publishes, and another takes and acknowledges', async () => {
    const { as } = await opened()
    const [shop, billing] = [await as('shop'), await as('billing')]
    await billing.act('subscribe', { name: 's', types: ['order.*'] })
    const taking = billing.act('take', { name: 's', waitMs: 20_000 })
    const published = await shop.act('publish', {
      type: 'order.created',
      data: { n: 1 },
      audience: ['component:billing'],
    })
    expect(published.status).toBe(200)
    const { output } = (await taking).json as Taken
    expect(output.items).toMatchObject([{ event: { type: 'order.created', data: { n: 1 } } }])
    const acked = await billing.act('ack', { name: 's', ids: output.items.map(({ id }) => id) })
    expect(acked.json).toMatchObject({ output: { count: 1 } })
  })

  it('a refusal has its status and its reason code', async () => {
    const { as, owner } = await opened()
    const shop = await as('shop')
    expect(await shop.act('publish', { type: 'log.opened' })).toMatchObject({
      status: 403,
      json: { code: 'mesh.reserved-type' },
    })
    await owner('/v1/actions/mesh.propose-routes', {
      method: 'POST',
      body: { input: { yaml: 'events:\n  - event_type: a.b\n    publishers: []\n' } },
    })
    expect(await shop.act('publish', { type: 'a.b' })).toMatchObject({
      status: 403,
      json: { code: 'mesh.publisher-not-allowed' },
    })
    expect(await shop.act('propose-routes', { yaml: 'events: []' })).toMatchObject({ status: 403 })
    const narrow = await as('narrow', ['mesh.take'])
    expect((await narrow.act('publish', { type: 'c.d' })).status).toBe(403)
  })

  it('the older bus is answered in its own form', async () => {
    const { as, anyone } = await opened()
    const shop = await as('shop')
    const post = (body: object) => shop.client('/api/events', { method: 'POST', body })
    expect(await post({ event_type: 'task.created', payload: { n: 1 }, source: 'planner' })).toMatchObject({
      status: 201,
      json: { event_id: expect.any(String) },
    })
    expect((await post({ event_type: 'task..created', payload: {} })).status).toBe(400)
    expect((await post({ event_type: 'a.b', payload: {}, extra: 1 })).status).toBe(400)
    expect((await anyone('/api/events', { method: 'POST', body: { event_type: 'a.b' } })).status).toBe(401)
  })

  it('counters tell what became of events', async () => {
    const { as, owner } = await opened()
    const shop = await as('shop')
    await shop.act('publish', { type: 'order.created' })
    await shop.act('publish', { type: 'log.opened' })
    const { text } = await owner('/metrics')
    expect(text).toContain('polity_mesh_events_total{what="published",family="order"} 1')
    expect(text).toContain('polity_mesh_events_total{what="blocked",family="log"} 1')
  })
})

describe('the live stream', () => {
  /** Reads until a text was seen. */
  async function readUntil(body: ReadableStream<Uint8Array> | null, wanted: string): Promise<string> {
    let seen = ''
    const decoder = new TextDecoder()
    for await (const bytes of body ?? []) {
      seen += decoder.decode(bytes as Uint8Array, { stream: true })
      if (seen.includes(wanted)) return seen
    }
    throw new Error(`the stream ended after ${seen}`)
  }

  it('shows each principal what it may see, of the types that it wants', async () => {
    const { as, url } = await opened()
    const [shop, billing, stranger] = [await as('shop'), await as('billing'), await as('stranger')]
    const ending = new AbortController()
    onTestFinished(() => ending.abort())
    const watch = ({ token }: { token: string }, query: string) =>
      fetch(`${url}/v1/mesh/stream?${query}`, {
        headers: { authorization: `Bearer ${token}` },
        signal: ending.signal,
      })
    const streams = [
      await watch(billing, 'types=order.*,end'),
      await watch(stranger, ''),
      await watch(shop, 'filter=rubbish%20AND'),
    ]
    expect(streams.map(({ status }) => status)).toEqual([200, 200, 400])
    const publish = (type: string, data: string, audience: string[]) =>
      shop.act('publish', { type, data, audience })
    await publish('order.created', 'for billing', ['component:billing'])
    await publish('other.created', 'of another type', ['public'])
    await publish('order.created', 'for nobody', [])
    await shop.act('send', { to: 'component:billing', type: 'order.note', data: 'a message' })
    await publish('end', 'the end', ['public'])
    const [forBilling, forStranger] = await Promise.all(
      streams.slice(0, 2).map(({ body }) => readUntil(body, 'the end')),
    )
    expect(forBilling).toContain('"data":"for billing"')
    expect(forBilling).not.toMatch(/of another type|for nobody|a message/)
    expect(forStranger).toContain('of another type')
    expect(forStranger).not.toMatch(/for billing|for nobody|a message|action\.decided/)
    expect(forBilling).toMatch(/event: event\ndata: \{"specversion":"1\.0"/)
  })

  it('needs a principal', async () => {
    const { anyone } = await opened()
    expect((await anyone('/v1/mesh/stream')).status).toBe(401)
  })
})

describe('whoever asks for everything', () => {
  it('takes its own places in streams, and nobody else’s', async () => {
    const { as, url } = await opened()
    const [greedy, other] = [await as('greedy'), await as('other')]
    const open = (token: string) => openStream(url, token, '/v1/mesh/stream')
    const streams = await Promise.all(Array.from({ length: 40 }, () => open(greedy.token)))
    onTestFinished(() => {
      for (const each of streams) each.close()
    })
    expect(streams.filter(({ status }) => status === 200)).toHaveLength(32)
    expect(streams.filter(({ status }) => status === 429)).toHaveLength(8)
    const others = await open(other.token)
    expect(others.status).toBe(200)
    others.close()
    for (const each of streams) each.close()
    const again = async (): Promise<number> => {
      const stream = await open(greedy.token)
      stream.close()
      return stream.status === 429 ? again() : stream.status
    }
    expect(await again()).toBe(200)
  })

  it('waits in so many takes at a time, and can take without waiting', async () => {
    const { as } = await opened()
    const [greedy, other] = [await as('greedy'), await as('other')]
    for (const who of [greedy, other]) await who.act('subscribe', { name: 's', types: ['a.b'] })
    const refusals: unknown[] = []
    const sixRefused = Promise.withResolvers<void>()
    const takes = Array.from({ length: 70 }, async () => {
      const { status, json } = await greedy.act('take', { name: 's', waitMs: 30_000 })
      if (status === 429 && refusals.push(json) === 6) sixRefused.resolve()
      return status
    })
    await sixRefused.promise
    expect(refusals).toMatchObject(Array(6).fill({ code: 'limit' }))
    expect((await greedy.act('take', { name: 's' })).status).toBe(200)
    const waiting = other.act('take', { name: 's', waitMs: 30_000 })
    for (let n = 0; n < 70; n++)
      await other.act('publish', { type: 'a.b', audience: ['public'], key: `k${n}` })
    expect((await waiting).status).toBe(200)
    expect((await Promise.all(takes)).filter((status) => status === 200)).toHaveLength(64)
    expect((await greedy.act('take', { name: 's', waitMs: 1 })).status).toBe(200)
  })
})
