// The structure of a SQLite realm file: pages, indexes, schema, counts, and the form of its rows.

import { Buffer } from 'node:buffer'
import { closeSync, openSync, readSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import { TILE_WIDTH } from '../../../kit/tile-tree.ts'
import { asPolityError, type ErrorWire, errorFromWire, PolityError } from '../../errors.ts'
import { configure, migrate } from '../../store/sqlite/schema.ts'
import { asFinding, failed } from './failure.ts'

/** What the inspecting thread answers, once. */
export interface InspectionAnswer {
  readonly error?: ErrorWire
}

/**
 * Finds damaged b-tree, index, freelist and overflow pages and indexes that disagree with their tables
 * (SQLite's integrity_check), a changed schema or header field, entries or inner hashes too many or too
 * few, and rows whose value is not JSON. It does not see other well-formed values in rows, nor bytes
 * of a page that hold no record.
 *
 * Runs in a thread of its own, a few seconds per gigabyte. Throws `verify.failed` with reason `database`
 * or `row`; `cancelled` at once, while the thread ends with the statement it is in.
 */
export function inspectDatabase(path: string, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(
      new URL(
        import.meta.url.endsWith('.ts') ? './database-thread.ts' : './database-thread.js',
        import.meta.url,
      ),
      { workerData: path, name: 'polity-inspect' },
    )
    const cancel = () => {
      reject(new PolityError('cancelled', 'the inspection was cancelled'))
      worker.unref()
      void worker.terminate()
    }
    if (signal?.aborted) return cancel()
    signal?.addEventListener('abort', cancel, { once: true })
    worker.once('message', ({ error }: InspectionAnswer) =>
      error ? reject(errorFromWire(error)) : resolve(),
    )
    worker.once('error', (error) => reject(asPolityError(error)))
    worker.once('exit', () => {
      signal?.removeEventListener('abort', cancel)
      reject(new PolityError('internal', 'the inspecting thread ended without an answer'))
    })
  })
}

/** The inspection itself; blocks its thread. */
export function inspectNow(path: string): void {
  try {
    checkHeader(path)
    const db = new DatabaseSync(path, { readOnly: true })
    try {
      configure(db, 'read')
      db.exec('BEGIN')
      checkSchema(db)
      checkPages(db)
      checkCounts(db)
      checkRows(db)
    } finally {
      db.close()
    }
  } catch (error) {
    if (error instanceof PolityError) throw error
    // Whatever SQLite says of a file that it cannot make sense of is a finding, whichever its code.
    throw failed('database', `SQLite cannot read the database: ${(error as Error).message}`, {}, error)
  }
}

/** Fields of the file header (sqlite.org/fileformat2.html section 1.3) that SQLite reads past, and their only value here. */
const QUIET_FIELDS = [
  { name: 'default page cache size', from: 48, to: 52 },
  { name: 'incremental vacuum mode', from: 64, to: 68 },
  { name: 'application id', from: 68, to: 72 },
  { name: 'reserved for expansion', from: 72, to: 92 },
] as const
const HEADER_SIZE_BYTES = 100

function checkHeader(path: string): void {
  const header = Buffer.alloc(HEADER_SIZE_BYTES)
  const file = openSync(path, 'r')
  try {
    if (readSync(file, header, 0, HEADER_SIZE_BYTES, 0) < HEADER_SIZE_BYTES)
      throw failed('database', 'the database file is shorter than its header')
  } finally {
    closeSync(file)
  }
  for (const { name, from, to } of QUIET_FIELDS)
    if (header.subarray(from, to).some((byte) => byte !== 0))
      throw failed('database', `the header of the database is damaged: ${name} is not zero`)
}

interface SchemaRow {
  readonly sql: string | null
}

/** The schema, word for word, is the one that this release creates. */
function checkSchema(db: DatabaseSync): void {
  const model = new DatabaseSync(':memory:')
  try {
    migrate(model)
    if (schemaOf(db) !== schemaOf(model))
      throw failed('database', 'the schema of the database is not the one of this release')
  } finally {
    model.close()
  }
}

function schemaOf(db: DatabaseSync): string {
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number }
  const rows = db
    .prepare('SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name')
    .all() as unknown as SchemaRow[]
  return JSON.stringify([version, rows])
}

function checkPages(db: DatabaseSync): void {
  const [first] = db.prepare('PRAGMA integrity_check(1)').all() as { integrity_check: string }[]
  if (first?.integrity_check !== 'ok')
    throw failed('database', `the database is damaged: ${first?.integrity_check}`)
}

/** Seqs are dense from a whole tile on, and level L of the tree holds as many hashes as there are full tiles below it. */
function checkCounts(db: DatabaseSync): void {
  const { held, first, last } = db
    .prepare('SELECT count(*) AS held, min(seq) AS first, max(seq) AS last FROM entry')
    .get() as { held: number; first: number | null; last: number | null }
  // What was pruned is for the log to explain; it went in whole tiles.
  const count = held + (first ?? 0)
  if (held > 0 && (Number(first) % TILE_WIDTH !== 0 || last !== count - 1))
    throw failed('database', `the database holds ${held} entries, numbered ${first} to ${last}`)
  const levels = db
    .prepare(
      'SELECT level, count(*) AS count, min(idx) AS first, max(idx) AS last FROM node GROUP BY level ORDER BY level',
    )
    .all() as unknown as { level: number; count: number; first: number; last: number }[]
  let below = count
  for (const { level, count: held, first: from, last: to } of levels) {
    const expected = Math.floor(count / TILE_WIDTH ** level)
    if (level < 1 || held !== expected || from !== 0 || to !== expected - 1)
      throw failed(
        'database',
        `the tree over ${count} entries has ${expected} hashes at level ${level}, not ${held}`,
      )
    below = held
  }
  if (below >= TILE_WIDTH) throw failed('database', 'the top level of the tree is missing')
}

function checkRows(db: DatabaseSync): void {
  const bad = db
    .prepare(
      'SELECT tbl, key FROM row WHERE version < 1 OR (value IS NOT NULL AND NOT json_valid(value)) LIMIT 1',
    )
    .get() as { tbl: string; key: string } | undefined
  if (bad) throw failed('row', 'a row of the database is damaged', { table: bad.tbl, key: bad.key })
}

export const inspectionError = (thrown: unknown): PolityError => asFinding(thrown, 'database')
