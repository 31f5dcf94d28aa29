// Database servers as they are found: set up to lose what they acknowledge, to take no writes, or empty, with five programs at the door at once.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterEach, expect, it, vi } from 'vitest'
import { type Hub, openHub } from '../../src/hub.ts'
import { storeSource } from '../../src/kernel/audit/sources/data.ts'
import { verifyLog } from '../../src/kernel/audit/verify/verify.ts'
import { OWNER } from '../../src/kernel/identity/identity.ts'
import { openPostgres } from '../../src/kernel/store/postgres/postgres.ts'
import { state } from '../../src/modules/state/module.ts'
import { type Cluster, describeOnCluster, openCluster, type Settings } from '../fault/postgres-cluster.ts'

const REALM = 'main'
const WAIT = { timeout: 20_000, interval: 50 }
const owner = { chain: [OWNER] }

const opened: (() => unknown)[] = []
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})

async function server(settings: Settings = {}): Promise<Cluster> {
  const cluster = await openCluster({ settings })
  opened.push(cluster.remove)
  return cluster
}

async function realmAt(cluster: Cluster, url = cluster.url()) {
  const realm = await openPostgres(url, REALM)
  opened.push(realm.close)
  return realm
}

describeOnCluster('a server with fsync=off', () => {
  it('is refused, with what to set', async () => {
    const cluster = await server({ fsync: 'off' })
    await expect(openPostgres(cluster.url(), REALM)).rejects.toMatchObject({
      code: 'store.failed',
      message: expect.stringContaining('fsync=on'),
    })
    // Nothing was made there.
    expect(await cluster.query(`SELECT 1 FROM pg_namespace WHERE nspname = 'polity_main'`)).toEqual([])
  })

  it('is refused by those who come back to it, too', async () => {
    const cluster = await server()
    const realm = await realmAt(cluster)
    const store = realm.fencedStore((await realm.lease.acquire('hub', 60_000))?.epoch ?? -1)
    await store.commit(row('before'))
    await cluster.crash()
    await cluster.start({ fsync: 'off' })
    await vi.waitFor(
      () =>
        expect(store.commit(row('after'))).rejects.toMatchObject({
          code: 'store.failed',
          message: expect.stringContaining('fsync'),
        }),
      WAIT,
    )
    await cluster.stop()
    await cluster.start()
    await vi.waitFor(() => store.commit(row('after')), WAIT)
    expect((await store.load('test', ['before', 'after'])).value.size).toBe(2)
  })
})

describeOnCluster('a server with synchronous_commit=off', () => {
  it('keeps what it acknowledged to us in a crash, and loses what it acknowledged to others', async () => {
    // Nobody else writes the log ahead in time.
    const cluster = await server({ synchronous_commit: 'off', wal_writer_delay: '10s' })
    await cluster.query('ALTER DATABASE postgres SET synchronous_commit = off')
    await cluster.query('ALTER ROLE postgres SET synchronous_commit = off')
    await cluster.query('CREATE TABLE control (n integer)')
    await cluster.query('CHECKPOINT')
    const realm = await realmAt(cluster)
    const { epoch = -1 } = (await realm.lease.acquire('hub', 60_000)) ?? {}
    const anchor = realm.anchor(epoch)
    await anchor.load()
    const store = realm.fencedStore(epoch)
    for (const write of [
      () => store.commit(row('kept')),
      () => anchor.swap('note'),
      () => realm.lease.release('hub', epoch),
      () => realm.lease.acquire('another', 60_000),
    ]) {
      await write()
      await cluster.query('INSERT INTO control VALUES (1)')
      await cluster.crash()
      await cluster.start()
    }
    // What proves that this server would lose it.
    expect((await cluster.query('SELECT n FROM control')).length).toBeLessThan(4)
    const read = realm.store('read')
    expect((await read.load('test', ['kept'])).value.get('kept')).toMatchObject({ value: '1' })
    expect(await realm.published()).toBe('note')
    expect(await realm.lease.current()).toMatchObject({ holder: 'another', epoch: epoch + 2 })
  })
})

describeOnCluster('a server that takes no writes for a while', () => {
  it('is named as such, and its hub goes on when it takes them again', { timeout: 60_000 }, async () => {
    const cluster = await server()
    const folder = mkdtempSync(join(tmpdir(), 'polity-settings-'))
    opened.push(() => rmSync(folder, { recursive: true, force: true }))
    const told: string[] = []
    const hub = await openHub({
      dir: join(folder, 'a'),
      anchorPath: join(folder, 'a.anchor'),
      storeUrl: cluster.url(),
      realm: REALM,
      modules: [state],
      publishIntervalMs: 1,
      onFailure: ({ code }) => told.push(code),
    })
    opened.push(hub.close)
    await put(hub, 'before')
    await cluster.set('default_transaction_read_only', 'on')
    await vi.waitFor(
      () => expect(put(hub, 'meanwhile')).rejects.toMatchObject({ code: 'store.readonly' }),
      WAIT,
    )
    // What is there can be read.
    expect(await get(hub, 'before')).toBe('before')
    await expect(openPostgres(cluster.url(), 'another')).rejects.toMatchObject({ code: 'store.readonly' })
    await cluster.set('default_transaction_read_only', 'off')
    await vi.waitFor(() => put(hub, 'meanwhile'), WAIT)
    await put(hub, 'after')
    expect(await Promise.all(['before', 'meanwhile', 'after'].map((key) => get(hub, key)))).toEqual([
      'before',
      'meanwhile',
      'after',
    ])
    const { checkpoint, size } = hub.log.head()
    const reader = (await realmAt(cluster)).store('read')
    const source = await storeSource(reader, [{ name: 'checkpoint', note: checkpoint }])
    expect((await verifyLog(source, { vkey: hub.log.vkey })).size).toBe(size)
    expect(told.length).toBeLessThan(20)
  })
})

describeOnCluster('an empty database', () => {
  it('is made ready by five programs that come at once, each of which succeeds', async () => {
    const cluster = await server()
    const programs = Array.from({ length: 5 }, () => program(cluster.url()))
    await Promise.all(programs.map(({ ready }) => ready))
    expect(await Promise.all(programs.map(({ open }) => open()))).toEqual(programs.map(() => 'size 0\n'))
    const steps = await cluster.query<{ version: string }>('SELECT version FROM polity_main.migration')
    expect(new Set(steps.map(({ version }) => version)).size).toBe(steps.length)
    expect(steps.length).toBeGreaterThan(0)
    expect(await cluster.query('SELECT epoch FROM polity_main.lease')).toEqual([{ epoch: '0' }])
  })

  it('is reached through a Unix socket', async () => {
    const cluster = await server()
    const url = `postgres://postgres@localhost:${cluster.port}/postgres?host=${encodeURIComponent(cluster.socketDir)}`
    expect(await (await realmAt(cluster, url)).store('read').size()).toBe(0)
  })
})

const row = (key: string) => ({
  entries: [],
  nodes: [],
  rows: [{ table: 'test', key, version: 1, value: '1' }],
})

const put = (hub: Hub, key: string) =>
  hub.invoke(owner, 'state.put', { namespace: 'team', key, value: key }, { key })

async function get(hub: Hub, key: string): Promise<unknown> {
  const { output } = (await hub.ask(owner, 'state.get', { namespace: 'team', key })) as {
    output: { value: unknown }
  }
  return output.value
}

const PROGRAM = `
import { openPostgres } from ${JSON.stringify(new URL('../../src/kernel/store/postgres/postgres.ts', import.meta.url).href)}
process.stdout.write('ready\\n')
process.stdin.once('data', async () => {
  const realm = await openPostgres(process.argv[1], '${REALM}')
  process.stdout.write('size ' + (await realm.store('read').size()) + '\\n')
  await realm.close()
  process.stdin.destroy()
})`

/** A program that has everything loaded, and opens the database when it is told to; answers what it said. */
function program(url: string) {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', PROGRAM, url])
  opened.push(() => child.kill('SIGKILL'))
  const said: string[] = []
  child.stderr.on('data', (text: Buffer) => said.push(text.toString()))
  const ready = once(child.stdout, 'data').then(() => {
    child.stdout.on('data', (text: Buffer) => said.push(text.toString()))
  })
  return {
    ready,
    async open() {
      child.stdin.write('open\n')
      await once(child, 'close')
      return said.join('')
    },
  }
}
