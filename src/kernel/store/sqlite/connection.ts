// A connection to the SQLite database: its statements, its transactions, and its errors in the words of a Store.

import { accessSync, constants } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { PolityError } from '../../errors.ts'
import { configure } from './schema.ts'

export interface Connection {
  readonly db: DatabaseSync
  readonly statement: Statement
  /** Throws what SQLite refused as the error of a Store. */
  readonly guarded: <T>(act: () => T) => T
  readonly sizeNow: () => number
}

export function connect(path: string, mode: 'write' | 'read'): Connection {
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

export function inTransaction<T>(db: DatabaseSync, read: () => T): T {
  db.exec('BEGIN')
  try {
    return read()
  } finally {
    db.exec('COMMIT')
  }
}

const SIZE = 'SELECT coalesce(max(seq) + 1, 0) AS size FROM entry'

export type Statement = (sql: string) => StatementSync

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

/** SQLite result codes (sqlite.org/rescode.html), the primary code in the low byte. */
const SQLITE = { BUSY: 5, LOCKED: 6, READONLY: 8, IOERR: 10, CORRUPT: 11, FULL: 13, CANTOPEN: 14, NOTADB: 26 }
/** SQLITE_IOERR_WRITE: what a file size limit, a disk remounted read-only or a vanished disk answers. */
const IOERR_WRITE = SQLITE.IOERR | (3 << 8)
export const CONSTRAINT_UNIQUE = 19 | (8 << 8)

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
