// What is read of the SQLite database.

import {
  type EntryRange,
  isKey,
  missingTile,
  prunedTile,
  type Row,
  type RowVersion,
  type ScanRange,
  type Snapshot,
  type StoredEntry,
  type StoredRow,
  type StoreReader,
} from '../store.ts'
import type { Connection, Statement } from './connection.ts'

/** `consistently` lets several reads see one state of the database. */
export function readerOf(
  { db, statement, guarded, sizeNow }: Connection,
  consistently: <T>(read: () => T) => T,
): StoreReader {
  const snapshot = <T>(read: () => T) =>
    guarded(() => consistently(() => ({ size: sizeNow(), value: read() })))
  const together = openTogether(snapshot)
  return {
    load: (table, keys) => together(() => loadRows(statement, table, keys)),
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

interface Waiting {
  readonly read: () => unknown
  readonly resolve: (found: Snapshot<unknown>) => void
  readonly reject: (error: unknown) => void
}

/** What is asked for in one turn is read from one snapshot: a transaction costs more than a row. */
function openTogether(
  snapshot: <T>(read: () => T) => Snapshot<T>,
): <T>(read: () => T) => Promise<Snapshot<T>> {
  let waiting: Waiting[] = []
  const readAll = () => {
    const asked = waiting
    waiting = []
    try {
      const { size, value } = snapshot(() => asked.map(({ read }) => read()))
      for (const [place, { resolve }] of asked.entries()) resolve({ size, value: value[place] })
    } catch (error) {
      for (const { reject } of asked) reject(error)
    }
  }
  return <T>(read: () => T) =>
    new Promise<Snapshot<T>>((resolve, reject) => {
      if (waiting.length === 0) queueMicrotask(readAll)
      waiting.push({ read, resolve: resolve as Waiting['resolve'], reject })
    })
}

const MINIMUM = 'SELECT coalesce(min(seq), 0) AS minimum FROM entry'
const ROWS = `SELECT tbl, key, version, expires, value FROM row WHERE (tbl, key) > (?, ?) ORDER BY tbl, key LIMIT ?`
const FIRST_ROWS = ROWS.replace('WHERE (tbl, key) > (?, ?) ', '')
const LOAD_ONE = 'SELECT key, version, value FROM row WHERE tbl = ? AND key = ?'
const LOAD = 'SELECT key, version, value FROM row WHERE tbl = ? AND key IN (SELECT value FROM json_each(?))'
const KNOWN = 'SELECT 1 FROM entry WHERE id = ? AND source = ?'

const minimumIndex = (statement: Statement): number =>
  Number((statement(MINIMUM).get() as { minimum: number }).minimum)

function loadRows(
  statement: Statement,
  table: string,
  keys: readonly string[],
): ReadonlyMap<string, RowVersion> {
  const asked = keys.filter(isKey)
  const [only] = asked
  const rows = (asked.length === 1 && only !== undefined
    ? statement(LOAD_ONE).all(table, only)
    : statement(LOAD).all(table, JSON.stringify(asked))) as unknown as (RowVersion & { key: string })[]
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
