// The figures of a log on PostgreSQL: durable appends through the sequencer, beside bare INSERTs of the same bytes and SQLite.

import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { Client } from 'pg'
import { type Anchor, fileAnchor } from '../src/kernel/log/anchor.ts'
import { openSequencer, type Sequencer } from '../src/kernel/log/sequencer.ts'
import { keySigner } from '../src/kernel/log/signer.ts'
import { openPostgres, type PostgresRealm } from '../src/kernel/store/postgres/postgres.ts'
import { sqliteStore } from '../src/kernel/store/sqlite/sqlite-store.ts'
import type { Store } from '../src/kernel/store/store.ts'
import { leafHash } from '../src/kit/merkle.ts'
import { BATCH, BenchFact, env, sealed } from './fill-log.ts'
import { ms, openReport, percentile, perSecond, type Report, timed } from './report.ts'

const URL = process.env.POLITY_TEST_POSTGRES_URL ?? 'postgres://postgres@127.0.0.1:5432/test'
const ENTRIES = 256_000
const SINGLES = 500
const IN_FLIGHT = 8
const TARGET_PER_SECOND = 15_000
const SOURCE = 'polity://main/bench'

export async function benchPostgres(): Promise<void> {
  const report = openReport('postgres')
  const name = `bench-${randomBytes(4).toString('hex')}`
  const dir = mkdtempSync(join(tmpdir(), 'polity-bench-postgres-'))
  const realm = await openPostgres(URL, name)
  const admin = new Client({ connectionString: URL })
  await admin.connect()
  try {
    await postgresAppends(report, realm, admin)
    await sqliteAppends(report, dir)
    report.print()
  } finally {
    await realm.close()
    await admin.query(`DROP SCHEMA "${realm.schema}" CASCADE`)
    await admin.end()
    rmSync(dir, { recursive: true, force: true })
  }
}

async function postgresAppends(report: Report, realm: PostgresRealm, admin: Client): Promise<void> {
  const lease = await realm.lease.acquire('bench', 3_600_000)
  if (!lease) throw new Error('somebody holds the lease of a schema that is a second old')
  const sequencer = await openBench(realm.fencedStore(lease.epoch), realm.anchor(lease.epoch))
  const { rows } = await admin.query<{ server_version: string }>('SHOW server_version')
  const server = `PostgreSQL ${rows[0]?.server_version} on the same machine, fsync and synchronous_commit on`
  const togetherMs = await append(sequencer, proposals(), IN_FLIGHT)
  const bareMs = await bareInserts(admin, realm.schema)
  const aloneMs = await append(sequencer, proposals(ENTRIES / 4), 1)
  const what = `${ENTRIES.toLocaleString('en')} entries, sealed before, in proposals of ${BATCH}; each parsed, hashed, indexed, synced and fenced by the lease's epoch before it is acknowledged, while checkpoints are signed and the anchor in the database is moved; writer and server share the machine (${server})`
  const rate = ENTRIES / (togetherMs / 1000)
  report.add({
    name: 'durable appends',
    value: perSecond(ENTRIES, togetherMs),
    target: `>= ${TARGET_PER_SECOND.toLocaleString('en')}/s`,
    isMet: rate >= TARGET_PER_SECOND,
    method: `${what}; ${IN_FLIGHT} proposals under way`,
  })
  report.add({
    name: 'durable appends, one by one',
    value: perSecond(ENTRIES / 4, aloneMs),
    target: `>= ${TARGET_PER_SECOND.toLocaleString('en')}/s`,
    isMet: ENTRIES / 4 / (aloneMs / 1000) >= TARGET_PER_SECOND,
    method: `a quarter as many, 1 proposal under way, so that each batch of ${BATCH} is one transaction`,
  })
  report.add({
    name: 'bare INSERT ... unnest',
    value: perSecond(ENTRIES, bareMs),
    method: `the same number of such entries ready made into a table with the same indexes, one statement and transaction per ${BATCH}, one connection, leaf hash computed, no tree, no views, no fence, no signatures; one by one, Polity runs at ${((100 * bareMs) / (aloneMs * 4)).toFixed(0)} % of it`,
  })
  await singles(report, sequencer)
  await sequencer.close()
}

async function sqliteAppends(report: Report, dir: string): Promise<void> {
  const store = sqliteStore(join(dir, 'realm.db'), 'write')
  await store.migrate()
  const sequencer = await openBench(store, fileAnchor(join(dir, 'anchor')))
  const spentMs = await append(sequencer, proposals(), IN_FLIGHT)
  report.add({
    name: 'SQLite, durable appends',
    value: perSecond(ENTRIES, spentMs),
    method: `the same through the same sequencer in the same thread over the SQLite store (FULL); ${IN_FLIGHT} proposals under way`,
  })
  await sequencer.close()
}

const openBench = (store: Store, anchor: Anchor): Promise<Sequencer> =>
  openSequencer({
    origin: 'bench.example/log',
    store,
    anchor,
    views: [],
    signer: keySigner('bench.example/log'),
    vaultKey: new Uint8Array(32),
    env,
    onPublished() {},
    // Whatever fails is tried again, and shows in the figure.
    onFailure: (error) => process.stderr.write(`  ${error.code}: ${error.message}\n`),
    onLost(error) {
      throw error
    },
  })

const proposals = (count = ENTRIES): string[][] =>
  Array.from({ length: count / BATCH }, (_, batch) =>
    Array.from({ length: BATCH }, (__, offset) => sealed(batch * BATCH + offset)),
  )

async function append(sequencer: Sequencer, batches: readonly string[][], inFlight: number): Promise<number> {
  const rest = batches.values()
  return timed(() =>
    Promise.all(
      Array.from({ length: inFlight }, async () => {
        for (const entries of rest) await sequencer.propose({ entries })
      }),
    ),
  )
}

async function bareInserts(admin: Client, schema: string): Promise<number> {
  await admin.query(`SET synchronous_commit = on; CREATE TABLE "${schema}".bare (seq bigint PRIMARY KEY,
    id text COLLATE "C" NOT NULL, source text COLLATE "C" NOT NULL, type text COLLATE "C" NOT NULL,
    leaf bytea NOT NULL, bytes bytea NOT NULL);
    CREATE UNIQUE INDEX ON "${schema}".bare (id, source); CREATE INDEX ON "${schema}".bare (type, seq);`)
  const text = `INSERT INTO "${schema}".bare (seq, id, source, type, leaf, bytes)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::bytea[])`
  const batches = proposals()
  return timed(async () => {
    for (const [batch, entries] of batches.entries()) {
      const bytes = entries.map((entry) => Buffer.from(entry))
      await admin.query({
        name: 'bare',
        text,
        values: [
          entries.map((_, offset) => batch * BATCH + offset),
          entries.map(() => env.id()),
          entries.map(() => SOURCE),
          entries.map(() => BenchFact.name),
          bytes.map(leafHash),
          bytes,
        ],
      })
    }
  })
}

async function singles(report: Report, sequencer: Sequencer): Promise<void> {
  const spent: number[] = []
  for (let number = 0; number < SINGLES; number++) {
    const entries = [sealed(number)]
    spent.push(await timed(() => sequencer.propose({ entries })))
  }
  report.add({
    name: 'single append p50',
    value: ms(percentile(spent, 0.5)),
    method: `${SINGLES} appends of one entry, one after the other, each synced and fenced; p99 ${ms(percentile(spent, 0.99))}`,
  })
}
