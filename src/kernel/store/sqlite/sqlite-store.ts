// The Store on SQLite (node:sqlite): one file per realm, one writing connection, any number of readers.

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import {
  type Batch,
  badPrune,
  checkKey,
  duplicateEntry,
  isPrunable,
  type Store,
  type StoredEntry,
  type StoreReader,
  seqGap,
} from '../store.ts'
import { CONSTRAINT_UNIQUE, connect, inTransaction, type Statement } from './connection.ts'
import { readerOf } from './reads.ts'
import { migrate } from './schema.ts'

/** Opens the database file. A reader needs a file that a writer has migrated. */
export function sqliteStore(path: string, mode: 'write' | 'read'): Store {
  const connection = connect(path, mode)
  const { db, statement, guarded, sizeNow } = connection
  // Owned by the writing connection: an erasure whose old pages still stand in the write-ahead log, perhaps
  // one of a hub that was killed.
  let isTruncateDue = mode === 'write' && !truncateWal(db)
  return {
    ...readerOf(connection, (read) => inTransaction(db, read)),
    commit: async (batch) => {
      guarded(() => commitBatch(db, statement, batch, sizeNow))
      if (batch.isErasure || batch.pruneBelow !== undefined) isTruncateDue = true
      if (isTruncateDue) isTruncateDue = !truncateWal(db)
    },
    sweep: async (table, nowMs, limit) =>
      guarded(() => Number(statement(SWEEP).run(table, table, nowMs, limit).changes)),
    migrate: async () => guarded(() => migrate(db)),
    snapshot: async () => openSnapshot(path),
  }
}

/** One transaction that lasts until it is closed: SQLite keeps the pages that it may still read. */
function openSnapshot(path: string): StoreReader {
  const connection = connect(path, 'read')
  const { db, guarded, sizeNow } = connection
  try {
    // The first read fixes what the transaction sees.
    guarded(() => {
      db.exec('BEGIN')
      sizeNow()
    })
  } catch (error) {
    db.close()
    throw error
  }
  return readerOf(connection, (read) => read())
}

const INSERT_ENTRY = 'INSERT INTO entry (seq, id, source, type, leaf, bytes) VALUES (?, ?, ?, ?, ?, ?)'
const INSERT_NODE = 'INSERT INTO node (level, idx, hash) VALUES (?, ?, ?)'
const UPSERT_ROW = `INSERT INTO row (tbl, key, version, expires, value) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (tbl, key) DO UPDATE SET version = excluded.version, expires = excluded.expires, value = excluded.value`
const REPLACED = 'DELETE FROM row WHERE tbl = ?'
const REPLACE = 'UPDATE row SET tbl = ? WHERE tbl = ?'
const PRUNE = 'DELETE FROM entry WHERE seq < ?'
const DROP_ROW = 'DELETE FROM row WHERE tbl = ? AND key = ?'
const SWEEP = `DELETE FROM row WHERE tbl = ? AND rowid IN
  (SELECT rowid FROM row WHERE tbl = ? AND expires IS NOT NULL AND expires <= ? LIMIT ?)`

function commitBatch(db: DatabaseSync, statement: Statement, batch: Batch, sizeNow: () => number): void {
  for (const { table, key } of batch.rows) checkKey(table, key)
  db.exec('BEGIN IMMEDIATE')
  try {
    insertEntries(statement(INSERT_ENTRY), batch.entries, sizeNow)
    for (const { level, index, hash } of batch.nodes) statement(INSERT_NODE).run(level, index, hash)
    for (const { table, key } of batch.drop ?? []) statement(DROP_ROW).run(table, key)
    for (const { table, key, version, expiresAtMs, value } of batch.rows)
      statement(UPSERT_ROW).run(table, key, version, expiresAtMs ?? null, value)
    if (batch.replace) replaceTable(statement, batch.replace)
    if (batch.pruneBelow !== undefined) prune(statement, batch.pruneBelow, sizeNow())
    db.exec('COMMIT')
  } catch (error) {
    // A failed COMMIT (disk full) may already have rolled back; ROLLBACK then has nothing to do.
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

function insertEntries(insert: StatementSync, entries: readonly StoredEntry[], sizeNow: () => number): void {
  if (entries.length === 0) return
  let size = sizeNow()
  for (const entry of entries) {
    const { seq, id, source, type, leaf, bytes } = entry
    if (seq !== size) throw seqGap(seq, size)
    try {
      insert.run(seq, id, source, type, leaf, bytes)
    } catch (error) {
      // The seq is free, so the one constraint left to fail is the index entry_identity.
      if ((error as { errcode?: number }).errcode === CONSTRAINT_UNIQUE) throw duplicateEntry(entry)
      throw error
    }
    size += 1
  }
}

function replaceTable(statement: Statement, { from, to }: NonNullable<Batch['replace']>): void {
  statement(REPLACED).run(to)
  statement(REPLACE).run(to, from)
}

function prune(statement: Statement, below: number, size: number): void {
  if (!isPrunable(below, size)) throw badPrune(below, size)
  statement(PRUNE).run(below)
}

/**
 * What erasure removed must not stay readable in the write-ahead log either. The batch itself is
 * committed by now, so a failure here is no failure of the commit: the next commit tries again.
 */
function truncateWal(db: DatabaseSync): boolean {
  try {
    return (db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number }).busy === 0
  } catch {
    return false
  }
}
