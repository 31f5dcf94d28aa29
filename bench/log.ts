// The log's figures: durable appends, single latency, proofs, full verification, memory; beside them bare SQLite on the same bytes.

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { openSource } from '../src/kernel/audit/sources/sources.ts'
import { verifyLog } from '../src/kernel/audit/verify/verify.ts'
import type { Realm } from '../src/kernel/realm/realm.ts'
import { leafHash } from '../src/kit/merkle.ts'
import { BATCH, BenchFact, ENTRIES, env, fill, openBenchRealm, sealed } from './fill-log.ts'
import { isolated, POLITY } from './hub-process.ts'
import { ms, openReport, percentile, perSecond, timed } from './report.ts'

const SINGLES = 1000
const PROOFS = 1000

export async function benchLog(): Promise<void> {
  const report = openReport('log')
  const dir = mkdtempSync(join(tmpdir(), 'polity-bench-log-'))
  try {
    const realm = await openBenchRealm(dir, join(dir, 'anchor'))
    await appends(report, realm, dir)
    await singles(report, realm)
    await proofs(report, realm)
    await realm.close()
    await verification(report, dir, realm.log.vkey)
    report.print()
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

const run = promisify(execFile)
type Report = ReturnType<typeof openReport>

/**
 * Half of the log is written by few callers, whose proposals make about one transaction each, beside bare
 * SQLite in the same transactions; the other half by several, whose proposals the writer commits together.
 */
async function appends(report: Report, realm: Realm, dir: string): Promise<void> {
  const half = ENTRIES / 2
  const aloneMs = await fill(realm, half, 2)
  const bareMs = bareSqlite(join(dir, 'bare.db'), half)
  const togetherMs = await fill(realm, half, 8)
  const what = `${half.toLocaleString('en')} entries in proposals of ${BATCH}, each entry validated, canonicalised, hashed, indexed and synced (FULL) before it is acknowledged, while checkpoints are signed and anchored`
  const rate = half / (togetherMs / 1000)
  report.add({
    name: 'durable appends',
    value: perSecond(half, togetherMs),
    target: '>= 50,000/s',
    isMet: rate >= 50_000,
    method: `${what}; 8 proposals under way`,
  })
  report.add({
    name: 'durable appends, one by one',
    value: perSecond(half, aloneMs),
    method: `${what}; 2 proposals under way, so that each is about one transaction`,
  })
  report.add({
    name: 'bare node:sqlite',
    value: perSecond(half, bareMs),
    method: `same entries ready made, same table and indexes, one FULL transaction per ${BATCH} entries, one thread, leaf hash computed, no tree, no views, no signatures; one by one, Polity runs at ${((100 * bareMs) / aloneMs).toFixed(0)} % of it`,
  })
}

function bareSqlite(path: string, count: number): number {
  const db = new DatabaseSync(path)
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = 4096;
    CREATE TABLE entry (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, source TEXT NOT NULL, type TEXT NOT NULL, leaf BLOB NOT NULL, bytes BLOB NOT NULL) STRICT;
    CREATE UNIQUE INDEX entry_identity ON entry (id, source); CREATE INDEX entry_type ON entry (type, seq);`)
  const insert = db.prepare(
    'INSERT INTO entry (seq, id, source, type, leaf, bytes) VALUES (?, ?, ?, ?, ?, ?)',
  )
  let spentMs = 0
  for (let from = 0; from < count; from += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, count - from) }, (_, offset) => ({
      id: env.id(),
      text: sealed(from + offset),
    }))
    const startMs = performance.now()
    db.exec('BEGIN IMMEDIATE')
    batch.forEach(({ id, text }, offset) => {
      const bytes = Buffer.from(text)
      insert.run(from + offset, id, 'polity://main/bench', BenchFact.name, leafHash(bytes), bytes)
    })
    db.exec('COMMIT')
    spentMs += performance.now() - startMs
  }
  db.close()
  return spentMs
}

async function singles(report: Report, realm: Realm): Promise<void> {
  const committed: number[] = []
  const signed: number[] = []
  for (let number = 0; number < SINGLES; number++) {
    const startMs = performance.now()
    await realm.log.append({ entries: [sealed(number)] })
    committed.push(performance.now() - startMs)
  }
  for (let number = 0; number < SINGLES / 10; number++) {
    const startMs = performance.now()
    await realm.log.append({ entries: [sealed(number)] }, { wait: 'signed' })
    signed.push(performance.now() - startMs)
  }
  const p50 = percentile(committed, 0.5)
  report.add({
    name: 'single append p50',
    value: ms(p50),
    target: '< 2 ms',
    isMet: p50 < 2,
    method: `${SINGLES} appends of one entry, one after the other, each synced; p99 ${ms(percentile(committed, 0.99))}`,
  })
  report.add({
    name: 'single append, signed, p50',
    value: ms(percentile(signed, 0.5)),
    method: `${SINGLES / 10} appends that also wait for a signed and anchored checkpoint (interval 10 ms)`,
  })
}

async function proofs(report: Report, realm: Realm): Promise<void> {
  const spent: number[] = []
  for (let number = 0; number < PROOFS; number++) {
    const seq = Math.floor((number * 7919 * 131) % ENTRIES)
    const startMs = performance.now()
    await realm.log.prove(seq)
    spent.push(performance.now() - startMs)
  }
  const p50 = percentile(spent, 0.5)
  report.add({
    name: 'proof p50',
    value: ms(p50),
    target: '< 1 ms',
    isMet: p50 < 1,
    method: `${PROOFS} tlog-proofs of scattered entries under the last checkpoint; p99 ${ms(percentile(spent, 0.99))}`,
  })
}

/** What a user types, and what it adds to the derivation alone: database pages, vault, evidence and views. */
async function verification(report: Report, dir: string, vkey: string): Promise<void> {
  const data = join(dir, 'data')
  const anchorPath = join(dir, 'anchor')
  const derivedMs = await timed(async () => {
    const source = await openSource(data, { env: process.env, anchorPath })
    await verifyLog(source, { vkey })
    await source.close()
  })
  const commandMs = await timed(() =>
    run(POLITY, ['verify', data, '--anchor', anchorPath, '--vkey', vkey], { env: isolated(dir) }),
  )
  const size = (ENTRIES + SINGLES + SINGLES / 10).toLocaleString('en')
  report.add({
    name: 'full verification',
    value: `${(derivedMs / 1000).toFixed(1)} s`,
    target: '< 20 s',
    isMet: derivedMs < 20_000,
    method: `${size} entries of the folder: every byte re-derived to the checkpoint with the public key alone`,
  })
  report.add({
    name: 'polity verify',
    value: `${(commandMs / 1000).toFixed(1)} s`,
    method:
      'the command on that folder, which also checks the pages of the database, the vault, the evidence and the views',
  })
}
