// The Store on SQLite (node:sqlite): one file per realm, one writing connection, any number of readers.

import { accessSync, constants } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { PolityError } from '../../errors.ts'
import {
  type Batch,
  badPrune,
  checkKey,
  duplicateEntry,
  type EntryRange,
  isKey,
  isPrunable,
  missingTile,
  prunedTile,
  type Row,
  type RowVersion,
  type ScanRange,
  type Store,
  type StoredEntry,
  type StoredRow,
  type StoreReader,
  seqGap,
} from '../store.ts'
import { configure, migrate } from './schema.ts'

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

interface Connection {
  readonly db: DatabaseSync
  readonly statement: Statement
  /** Throws what SQLite refused as the error of a Store. */
  readonly guarded: <T>(act: () => T) => T
  readonly sizeNow: () => number
}

function connect(path: string, mode: 'write' | 'read'): Connection {
  const guarded = guard(path)
  const db = guarded(() => {
    const opened = new DatabaseSync(path, { readOnly: mode === 'read' })
    configure(opened, mode)
    return opened
  })
  const statement = statements(db)
  return {
    db,
    statement,
    guarded,
    sizeNow: () => Number((statement(SIZE).get() as { size: number | null }).size),
  }
}

function inTransaction<T>(db: DatabaseSync, read: () => T): T {
  db.exec('BEGIN')
  try {
    return read()
  } finally {
    db.exec('COMMIT')
  }
}

/** `consistently` lets several reads see one state of the database. */
function readerOf(
  { db, statement, guarded, sizeNow }: Connection,
  consistently: <T>(read: () => T) => T,
): StoreReader {
  const snapshot = <T>(read: () => T) =>
    guarded(() => consistently(() => ({ size: sizeNow(), value: read() })))
  return {
    load: async (table, keys) => snapshot(() => loadRows(statement, table, keys)),
    scan: async (table, range) => snapshot(() => scanRows(statement, table, range)),
    rows: async (range) => guarded(() => readRows(statement, range)),
    entries: async (range) => guarded(() => readEntries(statement, range)),
    known: async (pairs) =>
      guarded(() =>
        pairs.flatMap(({ id, source }, position) => (statement(KNOWN).get(id, source) ? [position] : [])),
      ),
    tile: async (level, index, width) =>
      guarded(() => consistently(() => readTile(statement, level, index, width))),
    size: async () => guarded(sizeNow),
    minimumIndex: async () => guarded(() => minimumIndex(statement)),
    close: async () => guarded(() => db.close()),
  }
}

const SIZE = 'SELECT coalesce(max(seq) + 1, 0) AS size FROM entry'
const INSERT_ENTRY = 'INSERT INTO entry (seq, id, source, type, leaf, bytes) VALUES (?, ?, ?, ?, ?, ?)'
const INSERT_NODE = 'INSERT INTO node (level, idx, hash) VALUES (?, ?, ?)'
const UPSERT_ROW = `INSERT INTO row (tbl, key, version, expires, value) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (tbl, key) DO UPDATE SET version = excluded.version, expires = excluded.expires, value = excluded.value`
const REPLACED = 'DELETE FROM row WHERE tbl = ?'
const REPLACE = 'UPDATE row SET tbl = ? WHERE tbl = ?'
const PRUNE = 'DELETE FROM entry WHERE seq < ?'
const MINIMUM = 'SELECT coalesce(min(seq), 0) AS minimum FROM entry'
const ROWS = `SELECT tbl, key, version, expires, value FROM row WHERE (tbl, key) > (?, ?) ORDER BY tbl, key LIMIT ?`
const FIRST_ROWS = ROWS.replace('WHERE (tbl, key) > (?, ?) ', '')
const DROP_ROW = 'DELETE FROM row WHERE tbl = ? AND key = ?'
const LOAD = 'SELECT key, version, value FROM row WHERE tbl = ? AND key IN (SELECT value FROM json_each(?))'
const KNOWN = 'SELECT 1 FROM entry WHERE id = ? AND source = ?'
const SWEEP = `DELETE FROM row WHERE tbl = ? AND rowid IN
  (SELECT rowid FROM row WHERE tbl = ? AND expires IS NOT NULL AND expires <= ? LIMIT ?)`

type Statement = (sql: string) => StatementSync

/** Statements are prepared once per connection; the texts are a fixed, small set. */
function statements(db: DatabaseSync): Statement {
  const prepared = new Map<string, StatementSync>()
  return (sql) => {
    const known = prepared.get(sql)
    if (known) return known
    const fresh = db.prepare(sql)
    prepared.set(sql, fresh)
    return fresh
  }
}

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

const minimumIndex = (statement: Statement): number =>
  Number((statement(MINIMUM).get() as { minimum: number }).minimum)

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

function loadRows(
  statement: Statement,
  table: string,
  keys: readonly string[],
): ReadonlyMap<string, RowVersion> {
  const rows = statement(LOAD).all(table, JSON.stringify(keys.filter(isKey))) as unknown as (RowVersion & {
    key: string
  })[]
  return new Map(rows.map(({ key, version, value }) => [key, { version, value }]))
}

function scanRows(statement: Statement, table: string, range: ScanRange): readonly Row[] {
  const { prefix = '', after, limit, reverse = false } = range
  const bounds = ['tbl = ?', 'value IS NOT NULL']
  const values: (string | number)[] = [table]
  // Half a surrogate pair is the start of no text.
  if (!prefix.isWellFormed()) return []
  if (prefix !== '') {
    bounds.push('key >= ?')
    values.push(prefix)
  }
  const end = prefixEnd(prefix)
  if (end !== undefined) {
    bounds.push('key < ?')
    values.push(end)
  }
  if (after !== undefined) {
    bounds.push(reverse ? 'key < ?' : 'key > ?')
    values.push(after)
  }
  const sql = `SELECT key, version, value FROM row WHERE ${bounds.join(' AND ')} ORDER BY key ${reverse ? 'DESC' : 'ASC'} LIMIT ?`
  return statement(sql).all(...values, limit) as unknown as Row[]
}

const LAST_CODE_POINT = 0x10ffff

/** The least text above all that start with `prefix`; undefined when nothing is. UTF-8 bytes sort as code points do. */
function prefixEnd(prefix: string): string | undefined {
  const points = [...prefix]
  while (points.length > 0) {
    const last = points.pop()?.codePointAt(0) ?? 0
    if (last === LAST_CODE_POINT) continue
    // U+D800 to U+DFFF are surrogates, which no text holds.
    return points.join('') + String.fromCodePoint(last === 0xd7ff ? 0xe000 : last + 1)
  }
  return undefined
}

function readRows(
  statement: Statement,
  { after, limit }: Parameters<StoreReader['rows']>[0],
): readonly StoredRow[] {
  const rows = statement(after ? ROWS : FIRST_ROWS).all(
    ...(after ? [after.table, after.key, limit] : [limit]),
  ) as unknown as {
    tbl: string
    key: string
    version: number
    expires: number | null
    value: string | null
  }[]
  return rows.map(({ tbl, key, version, expires, value }) => ({
    table: tbl,
    key,
    version,
    value,
    ...(expires === null ? {} : { expiresAtMs: expires }),
  }))
}

function readEntries(statement: Statement, range: EntryRange): readonly StoredEntry[] {
  const filter = range.type === undefined ? '' : 'AND type = ?'
  const order = range.reverse ? 'DESC' : 'ASC'
  const sql = `SELECT seq, id, source, type, leaf, bytes FROM entry WHERE seq >= ? AND seq < ? ${filter} ORDER BY seq ${order} LIMIT ?`
  const values = range.type === undefined ? [] : [range.type]
  return statement(sql).all(range.from, range.to, ...values, range.limit) as unknown as StoredEntry[]
}

/** One row of hexadecimal text instead of 256 rows: a proof reads several tiles and has a millisecond. */
const LEAVES = `SELECT count(*) AS width, group_concat(hex(leaf), '' ORDER BY seq) AS hashes FROM entry WHERE seq >= ? AND seq < ?`
const NODES = `SELECT count(*) AS width, group_concat(hex(hash), '' ORDER BY idx) AS hashes FROM node
  WHERE level = ? AND idx >= ? AND idx < ?`

function readTile(statement: Statement, level: number, index: number, width: number): Uint8Array {
  const from = index * 256
  const row = (
    level === 0 ? statement(LEAVES).get(from, from + width) : statement(NODES).get(level, from, from + width)
  ) as {
    width: number
    hashes: string | null
  }
  const tile = Buffer.from(row.hashes ?? '', 'hex')
  if (level === 0 && row.width !== width) {
    const minimum = minimumIndex(statement)
    if (from < minimum) throw prunedTile(index, minimum)
  }
  if (row.width !== width || tile.length !== width * 32) throw missingTile(level, index, width)
  return tile
}

/** SQLite result codes (sqlite.org/rescode.html), the primary code in the low byte. */
const SQLITE = { BUSY: 5, LOCKED: 6, READONLY: 8, IOERR: 10, CORRUPT: 11, FULL: 13, CANTOPEN: 14, NOTADB: 26 }
/** SQLITE_IOERR_WRITE: what a file size limit, a disk remounted read-only or a vanished disk answers. */
const IOERR_WRITE = SQLITE.IOERR | (3 << 8)
const CONSTRAINT_UNIQUE = 19 | (8 << 8)

function guard(path: string): <T>(act: () => T) => T {
  return (act) => {
    try {
      return act()
    } catch (error) {
      throw storeError(error, path)
    }
  }
}

function storeError(error: unknown, path: string): PolityError {
  if (error instanceof PolityError) return error
  const { message, errcode = 0 } = error as Error & { errcode?: number }
  const facts = { sqlite: errcode }
  switch (errcode & 0xff) {
    case SQLITE.FULL:
      return new PolityError('store.full', `the disk is full: ${message}`, facts, error)
    case SQLITE.READONLY:
    case SQLITE.CANTOPEN:
      return new PolityError('store.readonly', `the database cannot be written: ${message}`, facts, error)
    case SQLITE.CORRUPT:
    case SQLITE.NOTADB:
      return new PolityError('log.corrupt', `the database is damaged: ${message}`, facts, error)
    case SQLITE.BUSY:
    case SQLITE.LOCKED:
      return new PolityError('store.locked', `another program holds the database: ${message}`, facts, error)
    default:
      return errcode === IOERR_WRITE && isWritable(path)
        ? new PolityError('store.full', `the disk refused a write: ${message}`, facts, error)
        : new PolityError(errcode === IOERR_WRITE ? 'store.readonly' : 'store.failed', message, facts, error)
  }
}

/** SQLite reports every failed write alike; only the file system still knows whether it takes writes at all. */
function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}
