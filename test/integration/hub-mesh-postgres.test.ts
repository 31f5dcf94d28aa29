// One subscription over two hubs on one database: whoever is asked hands out, each event once, in the order of its key.

import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Hub, openHub } from '../../src/hub.ts'
import { meshModule } from '../../src/modules/mesh/module.ts'
import {
  describeOnPostgres,
  dropRealm,
  POSTGRES_URL,
  randomRealm,
} from '../conformance/store/postgres-server.ts'
import { codeOf } from './lab/hubs.ts'
import { asking, caller, owner, type Taken } from './lab/mesh.ts'

const KEYS = ['log.key', 'statements.key', 'vault.key', 'witness.key']
const shop = caller('shop')
const billing = caller('billing')

await describeOnPostgres('a mesh of two hubs', () => {
  let folder: string
  let realm: string
  let hubs: Hub[]
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'polity-mesh-'))
    realm = randomRealm()
    hubs = []
    for (const name of ['a', 'b']) {
      const dir = join(folder, name)
      mkdirSync(dir, { mode: 0o700 })
      if (name === 'b') for (const key of KEYS) copyFileSync(join(folder, 'a', key), join(dir, key))
      const anchorPath = join(folder, `${name}.anchor`)
      const modules = [meshModule()]
      hubs.push(
        await openHub({ dir, anchorPath, storeUrl: POSTGRES_URL, realm, modules, publishIntervalMs: 1 }),
      )
    }
  })
  afterEach(async () => {
    for (const hub of hubs.reverse()) await hub.close()
    rmSync(folder, { recursive: true, force: true })
    await dropRealm(realm)
  })
  const asks = () => hubs.map(asking) as [ReturnType<typeof asking>, ReturnType<typeof asking>]

  it('shares a group: nothing is handled twice, nothing is lost, keys stay in order', async () => {
    const [a, b] = asks()
    await a(billing, 'subscribe', { name: 's', types: ['n.*'], inFlightMax: 64 })
    const events = Array.from({ length: 120 }, (_, n) => ({
      type: 'n.n',
      data: n,
      key: `k${n % 7}`,
      audience: ['component:billing'],
    }))
    const publishing = (async () => {
      for (let n = 0; n < events.length; n += 10)
        await b(shop, 'publish-many', { events: events.slice(n, n + 10) })
    })()
    const handled: number[] = []
    const consume = async (ask: ReturnType<typeof asking>) => {
      while (handled.length < events.length) {
        const { items } = await ask<Taken>(billing, 'take', { name: 's', max: 8, waitMs: 200 })
        handled.push(...items.map(({ event }) => event.data as number))
        if (items.length > 0) await ask(billing, 'ack', { name: 's', ids: items.map(({ id }) => id) })
      }
    }
    await Promise.all([publishing, consume(a), consume(b), consume(a), consume(b)])
    expect([...handled].sort((x, y) => x - y)).toEqual(events.map(({ data }) => data))
    for (let key = 0; key < 7; key++) {
      const ofKey = handled.filter((n) => n % 7 === key)
      expect(ofKey).toEqual([...ofKey].sort((x, y) => x - y))
    }
  }, 60_000)

  it('follows one table of routes, and takes requests from one hub to the other', async () => {
    const [a, b] = asks()
    await a(owner, 'propose-routes', { yaml: 'events:\n  - event_type: a.b\n    publishers: [shop]\n' })
    await hubs[1]?.log.published(hubs[0]?.log.head().size ?? 0)
    expect(await codeOf(b(billing, 'publish', { type: 'a.b' }))).toBe('mesh.publisher-not-allowed')
    await b(shop, 'publish', { type: 'a.b', id: 'one' })
    expect(await a(shop, 'publish', { type: 'a.b', id: 'one' })).toMatchObject({ isDuplicate: true })
    const asked = a(shop, 'request', { to: 'component:billing', type: 'price.asked', timeoutMs: 30_000 })
    const { items } = await b<Taken>(billing, 'inbox', { waitMs: 30_000 })
    await b(billing, 'reply', { request: String(items[0]?.event.request), data: 7 })
    expect(await asked).toMatchObject({ data: 7 })
  }, 60_000)
})
