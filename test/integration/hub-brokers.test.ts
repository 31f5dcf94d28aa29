// Events on their way to a broker and back: at least once, in order, only what may be read, and never in circles.

import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Broker, OutgoingMessage } from '../../src/kernel/broker/broker.ts'
import { unreachable } from '../../src/kernel/broker/checking.ts'
import {
  type MemoryServer,
  memoryServer,
  openMemoryBroker,
} from '../../src/kernel/broker/memory/memory-broker.ts'
import { systemEnv } from '../../src/kernel/env.ts'
import { brokersModule } from '../../src/modules/brokers/module.ts'
import { meshValidators } from '../../src/modules/mesh/contract.ts'
import { meshModule } from '../../src/modules/mesh/module.ts'
import {
  codeOf,
  ENGINES,
  type Engine,
  entriesOf,
  errorOf,
  openTestHub,
  settle,
  tempFolder,
} from './lab/hubs.ts'
import { caller, type Taken } from './lab/mesh.ts'
import { asking, until } from './lab/webhooks.ts'

const ASIDE = 'brokers.messages-set-aside@1'

interface Flow {
  readonly name: string
  readonly lag?: number
  readonly waiting?: number
  readonly setAside: number
  readonly error?: string
}

async function openHubOn(
  server: MemoryServer,
  {
    engine = 'memory',
    around = (broker) => broker,
    ...place
  }: {
    readonly engine?: Engine
    readonly around?: (broker: Broker) => Broker
    readonly dir?: string
    readonly anchorPath?: string
  } = {},
) {
  const failures: string[] = []
  const hub = await openTestHub(engine, {
    modules: [
      meshModule(),
      brokersModule({ brokers: { main: (env) => around(openMemoryBroker(env, server)) } }),
    ],
    onFailure: ({ code, message }) => failures.push(`${code} ${message}`),
    ...place,
  })
  const { ask, query, publish } = asking(hub)
  return {
    hub,
    failures,
    ask,
    query,
    publish,
    sink: (input: object = {}) =>
      ask('brokers.sink-put', { name: 'out', broker: 'main', to: 'events', types: ['order.*'], ...input }),
    source: (input: object = {}) =>
      ask('brokers.source-put', {
        name: 'in',
        broker: 'main',
        stream: 'incoming',
        prefix: 'shop',
        principal: 'component:shop',
        from: 'start',
        ...input,
      }),
    flow: async (name: string) =>
      (await query<{ items: Flow[] }>('brokers.status')).items.find((each) => each.name === name),
  }
}

const inStream = (server: MemoryServer, name = 'events'): readonly OutgoingMessage[] =>
  server.streams.get(name)?.messages ?? []
const dataOf = ({ body }: OutgoingMessage): unknown => JSON.parse(Buffer.from(body).toString() || 'null')
let sent = 0
const put = async (server: MemoryServer, ...messages: Partial<OutgoingMessage>[]) =>
  openMemoryBroker(systemEnv(), server).send(
    messages.map((message) => ({
      id: `in-${sent++}`,
      place: 'incoming',
      headers: {},
      body: Buffer.from('{}'),
      ...message,
    })),
  )
const cloudEvent = (id: string, data: unknown = 1, more: object = {}): Partial<OutgoingMessage> => ({
  headers: {
    'ce-specversion': '1.0',
    'ce-id': id,
    'ce-source': '/shop',
    'ce-type': 'order.created',
    'content-type': 'application/json',
    ...more,
  },
  body: Buffer.from(JSON.stringify(data)),
})

describe.each(ENGINES)('a sink (%s)', (engine) => {
  it('sends events of its types in order, as CloudEvents under their ids', async () => {
    const server = memoryServer()
    const { hub, sink, publish, failures, flow } = await openHubOn(server, { engine })
    await publish('order.created', { n: -1 })
    await sink({ to: 'orders.{type}.{lane}' })
    for (let n = 0; n < 50; n++) await publish('order.created', { n }, { id: `e${n}`, subject: `o/${n}` })
    await publish('invoice.created', {})
    await until(() => inStream(server, 'orders.order.created.normal').length === 50)
    const sent = inStream(server, 'orders.order.created.normal')
    expect(sent.map((message) => (dataOf(message) as { n: number }).n)).toEqual(
      Array.from({ length: 50 }, (_, n) => n),
    )
    expect(sent[0]?.headers).toMatchObject({
      'ce-id': 'e0',
      'ce-type': 'order.created',
      'ce-source': 'user:owner',
      'ce-subject': 'o/0',
      'content-type': 'application/json',
    })
    const entries = await entriesOf(hub, 'mesh.event-published@1')
    expect(sent.map(({ id }) => id)).toEqual(entries.slice(1, 51).map(({ id }) => id))
    await until(async () => (await flow('out'))?.lag === 0)
    expect(failures).toEqual([])
  })
})

describe('a sink', () => {
  it('waits in order while the broker does not answer, and says so', async () => {
    const server = memoryServer()
    let isDown = true
    const around = (broker: Broker): Broker => ({
      ...broker,
      send: async (messages) => {
        if (isDown) throw unreachable('main', 'it is down')
        return broker.send(messages)
      },
    })
    const { sink, publish, flow, failures } = await openHubOn(server, { around })
    await sink()
    for (let n = 0; n < 20; n++) await publish('order.created', n)
    await until(async () => (await flow('out'))?.error?.includes('it is down'))
    expect(await flow('out')).toMatchObject({ waiting: 0, setAside: 0 })
    isDown = false
    await until(() => inStream(server).length === 20)
    expect(inStream(server).map(dataOf)).toEqual(Array.from({ length: 20 }, (_, n) => n))
    await until(async () => (await flow('out'))?.error === undefined)
    expect(failures).toEqual([
      'broker.unreachable the sink out waits: the broker main does not answer: it is down',
    ])
  })

  it('sends what an answer was lost for again, under the same id', async () => {
    const server = memoryServer()
    let lost = 3
    const around = (broker: Broker): Broker => ({
      ...broker,
      async send(messages) {
        const outcomes = await broker.send(messages)
        if (lost-- > 0) throw unreachable('main', 'the answer was lost')
        return outcomes
      },
    })
    const { sink, publish, flow } = await openHubOn(server, { around })
    await sink()
    for (let n = 0; n < 10; n++) await publish('order.created', n)
    await until(async () => (await flow('out'))?.lag === 0 && lost < 0)
    expect(inStream(server).map(dataOf)).toEqual(Array.from({ length: 10 }, (_, n) => n))
  })

  it('gives up what can never be sent, and goes on', async () => {
    const server = memoryServer()
    const around = (broker: Broker): Broker => ({
      ...broker,
      send: async (messages) =>
        (await broker.send(messages)).map((outcome, place) =>
          dataOf(messages[place] as OutgoingMessage) === 'big'
            ? Object.assign(unreachable('main', ''), { code: 'broker.too-large', message: 'too large' })
            : outcome,
        ),
    })
    const { sink, publish, flow, query } = await openHubOn(server, { around })
    await sink()
    for (const data of ['a', 'big', 'b']) await publish('order.created', data)
    await until(async () => (await flow('out'))?.setAside === 1)
    await until(() => inStream(server).length === 3)
    const { items } = await query<{ items: object[] }>('brokers.set-aside', { name: 'out' })
    expect(items).toMatchObject([{ state: 'dead', reason: 'too large' }])
  })

  it('sends only what its owner may read, what its filter lets through, and no message to an inbox', async () => {
    const server = memoryServer()
    const { hub, ask, sink, publish } = await openHubOn(server)
    await sink({ filter: "subject = 'wanted'", types: ['**'] })
    await publish('order.created', 1, { subject: 'other' })
    await publish('order.created', { open: 1 }, { subject: 'wanted', privateData: { card: 4711 } })
    await ask('mesh.send', { to: 'component:named', type: 'order.secret', data: { card: 1 } })
    await until(() => inStream(server).length === 1)
    await settle(hub)
    expect(inStream(server).map(dataOf)).toEqual([{ open: 1, card: 4711 }])
    expect(await codeOf(ask('brokers.remove', { name: 'out' }, caller('bill')))).toBe('not-found')
    expect((await ask<{ name: string }>('brokers.remove', { name: 'out' })).name).toBe('out')
  })

  it('begins where it is asked to, goes on when it is changed, and is forgotten when it is removed', async () => {
    const server = memoryServer()
    const { ask, sink, publish, query } = await openHubOn(server)
    await publish('order.created', 1)
    await sink({ from: 'start' })
    await until(() => inStream(server).length === 1)
    await sink({ to: 'others', from: 'start' })
    await publish('order.created', 2)
    await until(() => inStream(server, 'others').length === 1)
    expect(inStream(server, 'others').map(dataOf)).toEqual([2])
    await ask('brokers.remove', { name: 'out' })
    await publish('order.created', 3)
    await until(async () => (await query<{ items: Flow[] }>('brokers.status')).items.length === 0)
    await sink()
    await publish('order.created', 4)
    await until(() => inStream(server).length === 2)
    expect(inStream(server).map(dataOf)).toEqual([1, 4])
  })

  it('goes on after a restart, without a gap', async () => {
    const server = memoryServer()
    const place = tempFolder()
    const first = await openHubOn(server, { engine: 'sqlite', ...place })
    await first.sink()
    for (let n = 0; n < 5; n++) await first.publish('order.created', n)
    await first.hub.close()
    const second = await openHubOn(server, { engine: 'sqlite', ...place })
    for (let n = 5; n < 10; n++) await second.publish('order.created', n)
    await until(() => inStream(server).length === 10)
    expect(inStream(server).map(dataOf)).toEqual(Array.from({ length: 10 }, (_, n) => n))
  })

  it('that a hub left while the broker was down loses nothing', async () => {
    const server = memoryServer()
    const place = tempFolder()
    const around = (broker: Broker): Broker => ({
      ...broker,
      send: async () => {
        throw unreachable('main', 'it is down')
      },
    })
    const first = await openHubOn(server, { engine: 'sqlite', ...place, around })
    await first.sink()
    for (let n = 0; n < 5; n++) await first.publish('order.created', n)
    await until(async () => (await first.flow('out'))?.error?.includes('it is down'))
    await first.hub.close()
    await openHubOn(server, { engine: 'sqlite', ...place })
    await until(() => inStream(server).length === 5)
    expect(inStream(server).map(dataOf)).toEqual([0, 1, 2, 3, 4])
  })

  it('refuses what it cannot mean', async () => {
    const { sink } = await openHubOn(memoryServer())
    for (const wrong of [
      { to: 'a.{tpye}' },
      { to: 'a.{type' },
      { to: 'a b' },
      { to: 'a.>' },
      { types: ['a..b'] },
      { filter: 'NOT' },
      { name: 'Upper' },
    ])
      await expect(sink(wrong)).rejects.toMatchObject({ code: 'input.invalid' })
    await expect(sink({ broker: 'none' })).rejects.toMatchObject({ code: 'not-found' })
  })
})

describe.each(ENGINES)('a source (%s)', (engine) => {
  it('commits each event once, under its prefix, and acknowledges then', async () => {
    const server = memoryServer()
    const { hub, source, flow, failures } = await openHubOn(server, { engine })
    await put(server, cloudEvent('a', { n: 1 }), cloudEvent('b'), {
      ...cloudEvent('a', { n: 1 }),
      id: 'again',
    })
    await put(server, { body: Buffer.from('{"plain":true}') })
    await source()
    await until(async () => (await entriesOf(hub, 'brokers.event-received@1')).length === 3)
    const entries = await entriesOf(hub, 'brokers.event-received@1')
    expect(entries.map(({ data }) => [data.type, data.id, data.source])).toEqual([
      ['shop.order.created', 'a', 'component:shop'],
      ['shop.order.created', 'b', 'component:shop'],
      ['shop.message', expect.stringMatching(/^in-/), 'component:shop'],
    ])
    expect(entries[0]?.data).toMatchObject({ claimedSource: '/shop', broker: 'main', place: 'incoming' })
    await until(async () => (await flow('in'))?.lag === 0)
    const [group] = server.streams.get('incoming')?.groups.values() ?? []
    await until(() => group?.underWay.size === 0)
    expect(failures).toEqual([])
  })
})

describe('a source', () => {
  it('sets aside what is no event, with the reason, and goes on', async () => {
    const server = memoryServer()
    const { hub, source, query, flow } = await openHubOn(server)
    await put(
      server,
      { body: Buffer.from('{"a":1,"a":2}') },
      { body: Buffer.from('not json') },
      cloudEvent('x', 1, { 'ce-source': 'no uri' }),
      { body: new Uint8Array(300 * 1024) },
      cloudEvent('y', 1, { 'ce-polityhub': 'A%2C' }),
      { body: Buffer.from('"\\ud800"') },
      { body: Buffer.from('['.repeat(10_000)) },
      { headers: { 'content-type': 'application/cloudevents+json' }, body: Buffer.from('[]') },
      cloudEvent('good', { fine: true }),
    )
    await source()
    await until(async () => (await entriesOf(hub, 'brokers.event-received@1')).length === 1)
    const { items } = await query<{ items: { position: string; reason: string; body: string }[] }>(
      'brokers.set-aside',
      { name: 'in' },
    )
    expect(items.map(({ position }) => position)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7'])
    for (const { reason } of items) expect(reason).not.toBe('')
    expect(Buffer.from(items[1]?.body ?? '', 'base64').toString()).toBe('not json')
    const told = await entriesOf(hub, 'brokers.messages-set-aside@1')
    expect(told.map(({ data }) => data.count).reduce((a, b) => Number(a) + Number(b), 0)).toBe(8)
    expect((await flow('in'))?.setAside).toBe(8)
    const [group] = server.streams.get('incoming')?.groups.values() ?? []
    await until(() => group?.underWay.size === 0)
  })

  it('is blocked by no message whatever', async () => {
    const server = memoryServer()
    const { hub, source } = await openHubOn(server)
    await source()
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            body: fc.oneof(
              fc.uint8Array({ maxLength: 40 }),
              fc.json().map((text) => new Uint8Array(Buffer.from(text))),
            ),
            headers: fc.dictionary(
              fc.constantFrom(
                'ce-id',
                'ce-type',
                'ce-source',
                'ce-specversion',
                'content-type',
                'polityhub',
                '__proto__',
              ),
              fc.oneof(
                fc.constantFrom('1.0', 'application/json', 'text/plain', '/s'),
                fc.string({ unit: 'grapheme-ascii', maxLength: 12 }),
              ),
              { maxKeys: 6 },
            ),
          }),
          { maxLength: 8 },
        ),
        async (messages) => {
          await put(server, ...messages)
        },
      ),
      { numRuns: 40 },
    )
    await put(server, cloudEvent('last', 'end'))
    await until(async () =>
      (await entriesOf(hub, 'brokers.event-received@1')).some(({ data }) => data.id === 'last'),
    )
  })

  it('recognises what comes again because the broker was not told', async () => {
    const server = memoryServer()
    let isDeaf = true
    const around = (broker: Broker): Broker => ({
      ...broker,
      async follow(options) {
        const receiver = await broker.follow({ ...options, ackWaitMs: 100 })
        return {
          ...receiver,
          ack: async (tokens) => {
            if (isDeaf) throw unreachable('main', 'it is down')
            await receiver.ack(tokens)
          },
        }
      },
    })
    const { hub, source, flow } = await openHubOn(server, { around })
    await put(server, cloudEvent('a'), { body: Buffer.from('2') }, { body: Buffer.from('bad') })
    await source()
    await until(async () => (await flow('in'))?.error?.includes('it is down'))
    await sleep(300)
    isDeaf = false
    const [group] = server.streams.get('incoming')?.groups.values() ?? []
    await until(() => group?.underWay.size === 0)
    expect(await entriesOf(hub, 'brokers.event-received@1')).toHaveLength(2)
    expect(await entriesOf(hub, 'brokers.messages-set-aside@1')).toHaveLength(1)
  })

  it('lets nobody speak for the hub', async () => {
    const { source } = await openHubOn(memoryServer())
    for (const prefix of ['mesh', 'brokers.x'])
      await expect(source({ prefix })).rejects.toMatchObject({ code: 'input.invalid' })
  })
})

describe('a sink and a source', () => {
  it('of one stream do not make an event run in circles', async () => {
    const server = memoryServer()
    const { hub, sink, source, publish } = await openHubOn(server)
    await sink({ to: 'incoming', types: ['**'], filter: "type LIKE '%order%'" })
    await source()
    await publish('order.created', 1)
    await put(server, cloudEvent('foreign', 2))
    await until(async () => (await entriesOf(hub, 'brokers.event-received@1')).length === 1)
    await settle(hub)
    await sleep(200)
    expect(await entriesOf(hub, 'brokers.event-received@1')).toHaveLength(1)
    expect(
      inStream(server, 'incoming').filter(({ headers }) => headers['ce-type'] !== undefined),
    ).toHaveLength(2)
  })

  it('of two hubs hand an event on once, however they are connected', async () => {
    const server = memoryServer()
    const a = await openHubOn(server)
    const b = await openHubOn(server)
    const types = ['**']
    const filter = "type LIKE '%order%'"
    await a.sink({ to: 'a-to-b', types, filter })
    await b.source({ stream: 'a-to-b' })
    await b.sink({ to: 'b-to-a', types, filter })
    await a.source({ stream: 'b-to-a' })
    await a.publish('order.created', { n: 1 })
    await b.publish('order.paid', { n: 2 })
    const received = async ({ hub }: typeof a) =>
      (await entriesOf(hub, 'brokers.event-received@1')).map(({ data }) => data.type)
    await until(async () => (await received(a)).length === 1 && (await received(b)).length === 1)
    await sleep(300)
    expect(await received(b)).toEqual(['shop.order.created'])
    expect(await received(a)).toEqual(['shop.order.paid'])
  })

  it('of two hubs that forward what they get from each other stop, whatever their types', async () => {
    const server = memoryServer()
    const a = await openHubOn(server)
    const b = await openHubOn(server)
    const routes = (from: string, to: string) => ({
      yaml: `events:\n  - event_type: '${from}'\n    forward: [{ type: ${to} }]\n`,
    })
    await a.ask('mesh.propose-routes', routes('shop.pong.**', 'ping.again'))
    await b.ask('mesh.propose-routes', routes('shop.ping.**', 'pong.again'))
    await a.sink({ to: 'a-to-b', types: ['ping.**'] })
    await b.source({ stream: 'a-to-b' })
    await b.sink({ to: 'b-to-a', types: ['pong.**'] })
    await a.source({ stream: 'b-to-a' })
    await a.publish('ping.first', { n: 1 })
    const aside = async () =>
      [...(await entriesOf(a.hub, ASIDE)), ...(await entriesOf(b.hub, ASIDE))].map(({ data }) => data.code)
    await until(async () => (await aside()).length > 0)
    expect(await aside()).toEqual(['mesh.loop'])
    const hops = async ({ hub }: typeof a, type: string) =>
      (await entriesOf(hub, type)).map(({ data }) => data.hops)
    expect(await hops(b, 'brokers.event-received@1')).toEqual([0, 2, 4, 6])
    expect(await hops(a, 'brokers.event-received@1')).toEqual([1, 3, 5, 7])
    expect(await hops(a, 'mesh.event-published@1')).toEqual([0, 2, 4, 6, 8])
  })
})

describe('what a source brings in', () => {
  it('is under the routes: who may bring it, who gets it, in which lane, and what becomes of it', async () => {
    const server = memoryServer()
    const { hub, ask, source } = await openHubOn(server)
    const ledger = caller('ledger')
    const yaml = `
events:
  - event_type: shop.order.created
    publishers: [shop]
    subscribers: [billing]
    priority: urgent
    forward: [{ type: ledger.booked }]
  - event_type: shop.order.paid
    publishers: [bank]
  - event_type: ledger.booked
    publishers: []
    subscribers: [ledger]
`
    await ask('mesh.propose-routes', { yaml })
    await ask('mesh.subscribe', { name: 's', types: ['**'] }, ledger)
    await source()
    await put(server, cloudEvent('a', { n: 1 }), cloudEvent('a', { n: 1 }))
    await put(server, cloudEvent('b', { n: 2 }, { 'ce-type': 'order.paid', 'ce-hops': '5' }))
    const taken = await ask<Taken>('mesh.take', { name: 's', waitMs: 20_000 }, ledger)
    expect(taken.items.map(({ event }) => event)).toMatchObject([
      {
        type: 'ledger.booked',
        source: 'component:shop',
        path: 'shop.order.created',
        hops: 1,
        data: { n: 1 },
      },
    ])
    await until(async () => (await entriesOf(hub, ASIDE)).length > 0)
    expect(await entriesOf(hub, ASIDE)).toMatchObject([{ data: { code: 'mesh.publisher-not-allowed' } }])
    expect(await entriesOf(hub, 'brokers.event-received@1')).toMatchObject([
      { audience: 'component:billing,component:shop', data: { type: 'shop.order.created', lane: 'urgent' } },
    ])
    expect(await entriesOf(hub, 'mesh.event-published@1')).toHaveLength(1)
  })

  it('is under the routes that are in force when it is committed', async () => {
    const server = memoryServer()
    const { hub, ask, source } = await openHubOn(server)
    const table = (publisher: string, lane: string) => `
events:
  - event_type: shop.order.created
    publishers: [${publisher}]
    priority: ${lane}
    requires_validation: true
`
    const propose = (yaml: string) => ask('mesh.propose-routes', { yaml })
    await ask('mesh.define-type', { type: 'shop.order.created', major: 1, schema: {} })
    await propose(table('shop', 'normal'))
    const changes = [table('shop', 'urgent'), '', table('bank', 'urgent')]
    // The table changes after it let the event in, and before that is committed.
    hub.face(meshValidators)?.register('changing', async () => {
      const next = changes.shift() ?? ''
      if (next !== '') await propose(next)
      return undefined
    })
    await source()
    await put(server, cloudEvent('a'))
    const received = () => entriesOf(hub, 'brokers.event-received@1')
    await until(async () => (await received()).length > 0)
    expect(await received()).toMatchObject([{ data: { lane: 'urgent' } }])
    await put(server, cloudEvent('b'))
    await until(async () => (await entriesOf(hub, ASIDE)).length > 0)
    expect(await entriesOf(hub, ASIDE)).toMatchObject([{ data: { code: 'mesh.publisher-not-allowed' } }])
    expect(await received()).toHaveLength(1)
  })
})

describe('the brokers of a hub', () => {
  it('take a sink or a source only if the secrets they are reached with can be read, and never look for them in the log', async () => {
    const place = tempFolder()
    const path = join(place.root, 'token')
    const nobody = 'nats://127.0.0.1:1'
    const open = () =>
      openTestHub('sqlite', {
        modules: [
          meshModule(),
          brokersModule({
            brokers: {
              kept: `${nobody}?token=file:${path}`,
              lost: `${nobody}?token=env:POLITY_NOT_SET`,
              whole: 'redis+env:POLITY_NOT_SET',
            },
          }),
        ],
        ...place,
      })
    const hub = await open()
    const { ask } = asking(hub)
    const flow = { prefix: 'shop', principal: 'component:shop' }
    const sink = (broker: string) =>
      errorOf(ask('brokers.sink-put', { name: 'out', broker, to: 'events', types: ['order.*'] }))
    const source = (broker: string) =>
      errorOf(ask('brokers.source-put', { name: 'in', broker, stream: 'incoming', ...flow }))
    const missing = (reference: string) => ({
      code: 'secret.missing',
      message: expect.stringContaining(reference),
    })
    for (const put of [sink, source]) {
      expect(await put('lost')).toMatchObject(missing('env:POLITY_NOT_SET'))
      expect(await put('whole')).toMatchObject(missing('env:POLITY_NOT_SET'))
      expect(await put('kept')).toMatchObject(missing(`file:${path}`))
    }
    expect(await codeOf(ask('brokers.remove', { name: 'out' }))).toBe('not-found')
    writeFileSync(path, 'a token')
    // Nobody answers there: what is put waits, and is not refused for it.
    await ask('brokers.sink-put', { name: 'out', broker: 'kept', to: 'events', types: ['order.*'] })
    await hub.close()
    rmSync(path)
    const { query } = asking(await open())
    expect(await query('brokers.status')).toMatchObject({ items: [{ name: 'out', broker: 'kept' }] })
  })

  it('are listed with what can lose messages', async () => {
    const { query, sink } = await openHubOn(memoryServer())
    await sink()
    expect(await query('brokers.list')).toMatchObject({
      items: [{ name: 'main', isReachable: true, kind: 'memory', findings: [{ verdict: 'can-lose' }] }],
    })
  })
})
