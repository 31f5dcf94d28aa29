// One realm on PostgreSQL: its store, its lease, its anchor and its outbox, for any number of hubs.

import { type Env, systemEnv } from '../../env.ts'
import { PolityError } from '../../errors.ts'
import type { Anchor } from '../../log/anchor.ts'
import { openPostgresWake } from '../../wake/postgres/postgres-wake.ts'
import type { Wake } from '../../wake/wake.ts'
import type { Store, StoreReader } from '../store.ts'
import { type PostgresAddress, postgresAddress } from './address.ts'
import { openAnchor, readNote } from './anchor.ts'
import { epochWithoutLease, openLease, type WriterLease } from './lease.ts'
import { type Outbox, openOutbox } from './outbox.ts'
import { type Reads, readsOf } from './reader.ts'
import { isMigrated, migrate } from './schema.ts'
import { type Ask, openReadPool, openSession, openSnapshotSession } from './session.ts'
import { openWrites, type Writes } from './writer.ts'

export interface PostgresRealm {
  /** `host:port/database`, for people. */
  readonly place: string
  readonly schema: string
  /**
   * `write`: under the epoch that this realm's lease gave, or, where it gave none, beside no hub that holds it
   * (`store.fenced` otherwise).
   */
  store(mode: 'read' | 'write'): Store
  /** Every write is refused with `store.fenced`, and nothing applied, once the lease has a newer epoch. */
  fencedStore(epoch: number): Store
  readonly lease: WriterLease
  anchor(epoch: number): Anchor
  /** The last published checkpoint. */
  published(): Promise<string | undefined>
  readonly outbox: Outbox
  /** Wakes the hubs of this realm; to be closed by whoever asked for it. `onFailure`: waits end by timeouts only. */
  wake(onFailure: (error: PolityError) => void): Promise<Wake>
  /** Closes whatever stores and snapshots are still open, too. */
  close(): Promise<void>
}

export interface PostgresOptions {
  /** Connections for reads, at most. */
  readonly readersMax?: number
  /** false: a realm that is not there, or of another release, is refused instead of made. */
  readonly mayMigrate?: boolean
  /** Times the waits of `wake`; a lease is timed by the server. */
  readonly env?: Env
}

const READERS_MAX = 4
/** Renewals of the lease do not queue behind reads. */
const CONTROLS_MAX = 2

/**
 * Connects, checks that the server keeps what it acknowledges, and brings the realm's schema to this release.
 * `url` as in `postgresAddress`; two realms of one database share nothing. Throws `usage`, `store.unreachable`,
 * `store.readonly`, `store.failed` (fsync is off, another encoding), `log.unsupported`.
 */
export async function openPostgres(
  url: string,
  realm: string,
  { readersMax = READERS_MAX, env = systemEnv(), mayMigrate = true }: PostgresOptions = {},
): Promise<PostgresRealm> {
  const address = postgresAddress(url, realm)
  const { schema } = address
  await (mayMigrate ? migrateAt(address) : requireMigrated(address))
  const readers = openReadPool(address, readersMax)
  const controls = openReadPool(address, CONTROLS_MAX)
  const open = new Set<Closable>([readers, controls])
  const reads = readsOf(readers.ask, schema)
  const lease = openLease(controls.ask, schema)
  const ports: StorePorts = { address, reads, open }
  let acquired: number | undefined
  return {
    place: address.place,
    schema,
    store: (mode) =>
      mode === 'read'
        ? readStore(ports)
        : writeStore(ports, async (ask) => acquired ?? (await epochWithoutLease(ask, schema))),
    fencedStore: (epoch) => writeStore(ports, async () => epoch),
    lease: {
      ...lease,
      async acquire(holder, ttlMs) {
        const taken = await lease.acquire(holder, ttlMs)
        acquired = taken?.epoch ?? acquired
        return taken
      },
      async release(holder, epoch) {
        await lease.release(holder, epoch)
        if (acquired === epoch) acquired = undefined
      },
    },
    anchor: (epoch) => openAnchor(controls.ask, schema, epoch),
    published: () => readNote(controls.ask, schema),
    outbox: openOutbox(controls.ask, schema),
    wake: (onFailure) => openPostgresWake({ url, realm, env, onFailure }),
    async close() {
      await Promise.all([...open].map((each) => each.close()))
    },
  }
}

async function requireMigrated(address: PostgresAddress): Promise<void> {
  const session = openSession(address)
  try {
    if (await isMigrated(session, address.schema)) return
  } finally {
    await session.close()
  }
  throw new PolityError('hub.unreachable', `${address.place} holds no log that this release knows`, {
    hint: 'start a hub with `polity up`, or name another database with --store',
  })
}

async function migrateAt(address: PostgresAddress): Promise<void> {
  const session = openSession(address)
  try {
    await migrate(session, address.schema)
  } finally {
    await session.close()
  }
}

interface StorePorts {
  readonly address: PostgresAddress
  readonly reads: Reads
  /** What the realm closes when it goes, if nobody did before. */
  readonly open: Set<Closable>
}

interface Closable {
  close(): Promise<void>
}

/** Closed by its user or, at the latest, with the realm. */
function kept<T extends Closable>(open: Set<Closable>, each: T): T {
  const close = () => {
    open.delete(closable)
    return each.close()
  }
  const closable = { ...each, close }
  open.add(closable)
  return closable
}

function readStore(ports: StorePorts): Store {
  const { address, reads } = ports
  const door = openDoor(address.place)
  const readOnly = async (): Promise<never> => {
    throw new PolityError('store.readonly', 'this store was opened to read')
  }
  return {
    ...door.guarded(reads),
    commit: readOnly,
    sweep: readOnly,
    migrate: () => door.pass(() => migrateAt(address)),
    snapshot: () => door.pass(() => openSnapshot(ports)),
    close: async () => door.shut(),
  }
}

function writeStore(ports: StorePorts, epoch: (ask: Ask) => Promise<number>): Store {
  const { address, reads, open } = ports
  const session = kept(open, openSession(address))
  const writes: Writes = openWrites({ session, reads, schema: address.schema, epoch })
  const door = openDoor(address.place)
  const store = readStore(ports)
  return {
    ...store,
    ...door.guarded({ ...reads, size: writes.size }),
    commit: (batch) => door.pass(() => writes.commit(batch)),
    sweep: (table, nowMs, limit) => door.pass(() => writes.sweep(table, nowMs, limit)),
    async close() {
      door.shut()
      await store.close()
      await session.close()
    },
  }
}

/** One transaction on a connection of its own: PostgreSQL keeps the row versions that it may still read. */
async function openSnapshot({ address, open }: StorePorts): Promise<StoreReader> {
  const session = kept(open, await openSnapshotSession(address))
  const reads = readsOf(session.ask, address.schema)
  // The first read fixes what the transaction sees.
  await reads.size()
  return { ...reads, close: session.close }
}

/** A store that was closed answers `store.failed`, while the connections behind it serve others. */
function openDoor(place: string) {
  let isShut = false
  const pass = async <T>(act: () => Promise<T>): Promise<T> => {
    if (isShut) throw new PolityError('store.failed', `the store at ${place} is closed`, { place })
    return act()
  }
  return {
    pass,
    shut() {
      isShut = true
    },
    guarded: (reads: Reads): Reads => ({
      load: (table, keys) => pass(() => reads.load(table, keys)),
      scan: (table, range) => pass(() => reads.scan(table, range)),
      rows: (range) => pass(() => reads.rows(range)),
      entries: (range) => pass(() => reads.entries(range)),
      known: (pairs) => pass(() => reads.known(pairs)),
      tile: (level, index, width) => pass(() => reads.tile(level, index, width)),
      size: () => pass(reads.size),
      minimumIndex: () => pass(reads.minimumIndex),
    }),
  }
}
