// What hubs share on PostgreSQL, beside the Store: lease, fence, anchor, outbox, schema; and the ways in which a server fails.

import { randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openPostgres, type PostgresRealm } from '../../../src/kernel/store/postgres/postgres.ts'
import type { Store } from '../../../src/kernel/store/store.ts'
import { codeOf } from '../../../src/kit/codes.fixture.ts'
import { openNetwork } from './network.ts'
import {
  asAdmin,
  describeOnPostgres,
  dropRealm,
  endSessions,
  freshRealm,
  POSTGRES_URL,
  randomRealm,
} from './postgres-server.ts'
import { EMPTY, entryAt, row } from './suite.ts'

const LONG_MS = 600_000

let name: string
let realm: PostgresRealm
let drop: () => Promise<void>

await describeOnPostgres('a realm on PostgreSQL', () => {
  beforeEach(async () => {
    const fresh = await freshRealm()
    name = fresh.name
    realm = fresh.realm
    drop = fresh.drop
  })
  afterEach(() => drop())

  describe('the lease', leaseTests)
  describe('the fence', fenceTests)
  describe('the anchor', anchorTests)
  describe('the outbox', outboxTests)
  describe('the schema', schemaTests)
  describe('a server that fails', failureTests)
})

const epochOf = async (holder: string, ttlMs = LONG_MS): Promise<number> => {
  const taken = await realm.lease.acquire(holder, ttlMs)
  if (!taken) throw new Error(`${holder} did not get the lease`)
  return taken.epoch
}

/** The lease runs out now, as if its time had passed: the clock is the server's, and not ours to wait for. */
const expireLease = () =>
  asAdmin((admin) =>
    admin.query(`UPDATE "${realm.schema}".lease SET expires = clock_timestamp() - interval '1 second'`),
  )

function leaseTests(): void {
  it('goes to one of many who ask at once', async () => {
    const taken = await Promise.all(
      Array.from({ length: 10 }, (_, n) => realm.lease.acquire(`hub${n}`, LONG_MS)),
    )
    expect(taken.filter((each) => each !== undefined)).toHaveLength(1)
  })

  it('is held until it runs out, and then changes hands with a new epoch', async () => {
    const first = await epochOf('a')
    expect(await realm.lease.acquire('b', LONG_MS)).toBeUndefined()
    expect(await realm.lease.current()).toMatchObject({ holder: 'a', epoch: first })
    await expireLease()
    expect(await realm.lease.current()).toBeUndefined()
    const second = await epochOf('b')
    expect(second).toBeGreaterThan(first)
    expect(await realm.lease.renew('a', first, LONG_MS)).toBe(false)
    expect(await realm.lease.renew('b', second, LONG_MS)).toBe(true)
  })

  it('that ran out is renewed as long as nobody else took it', async () => {
    const epoch = await epochOf('a')
    await expireLease()
    expect(await realm.lease.renew('a', epoch, LONG_MS)).toBe(true)
    expect(await realm.lease.acquire('b', LONG_MS)).toBeUndefined()
    const left = (await realm.lease.current())?.expiresInMs ?? 0
    expect(left).toBeGreaterThan(0)
    expect(left).toBeLessThanOrEqual(LONG_MS)
  })

  it('is free at once when it is released, by its holder only', async () => {
    const epoch = await epochOf('a')
    await realm.lease.release('b', epoch)
    await realm.lease.release('a', epoch - 1)
    expect(await realm.lease.acquire('b', LONG_MS)).toBeUndefined()
    await realm.lease.release('a', epoch)
    expect(await epochOf('b')).toBeGreaterThan(epoch)
  })

  it.each([0, -1, 0.5, Number.NaN, 1e9])('does not last %d ms', async (ttlMs) => {
    expect(await codeOf(realm.lease.acquire('a', ttlMs))).toBe('input.invalid')
  })
}

function fenceTests(): void {
  it('refuses every write of an older epoch, and applies nothing of it', async () => {
    const old = realm.fencedStore(await epochOf('a'))
    await old.commit({ ...EMPTY, entries: [entryAt(0)], rows: [row('t', 'k', 1, '1')] })
    await expireLease()
    const young = realm.fencedStore(await epochOf('b'))
    expect(await codeOf(old.commit({ ...EMPTY, entries: [entryAt(1)] }))).toBe('store.fenced')
    expect(await codeOf(old.commit({ ...EMPTY, rows: [row('t', 'k', 2, '2')] }))).toBe('store.fenced')
    expect(await codeOf(old.commit({ ...EMPTY, drop: [{ table: 't', key: 'k' }] }))).toBe('store.fenced')
    expect(await codeOf(old.commit({ ...EMPTY, replace: { from: 'u', to: 't' } }))).toBe('store.fenced')
    expect(await codeOf(old.commit(EMPTY))).toBe('store.fenced')
    expect(await codeOf(old.sweep('t', LONG_MS, 1))).toBe('store.fenced')
    expect(await young.size()).toBe(1)
    expect((await young.load('t', ['k'])).value.get('k')).toEqual({ version: 1, value: '1' })
    await young.commit({ ...EMPTY, entries: [entryAt(1)] })
  })

  it('lets a holder write on whose lease ran out, while nobody took it', async () => {
    const store = realm.fencedStore(await epochOf('a'))
    await expireLease()
    await store.commit({ ...EMPTY, entries: [entryAt(0)] })
    expect(await store.size()).toBe(1)
  })

  it('shuts out whoever released the lease', async () => {
    const epoch = await epochOf('a')
    const store = realm.fencedStore(epoch)
    await store.commit({ ...EMPTY, entries: [entryAt(0)] })
    await realm.lease.release('a', epoch)
    expect(await codeOf(store.commit({ ...EMPTY, entries: [entryAt(1)] }))).toBe('store.fenced')
  })

  it('lets a program without a lease write beside nobody, and shuts out a hub that sleeps', async () => {
    const sleeping = realm.fencedStore(await epochOf('a'))
    await sleeping.commit({ ...EMPTY, entries: [entryAt(0)] })
    const tool = await openPostgres(POSTGRES_URL, name)
    expect(await codeOf(tool.store('write').commit({ ...EMPTY, entries: [entryAt(1)] }))).toBe('store.fenced')
    await expireLease()
    await tool.store('write').commit({ ...EMPTY, entries: [entryAt(1)] })
    expect(await codeOf(sleeping.commit({ ...EMPTY, entries: [entryAt(2)] }))).toBe('store.fenced')
    await tool.close()
  })

  it('is no hindrance to the holder of the lease, by whichever store', async () => {
    await epochOf('a')
    const [one, other] = [realm.store('write'), realm.store('write')]
    for (let seq = 0; seq < 6; seq++)
      await (seq % 2 ? one : other).commit({ ...EMPTY, entries: [entryAt(seq)] })
    expect(await one.size()).toBe(6)
    expect(await codeOf(realm.store('read').commit(EMPTY))).toBe('store.readonly')
  })
}

function anchorTests(): void {
  it('moves from note to note, for every hub to read, and survives its connections', async () => {
    const epoch = await epochOf('a')
    const anchor = realm.anchor(epoch)
    expect(await anchor.load()).toBeUndefined()
    expect(await realm.published()).toBeUndefined()
    await anchor.swap('one')
    expect(await realm.published()).toBe('one')
    await endSessions(name)
    await anchor.swap('two')
    const again = realm.anchor(epoch)
    expect(await again.load()).toBe('two')
  })

  it('is lost with the epoch, however often it is tried', async () => {
    const old = realm.anchor(await epochOf('a'))
    await old.swap('one')
    await expireLease()
    const young = realm.anchor(await epochOf('b'))
    expect(await codeOf(Promise.resolve(old.swap('two')))).toBe('anchor.conflict')
    expect(await young.load()).toBe('one')
    await young.swap('other')
    expect(await codeOf(Promise.resolve(old.swap('three')))).toBe('anchor.conflict')
    await old.load()
    expect(await codeOf(Promise.resolve(old.swap('four')))).toBe('anchor.conflict')
    expect(await realm.published()).toBe('other')
  })

  it('is not moved from another note than ours', async () => {
    const epoch = await epochOf('a')
    const [one, other] = [realm.anchor(epoch), realm.anchor(epoch)]
    await one.load()
    await other.load()
    await one.swap('one')
    expect(await codeOf(Promise.resolve(other.swap('two')))).toBe('anchor.conflict')
  })

  it('whose answer was lost is found where it is', async () => {
    const network = await openNetwork()
    const far = await openPostgres(network.url, name)
    const taken = await far.lease.acquire('a', LONG_MS)
    const anchor = far.anchor(taken?.epoch ?? -1)
    await anchor.load()
    const swapped = await heldBack('anchor', async () => {
      const swapping = Promise.resolve(anchor.swap('one')).then(
        () => 'swapped',
        (error: unknown) => error,
      )
      await blockedWriters(1)
      network.cut()
      // Asked again on a new connection, behind the one that nobody listens to any more.
      await blockedWriters(2)
      return { swapping }
    })
    expect(await swapped.swapping).toBe('swapped')
    expect(await realm.published()).toBe('one')
    await anchor.swap('two')
    expect(await realm.published()).toBe('two')
    await far.close()
    await network.close()
  })
}

function outboxTests(): void {
  const bytes = (text: string) => Buffer.from(text)

  it('carries proposals to the writer and answers back, each of them once', async () => {
    const { outbox } = realm
    for (const id of ['a', 'b', 'c']) await outbox.send(id, bytes(`to ${id}`))
    await outbox.send('a', bytes('again'))
    const waiting = await outbox.waiting(2)
    expect(waiting.map(({ id, bytes: text }) => [id, `${text}`])).toEqual([
      ['a', 'to a'],
      ['b', 'to b'],
    ])
    await outbox.answer([
      { id: 'b', bytes: bytes('from b') },
      { id: 'gone', bytes: bytes('x') },
    ])
    expect((await outbox.waiting(9)).map(({ id }) => id)).toEqual(['a', 'c'])
    expect((await outbox.take(['a', 'b', 'gone'])).map(({ id, bytes: text }) => [id, `${text}`])).toEqual([
      ['b', 'from b'],
    ])
    expect(await outbox.take(['b'])).toEqual([])
    expect(await outbox.take([])).toEqual([])
  })

  it('keeps any bytes, and answers that are empty', async () => {
    const all = Buffer.from(Uint8Array.from({ length: 256 }, (_, n) => n))
    await realm.outbox.send('all', all)
    expect((await realm.outbox.waiting(1))[0]?.bytes).toEqual(all)
    await realm.outbox.answer([{ id: 'all', bytes: Buffer.alloc(0) }])
    expect((await realm.outbox.take(['all']))[0]?.bytes).toEqual(Buffer.alloc(0))
  })

  it('drops what is too old', async () => {
    await realm.outbox.send('old', bytes('x'))
    expect(await realm.outbox.sweep(LONG_MS)).toBe(0)
    expect(await realm.outbox.sweep(-LONG_MS)).toBe(1)
    expect(await realm.outbox.waiting(9)).toEqual([])
  })

  it('is bounded, in parcels, in their size and in what is read at once', async () => {
    expect(await codeOf(realm.outbox.send('big', Buffer.alloc(17 * 2 ** 20)))).toBe('body.too-large')
    for (const id of ['', 'x'.repeat(129), 'a\0'])
      expect(await codeOf(realm.outbox.send(id, bytes('x')))).toBe('input.invalid')
    for (const id of ['1', '2', '3']) await realm.outbox.send(id, Buffer.alloc(15 * 2 ** 20))
    expect((await realm.outbox.waiting(9)).map(({ id }) => id)).toEqual(['1', '2'])
    await asAdmin((admin) =>
      admin.query(
        `INSERT INTO "${realm.schema}".outbox (id, bytes) SELECT 'n' || n, '' FROM generate_series(1, 8192) n`,
      ),
    )
    expect(await codeOf(realm.outbox.send('more', bytes('x')))).toBe('log.saturated')
    await realm.outbox.send('1', bytes('x'))
  })
}

/** How often an index was looked at, and how many of its entries were read for that, as the server counts it. */
const readsOf = (index: string): Promise<{ readonly looks: number; readonly entries: number }> =>
  asAdmin(async (admin) => {
    const { rows } = await admin.query(
      `SELECT idx_scan::integer AS looks, idx_tup_read::integer AS entries FROM pg_stat_all_indexes
         WHERE schemaname = $1 AND indexrelname = $2`,
      [realm.schema, index],
    )
    return rows[0]
  })

function schemaTests(): void {
  it('is read by key at the same price, however many rows have come since it was small', async () => {
    const store = realm.store('write')
    await store.migrate()
    const reader = realm.store('read')
    const few = Array.from({ length: 100 }, (_, n) => row(`t${n % 10}`, `k${n}`, 1, '1'))
    await store.commit({ ...EMPTY, rows: few })
    // As many as there are connections to plan it on.
    await Promise.all(Array.from({ length: 32 }, () => reader.load('t', ['k1'])))
    for (let part = 0; part < 5; part++)
      await store.commit({
        ...EMPTY,
        rows: Array.from({ length: 1000 }, (_, n) => row('t', `k${part * 1000 + n}`, 1, '1')),
      })
    const before = await readsOf('row_pkey')
    for (let round = 0; round < 200; round++)
      expect((await reader.load('t', [`k${round}`, 'none', `k${round}`])).value.size).toBe(1)
    // Sessions count for themselves and tell the server now and then, at the latest when they end.
    await realm.close()
    await expect
      .poll(async () => (await readsOf('row_pkey')).looks - before.looks)
      .toBeGreaterThanOrEqual(200)
    expect((await readsOf('row_pkey')).entries - before.entries).toBeLessThan(10_000)
  })

  it('lets rows go at the price of those that go, however many more are due', async () => {
    const store = realm.store('write')
    await store.migrate()
    // Planned while there is next to nothing.
    await store.sweep('t', 1, 10)
    for (let part = 0; part < 3; part++)
      await store.commit({
        ...EMPTY,
        rows: Array.from({ length: 1000 }, (_, n) => ({
          ...row('t', `k${part}-${n}`, 1, '1'),
          expiresAtMs: 1,
        })),
      })
    const before = await readsOf('row_expires')
    for (let left = 3000; left > 0; left -= 500) expect(await store.sweep('t', 2, 500)).toBe(500)
    await realm.close()
    await expect.poll(async () => (await readsOf('row_expires')).looks - before.looks).toBeGreaterThan(0)
    expect((await readsOf('row_expires')).entries - before.entries).toBeLessThan(20_000)
  })

  it('is made once, however many boot at the same time', async () => {
    const other = randomRealm()
    const opened = await Promise.all(Array.from({ length: 8 }, () => openPostgres(POSTGRES_URL, other)))
    for (const each of opened) await each.close()
    await dropRealm(other)
  })

  it('is refused when a newer release made it, or another one than ours', async () => {
    await asAdmin((admin) =>
      admin.query(`INSERT INTO "${realm.schema}".migration (version, checksum) VALUES (99, 'x')`),
    )
    expect(await codeOf(realm.store('write').migrate())).toBe('log.unsupported')
    expect(await codeOf(openPostgres(POSTGRES_URL, name))).toBe('log.unsupported')
    await asAdmin((admin) =>
      admin.query(
        `DELETE FROM "${realm.schema}".migration WHERE version = 99; UPDATE "${realm.schema}".migration SET checksum = 'x'`,
      ),
    )
    expect(await codeOf(openPostgres(POSTGRES_URL, name))).toBe('log.unsupported')
  })

  it('holds a source that is too long for an index, and tells its twins apart', async () => {
    const store = realm.store('write')
    const long = (end: string) => randomText(500) + end
    const [one, other] = [long('a'), long('b')]
    const entries = [entryAt(0, { id: 'x', source: one }), entryAt(1, { id: 'x', source: other })]
    await store.commit({ ...EMPTY, entries })
    expect(await store.known([...entries, { id: 'y', source: one }])).toEqual([0, 1])
    const again = entryAt(2, { id: 'x', source: one })
    expect(await codeOf(store.commit({ ...EMPTY, entries: [again] }))).toBe('entry.duplicate')
  })
}

/** Text of three bytes a character that nothing compresses. */
const randomText = (length: number): string =>
  Array.from(randomBytes(2 * length).subarray(0, length), (byte, n) =>
    String.fromCodePoint(0x4e00 + byte * 64 + (n % 64)),
  ).join('')

function failureTests(): void {
  it('is not there: an error that says what to do, and no password', async () => {
    const free = await freePort()
    const error = await openPostgres(`postgres://me:Hidden77@127.0.0.1:${free}/x`, 'main').catch((e) => e)
    expect(error).toMatchObject({ code: 'store.unreachable', message: expect.stringContaining('start it') })
    const absent = new URL(POSTGRES_URL)
    absent.pathname = `/absent_${randomBytes(4).toString('hex')}`
    absent.password = 'Hidden77'
    const other = await openPostgres(absent.href, 'main').catch((e) => e)
    expect(other).toMatchObject({ code: 'store.unreachable', message: expect.stringContaining('createdb') })
    for (const each of [error, other])
      expect(inspect(each, { depth: 9, showHidden: true })).not.toContain('Hidden77')
  })

  it('ends every session, and the next call finds a new one', async () => {
    const store = realm.store('write')
    await store.commit({ ...EMPTY, entries: [entryAt(0)] })
    for (let seq = 1; seq < 5; seq++) {
      await Promise.all([store.size(), realm.lease.current(), realm.store('read').size()])
      await endSessions(name)
      expect((await store.load('t', ['k'])).size).toBe(seq)
      expect(await realm.lease.current()).toBeUndefined()
      await settled(store, entryAt(seq))
    }
    expect(await store.size()).toBe(5)
  })

  it('ends the session of a snapshot, which then shows nothing else instead', async () => {
    const store = realm.store('write')
    const snapshot = await store.snapshot()
    await endSessions(name)
    expect(await codeOf(snapshot.size())).toBe('store.unreachable')
    expect(await codeOf(snapshot.size())).toBe('store.unreachable')
    await snapshot.close()
  })

  it('applies a commit of which nobody hears any more: what was read before it is not written over', async () => {
    const network = await openNetwork()
    const far = await openPostgres(network.url, name)
    const store = far.store('write')
    await store.commit({ ...EMPTY, rows: [row('t', 'k', 1, '"first"')] })
    const lost = await heldBack('head', async () => {
      const code = codeOf(store.commit({ ...EMPTY, rows: [row('t', 'k', 2, '"late"')] }))
      await blockedWriters(1)
      network.cut()
      expect(await code).toBe('store.unreachable')
      // As the writer does before it goes on: ask where the log ends, then read.
      expect(await store.size()).toBe(0)
      expect((await store.load('t', ['k'])).value.get('k')?.version).toBe(1)
    })
    expect(lost).toBeUndefined()
    await expect.poll(async () => (await store.load('t', ['k'])).value.get('k')?.value).toBe('"late"')
    expect(await codeOf(store.commit({ ...EMPTY, rows: [row('t', 'k', 2, '"stale"')] }))).toBe('store.failed')
    expect((await store.load('t', ['k'])).value.get('k')).toEqual({ version: 2, value: '"late"' })
    await store.commit({ ...EMPTY, rows: [row('t', 'k', 3, '"next"')] })
    await far.close()
    await network.close()
  })

  it('takes no writes from this user: says which right is missing', async () => {
    const role = `polity_test_${randomBytes(4).toString('hex')}`
    const url = new URL(POSTGRES_URL)
    url.username = role
    url.password = 'secret'
    await asAdmin((admin) => admin.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`))
    try {
      expect(await codeOf(openPostgres(url.href, randomRealm()))).toBe('store.readonly')
      await asAdmin((admin) => admin.query(`ALTER ROLE ${role} SET default_transaction_read_only = on`))
      expect(await codeOf(openPostgres(url.href, randomRealm()))).toBe('store.readonly')
    } finally {
      await asAdmin((admin) => admin.query(`DROP ROLE ${role}`))
    }
  })

  it('answers store.failed once it is closed', async () => {
    const store = realm.store('write')
    const other = realm.store('write')
    await store.close()
    for (const asked of [store.size(), store.commit(EMPTY), store.load('t', []), store.snapshot()])
      expect(await codeOf(asked)).toBe('store.failed')
    await other.commit({ ...EMPTY, entries: [entryAt(0)] })
    await realm.close()
    expect(await codeOf(other.size())).toBe('store.failed')
  })
}

/** The first try may be the one that finds the session gone. */
async function settled(store: Store, entry: ReturnType<typeof entryAt>): Promise<void> {
  try {
    await store.commit({ ...EMPTY, entries: [entry] })
  } catch (error) {
    expect(error).toMatchObject({ code: 'store.unreachable' })
    if ((await store.size()) === entry.seq) await store.commit({ ...EMPTY, entries: [entry] })
  }
}

/** While `act` runs, every write of the table's one row waits on the server. */
const heldBack = <T>(table: 'head' | 'anchor', act: () => Promise<T>): Promise<T> =>
  asAdmin(async (admin) => {
    await admin.query(`BEGIN; SELECT 1 FROM "${realm.schema}".${table} FOR UPDATE`)
    try {
      return await act()
    } finally {
      await admin.query('COMMIT')
    }
  })

/** Resolves once the server has so many statements of this realm that wait for a lock. */
const blockedWriters = (count: number): Promise<void> =>
  vi.waitFor(
    () =>
      asAdmin(async (admin) => {
        const { rows } = await admin.query(
          `SELECT 1 FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'`,
          [realm.schema],
        )
        expect(rows.length).toBeGreaterThanOrEqual(count)
      }),
    10_000,
  )

/** A port on which nobody listens. */
const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
