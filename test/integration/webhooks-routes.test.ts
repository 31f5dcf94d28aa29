// Webhooks that came in, under the routes of the mesh: signed request, route, subscriber; nothing gets round a route, and nothing runs for ever.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openHttpDoor } from '../../src/doors/http/server.ts'
import { webhookHeaders } from '../../src/kit/standard-webhooks.ts'
import { meshStats, meshValidators } from '../../src/modules/mesh/contract.ts'
import { meshModule } from '../../src/modules/mesh/module.ts'
import { webhooksModule } from '../../src/modules/webhooks/module.ts'
import { entriesOf, openTestHub, tempFolder } from './lab/hubs.ts'
import { caller, type Event, type Taken } from './lab/mesh.ts'
import { asking, until } from './lab/webhooks.ts'

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const RECEIVED = 'webhooks.event-received@1'
const PUBLISHED = 'mesh.event-published@1'
const shop = caller('shop')
const billing = caller('billing')
const ledger = caller('ledger')
const stranger = caller('stranger')
const auditor = caller('watcher', ['auditor'], 'user')

const TABLE = `
events:
  - event_type: in.order.paid
    publishers: [shop]
    subscribers: [billing]
    forward: [{ type: ledger.booked, subject: books }]
  - event_type: ledger.booked
    publishers: []
    subscribers: [ledger]
routing_rules:
  priority_events: [in.order.paid]
  audit_events: [ledger.booked]
  alert_events: [in.order.paid]
`

async function openShop() {
  const failures: string[] = []
  const hub = await openTestHub('memory', {
    modules: [meshModule(), webhooksModule()],
    egress: { allow: ['127.0.0.1'] },
    onFailure: ({ code, message }) => failures.push(`${code} ${message}`),
  })
  const door = await openHttpDoor(hub, { host: '127.0.0.1', port: 0, writeLog: () => undefined })
  onTestFinished(() => door.close())
  const path = join(tempFolder().root, 'secret')
  writeFileSync(path, SECRET, { mode: 0o600 })
  const { ask, query, publish } = asking(hub)
  const put = (name: string, more: object = {}) =>
    ask('webhooks.source-put', {
      name,
      prefix: 'in',
      scheme: 'standard',
      secret: `file:${path}`,
      principal: `component:${name}`,
      ...more,
    })
  await put('shop')
  const post = async (source: string, event: object, id = 'msg_1') => {
    const body = JSON.stringify({ type: 'order.paid', timestamp: '2026-01-01T00:00:00Z', ...event })
    const at = Math.floor(Date.now() / 1000)
    const headers = webhookHeaders(id, at, [new Webhook(SECRET).sign(id, new Date(at * 1000), body)])
    const response = await fetch(`${door.url}/v1/hooks/${source}`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', ...headers },
    })
    const text = await response.text()
    return [response.status, text === '' ? undefined : JSON.parse(text).code]
  }
  const take = async (who: typeof shop, waitMs = 0): Promise<readonly Event[]> =>
    (await ask<Taken>('mesh.take', { name: 's', waitMs }, who)).items.map(({ event }) => event)
  const types = async (type: string) => (await entriesOf(hub, type)).map(({ data }) => [data.type, data.hops])
  for (const who of [shop, billing, ledger, stranger, auditor])
    await ask('mesh.subscribe', { name: 's', types: ['in.**', 'ledger.**'], from: 'start' }, who)
  const propose = (yaml: string) => ask<{ rehearsal?: object }>('mesh.propose-routes', { yaml })
  return { hub, url: door.url, failures, ask, query, publish, put, post, take, types, propose }
}

describe('a webhook that came in', () => {
  it('goes to the subscribers of its route, and on as what the route makes of it', async () => {
    const { hub, post, take, propose, types } = await openShop()
    await propose(TABLE)
    expect(await post('shop', { data: { total: 3 } })).toEqual([204, undefined])
    expect(await take(billing, 10_000)).toMatchObject([
      { type: 'in.order.paid', source: 'component:shop', lane: 'urgent', data: { total: 3 } },
    ])
    expect(await take(ledger, 10_000)).toMatchObject([
      {
        type: 'ledger.booked',
        source: 'component:shop',
        subject: 'books',
        path: 'in.order.paid',
        hops: 1,
        data: { total: 3 },
      },
    ])
    // Its source is no subscriber either.
    expect(await take(shop)).toEqual([])
    // An auditor sees it in public form only, and a stranger nothing.
    expect(await take(auditor)).toMatchObject([{ type: 'in.order.paid' }, { type: 'ledger.booked' }])
    expect(await take(stranger)).toEqual([])
    expect(JSON.stringify(await entriesOf(hub))).not.toContain('"total"')
    expect(await entriesOf(hub, 'mesh.alert-raised@1')).toMatchObject([
      { data: { event: 'msg_1', type: 'in.order.paid', source: 'component:shop' } },
    ])
    expect(await types(PUBLISHED)).toEqual([['ledger.booked', 1]])
    expect(hub.face(meshStats)?.counts()).toContainEqual({ what: 'forwarded', family: 'ledger', count: 1 })
  })

  it('is forwarded once, however often it comes', async () => {
    const { hub, post, propose, types } = await openShop()
    await propose(TABLE)
    await Promise.all(Array.from({ length: 10 }, () => post('shop', { data: 1 })))
    await post('shop', { data: 1 })
    expect(await types(RECEIVED)).toEqual([['in.order.paid', 0]])
    expect(await types(PUBLISHED)).toEqual([['ledger.booked', 1]])
    expect(hub.face(meshStats)?.counts()).toContainEqual({ what: 'forwarded', family: 'ledger', count: 1 })
  })

  it('of another source than its route names is refused, however far it says that it came', async () => {
    const { hub, post, put, propose, types } = await openShop()
    await put('thief')
    await propose(TABLE)
    for (const [at, hops] of [0, 1, 7, 8].entries())
      expect(await post('thief', { data: 1, hops }, `t${at}`)).toEqual([403, 'mesh.publisher-not-allowed'])
    expect(await types(RECEIVED)).toEqual([])
    expect(await types(PUBLISHED)).toEqual([])
    expect(await entriesOf(hub, 'mesh.event-blocked@1')).not.toHaveLength(0)
  })

  it('is under the routes that are in force when it is committed', async () => {
    const { hub, ask, post, propose, types } = await openShop()
    await ask('mesh.define-type', { type: 'in.order.paid', major: 1, schema: {} })
    const checked = (publisher: string, target: string) => `
events:
  - event_type: in.order.paid
    publishers: [${publisher}]
    requires_validation: true
    forward: [{ type: ${target} }]
`
    await propose(checked('shop', 'ledger.old'))
    const changes = [checked('shop', 'ledger.new'), '', checked('other', 'ledger.new')]
    // The table changes after it let the event in, and before that is committed.
    hub.face(meshValidators)?.register('changing', async () => {
      const next = changes.shift() ?? ''
      if (next !== '') await propose(next)
      return undefined
    })
    expect(await post('shop', { data: 1 }, 'a')).toEqual([204, undefined])
    expect(await post('shop', { data: 1 }, 'b')).toEqual([403, 'mesh.publisher-not-allowed'])
    expect(await types(RECEIVED)).toEqual([['in.order.paid', 0]])
    expect(await types(PUBLISHED)).toEqual([['ledger.new', 1]])
  })

  it('that its source names others for is theirs, and so is what becomes of it', async () => {
    const { post, put, take, propose } = await openShop()
    await put('shop', { audience: ['component:stranger'] })
    await propose(TABLE.replace('subscribers: [billing]', 'subscribers: [any_component]'))
    await post('shop', { data: 1 })
    expect(await take(stranger, 10_000)).toMatchObject([{ type: 'in.order.paid' }])
    expect(await take(billing)).toEqual([])
    // Its label lets a stranger see it, and its route lets it not follow it.
    expect(await take(stranger)).toEqual([])
  })

  it('is erased with what was made of it', async () => {
    const { hub, ask, post, take, propose } = await openShop()
    await propose(TABLE)
    await post('shop', { data: { total: 3 } }, 'a')
    await post('shop', { data: { total: 4 } }, 'b')
    const [entry] = await entriesOf(hub, RECEIVED)
    await ask('vault.erase', { subject: entry?.subject })
    const datas = async (who: typeof shop) =>
      (await take(who, 10_000)).map(({ data, privatedata }) => data ?? privatedata)
    expect(await datas(ledger)).toEqual(['erased', { total: 4 }])
    expect(await datas(billing)).toEqual(['erased', { total: 4 }])
  })

  it('is among what a new table is rehearsed with', async () => {
    const { hub, ask, post } = await openShop()
    await post('shop', { data: 1 })
    await post('shop', { data: 1, hops: 3 }, 'passed-on')
    await entriesOf(hub)
    const yaml = TABLE.replace('publishers: [shop]', 'publishers: [other]')
    const { rehearsal } = await ask<{ rehearsal: object }>('mesh.propose-routes', {
      yaml,
      isRehearsalOnly: true,
    })
    expect(rehearsal).toMatchObject({
      events: 2,
      blocked: [
        { type: 'in.order.paid', source: 'component:shop', code: 'mesh.publisher-not-allowed', count: 2 },
      ],
    })
  })
})

describe('hubs in a circle', () => {
  it('do not forward what came too far; it is acknowledged, so that it does not come again', async () => {
    const { post, propose, types, failures } = await openShop()
    await propose(TABLE)
    expect(await post('shop', { data: 1, hops: 7 }, 'a')).toEqual([204, undefined])
    expect(await post('shop', { data: 1, hops: 8 }, 'b')).toEqual([204, undefined])
    expect(await post('shop', { data: 1, hops: 9 }, 'c')).toEqual([204, undefined])
    // Where nothing forwards it, the last hop is none too many.
    expect(await post('shop', { type: 'order.seen', data: 1, hops: 8 }, 'd')).toEqual([204, undefined])
    expect(await types(RECEIVED)).toEqual([
      ['in.order.paid', 7],
      ['in.order.seen', 8],
    ])
    expect(await types(PUBLISHED)).toEqual([['ledger.booked', 8]])
    expect(failures.filter((failure) => failure.startsWith('webhooks.event'))).toHaveLength(2)
  })

  it('that feed each other what they forward stop', async () => {
    const { url, ask, publish, propose, types, failures } = await openShop()
    await propose(`
events:
  - event_type: in.out.*
    forward: [{ type: out.again }]
`)
    await ask('webhooks.register', { url: `${url}/v1/hooks/shop`, types: ['out.*'], secretText: SECRET })
    await publish('out.start', 1)
    await until(() => failures.some((failure) => failure.startsWith('webhooks.event')))
    expect((await types(RECEIVED)).map(([, hops]) => hops)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    expect((await types(PUBLISHED)).map(([, hops]) => hops)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
  })

  it('of which one’s own table forwards too long a way are told so, and may send it again', async () => {
    const { post, propose, types } = await openShop()
    const route = (from: string, to: string) => `  - event_type: ${from}\n    forward: [{ type: ${to} }]\n`
    const steps = Array.from({ length: 9 }, (_, n) => route(`n.n${n}`, `n.n${n + 1}`)).join('')
    await propose(`events:\n${route('in.order.paid', 'n.n0')}${steps}`)
    const [status, code] = await post('shop', { data: 1 })
    expect(code).toBe('mesh.loop')
    expect(status).toBeGreaterThanOrEqual(400)
    expect(await types(RECEIVED)).toEqual([])
    expect(await types(PUBLISHED)).toEqual([])
  })
})
