// A database that is away for longer than the writer's lease lasts: one hub writes afterwards, whoever is left.

import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type Hub, openHub } from '../../src/hub.ts'
import { storeSource } from '../../src/kernel/audit/sources/data.ts'
import { verifyLog } from '../../src/kernel/audit/verify/verify.ts'
import { OWNER } from '../../src/kernel/identity/identity.ts'
import { LEASE_TTL_MS } from '../../src/kernel/realm/election.ts'
import { openPostgres } from '../../src/kernel/store/postgres/postgres.ts'
import { state } from '../../src/modules/state/module.ts'
import { type Cluster, describeOnCluster, openCluster } from './postgres-cluster.ts'

const REALM = 'main'
const KEYS = ['log.key', 'statements.key', 'vault.key', 'witness.key']
const WAIT = { timeout: 20_000, interval: 50 }
const owner = { chain: [OWNER] }

describeOnCluster('a database that is away while the lease runs out', () => {
  let cluster: Cluster
  let folder: string
  let opened: Hub[]
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'polity-takeover-'))
    opened = []
    cluster = await openCluster()
  })
  afterEach(async () => {
    try {
      for (const hub of opened.splice(0).reverse()) await hub.close()
    } finally {
      await cluster.remove()
      rmSync(folder, { recursive: true, force: true })
    }
  })

  const start = async (name: string): Promise<Hub> => {
    const hub = await openHub({
      dir: join(folder, name),
      anchorPath: join(folder, `${name}.anchor`),
      storeUrl: cluster.url(),
      realm: REALM,
      modules: [state],
      publishIntervalMs: 1,
    })
    opened.push(hub)
    return hub
  }
  /** The first of them writes, the other one follows. */
  const pair = async (): Promise<readonly [Hub, Hub]> => {
    const a = await start('a')
    mkdirSync(join(folder, 'b'), { mode: 0o700 })
    for (const key of KEYS) copyFileSync(join(folder, 'a', key), join(folder, 'b', key))
    return [a, await start('b')]
  }
  /** Whoever holds it, and whether it has run out. */
  const lease = async () => {
    const [found] = await cluster.query<{ holder: string | null; epoch: string; isOver: boolean }>(
      'SELECT holder, epoch, expires <= clock_timestamp() AS "isOver" FROM polity_main.lease',
    )
    return found
  }
  const put = (hub: Hub, key: string) =>
    hub.invoke(owner, 'state.put', { namespace: 'team', key, value: key }, { key })
  const expectDocuments = async (hub: Hub, keys: readonly string[]) => {
    for (const key of keys) {
      const { output } = (await hub.ask(owner, 'state.get', { namespace: 'team', key })) as {
        output: unknown
      }
      expect(output).toMatchObject({ key, value: key, version: 1 })
    }
  }
  const expectOneHistory = async (hubs: readonly Hub[]) => {
    const realm = await openPostgres(cluster.url(), REALM)
    try {
      const named = hubs.map((hub, n) => ({ name: `checkpoint ${n}`, note: hub.log.head().checkpoint }))
      const source = await storeSource(realm.store('read'), named)
      const size = Math.max(...hubs.map((hub) => hub.log.head().size))
      expect((await verifyLog(source, { vkey: hubs[0]?.log.vkey ?? '' })).size).toBe(size)
    } finally {
      await realm.close()
    }
  }

  it('and with the writer gone meanwhile, leaves the other hub to write', async () => {
    const [a, b] = await pair()
    await put(b, 'before')
    const before = await lease()
    await cluster.crash()
    // It cannot give its lease back.
    opened = [b]
    await a.close()
    await expect(put(b, 'meanwhile')).rejects.toMatchObject({ code: 'store.unreachable' })
    await setTimeout(LEASE_TTL_MS)
    await cluster.start()
    expect(await put(b, 'after')).toMatchObject({ status: 'done' })
    expect(await put(b, 'meanwhile')).toMatchObject({ status: 'done' })
    await expectDocuments(b, ['before', 'meanwhile', 'after'])
    await expectOneHistory([b])
    const after = await lease()
    expect(after?.holder).not.toBe(before?.holder)
    expect(Number(after?.epoch)).toBeGreaterThan(Number(before?.epoch))
  })

  it('leaves one of two to write, and both to be asked', async () => {
    const [a, b] = await pair()
    await put(a, 'a-before')
    await put(b, 'b-before')
    await cluster.crash()
    await setTimeout(LEASE_TTL_MS)
    await cluster.start()
    const keys = ['a-before', 'b-before']
    for (const [hub, key] of [
      [a, 'a-after'],
      [b, 'b-after'],
    ] as const) {
      // The first to ask meets connections that are dead.
      await vi.waitFor(() => put(hub, key), WAIT)
      keys.push(key)
    }
    const size = Math.max(a.log.head().size, b.log.head().size)
    for (const hub of [a, b]) {
      await hub.log.published(size)
      await expectDocuments(hub, keys)
    }
    await expectOneHistory([a, b])
    await vi.waitFor(async () => expect(await lease()).toMatchObject({ isOver: false }), WAIT)
  })
})
