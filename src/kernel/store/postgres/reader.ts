// Reads of a realm on PostgreSQL: each is one statement, so what it answers is of one snapshot.

import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import {
  type EntryRange,
  isKey,
  KEY_SIZE_MAX_BYTES,
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
import { quote } from './schema.ts'
import type { Ask } from './session.ts'

export type Reads = Omit<StoreReader, 'close'>

/** What can be read of a schema through `ask`. */
export function readsOf(ask: Ask, schema: string): Reads {
  const s = quote(schema)
  const size = `(SELECT coalesce(max(seq) + 1, 0) FROM ${s}.entry)`
  return {
    load: (table, keys) => loadRows(ask, s, size, table, keys),
    scan: (table, range) => scanRows(ask, s, size, table, range),
    rows: (range) => readRows(ask, s, range),
    entries: (range) => readEntries(ask, s, range),
    known: (pairs) => knownPairs(ask, s, pairs),
    tile: (level, index, width) => readTile(ask, s, level, index, width),
    async size() {
      const [found] = await ask<{ size: string }>(`SELECT ${size} AS size`)
      return Number(found?.size)
    },
    minimumIndex: () => minimumIndex(ask, s),
  }
}

/** An index entry holds at most some 2,700 bytes, an id up to 1,536 of them. */
const INDEXED_SOURCE_MAX_BYTES = 1024

/** What stands in the index for a source that is too long for it; null for all others. */
export const sourceDigest = (source: string): string | null =>
  Buffer.byteLength(source) <= INDEXED_SOURCE_MAX_BYTES ? null : `sha256:${hash('sha256', source, 'hex')}`

/** Whether PostgreSQL can hold the text. */
export const isText = (text: string): boolean => text.isWellFormed() && !text.includes('\0')

interface SizedRow {
  readonly size: string
  readonly key: string | null
  readonly version: string
  readonly value: string | null
}

/**
 * Found by its whole key, one after the other. OFFSET 0 keeps the planner from joining otherwise: on a table that was
 * empty when it planned, it would read all rows of `tbl` and then look for the keys.
 */
const byPlace = (s: string): string =>
  `(SELECT key, version, value FROM ${s}.row WHERE tbl = $1 AND key = asked.key OFFSET 0)`

async function loadRows(
  ask: Ask,
  s: string,
  size: string,
  table: string,
  keys: readonly string[],
): Promise<Snapshot<ReadonlyMap<string, RowVersion>>> {
  const rows = await ask<SizedRow>(
    `SELECT h.size, r.key, r.version, r.value FROM (SELECT ${size} AS size) h
       LEFT JOIN (unnest($2::text[]) AS asked(key) CROSS JOIN LATERAL ${byPlace(s)} r) ON true`,
    [table, keys.filter(isKey)],
  )
  const found = new Map<string, RowVersion>()
  for (const { key, version, value } of rows)
    if (key !== null) found.set(key, { version: Number(version), value })
  return { size: sizeIn(rows), value: found }
}

const sizeIn = (rows: readonly SizedRow[]): number => Number(rows[0]?.size)

/** No text of KEY_SIZE_MAX_BYTES sorts behind so many of the last code point, which takes four bytes. */
const LAST = '\u{10ffff}'.repeat(KEY_SIZE_MAX_BYTES / 4)

async function scanRows(
  ask: Ask,
  s: string,
  size: string,
  table: string,
  { prefix = '', after, limit, reverse = false }: ScanRange,
): Promise<Snapshot<readonly Row[]>> {
  const bounds = ['tbl = $1', 'value IS NOT NULL']
  const values: unknown[] = [table, limit]
  const bound = (comparison: string, value: string) => {
    values.push(value)
    bounds.push(`key ${comparison} $${values.length}`)
  }
  // Half a surrogate pair is the start of no text, and no key holds U+0000.
  if (!isText(prefix)) bounds.push('false')
  else if (prefix !== '') {
    bound('>=', prefix)
    bound('<=', prefix + LAST)
  }
  if (after !== undefined) {
    const bare = bareAfter(after)
    bound(reverse ? (after.includes('\0') ? '<=' : '<') : '>', bare)
  }
  const rows = await ask<SizedRow>(
    `SELECT h.size, r.key, r.version, r.value FROM (SELECT ${size} AS size) h LEFT JOIN LATERAL
       (SELECT key, version, value FROM ${s}.row WHERE ${bounds.join(' AND ')}
        ORDER BY key ${reverse ? 'DESC' : 'ASC'} LIMIT $2::bigint) r ON true`,
    values,
  )
  return {
    size: sizeIn(rows),
    value: rows.flatMap(({ key, version, value }) =>
      key === null || value === null ? [] : [{ key, version: Number(version), value }],
    ),
  }
}

/** No key lies between a text with U+0000 and what stands before that: the one sorts right behind the other. */
const bareAfter = (after: string): string => (after.split('\0')[0] ?? '').toWellFormed()

async function readRows(
  ask: Ask,
  s: string,
  { after, limit }: Parameters<StoreReader['rows']>[0],
): Promise<readonly StoredRow[]> {
  const rows = await ask<{
    tbl: string
    key: string
    version: string
    expires: string | null
    value: string | null
  }>(
    `SELECT tbl, key, version, expires, value FROM ${s}.row
       ${after ? 'WHERE (tbl, key) > ($2, $3)' : ''} ORDER BY tbl, key LIMIT $1::bigint`,
    after ? [limit, after.table, bareAfter(after.key)] : [limit],
  )
  return rows.map(({ tbl, key, version, expires, value }) => ({
    table: tbl,
    key,
    version: Number(version),
    value,
    ...(expires === null ? {} : { expiresAtMs: Number(expires) }),
  }))
}

async function readEntries(
  ask: Ask,
  s: string,
  { from, to, limit, type, reverse = false }: EntryRange,
): Promise<readonly StoredEntry[]> {
  if (type !== undefined && !isText(type)) return []
  const rows = await ask<Omit<StoredEntry, 'seq'> & { readonly seq: string }>(
    `SELECT seq, id, source, type, leaf, bytes FROM ${s}.entry
       WHERE seq >= $1 AND seq < $2 ${type === undefined ? '' : 'AND type = $4'}
       ORDER BY seq ${reverse ? 'DESC' : 'ASC'} LIMIT $3::bigint`,
    type === undefined ? [from, to, limit] : [from, to, limit, type],
  )
  return rows.map((row) => ({ ...row, seq: Number(row.seq) }))
}

async function knownPairs(
  ask: Ask,
  s: string,
  pairs: Parameters<StoreReader['known']>[0],
): Promise<readonly number[]> {
  const asked = pairs.flatMap(({ id, source }, position) =>
    isText(id) && isText(source) ? [{ id, source: sourceDigest(source) ?? source, position }] : [],
  )
  if (asked.length === 0) return []
  const rows = await ask<{ position: number }>(
    `SELECT asked.position FROM unnest($1::text[], $2::text[], $3::integer[]) AS asked(id, source, position)
       WHERE EXISTS (SELECT FROM ${s}.entry e
         WHERE e.id = asked.id AND coalesce(e.source_digest, e.source) = asked.source)
       ORDER BY asked.position`,
    [asked.map(({ id }) => id), asked.map(({ source }) => source), asked.map(({ position }) => position)],
  )
  return rows.map(({ position }) => position)
}

/** One row of concatenated hashes instead of 256 rows: a proof reads several tiles. */
async function readTile(
  ask: Ask,
  s: string,
  level: number,
  index: number,
  width: number,
): Promise<Uint8Array> {
  const from = index * 256
  const [found] = await ask<{ width: string; hashes: Buffer | null; minimum: string }>(
    level === 0
      ? `SELECT count(*) AS width, string_agg(leaf, ''::bytea ORDER BY seq) AS hashes,
           (SELECT coalesce(min(seq), 0) FROM ${s}.entry) AS minimum
         FROM ${s}.entry WHERE seq >= $1 AND seq < $2`
      : `SELECT count(*) AS width, string_agg(hash, ''::bytea ORDER BY idx) AS hashes, 0 AS minimum
         FROM ${s}.node WHERE idx >= $1 AND idx < $2 AND level = $3`,
    level === 0 ? [from, from + width] : [from, from + width, level],
  )
  const tile = found?.hashes ?? Buffer.alloc(0)
  if (Number(found?.width) === width && tile.length === width * 32) return tile
  const minimum = Number(found?.minimum)
  throw from < minimum ? prunedTile(index, minimum) : missingTile(level, index, width)
}

async function minimumIndex(ask: Ask, s: string): Promise<number> {
  const [found] = await ask<{ minimum: string }>(`SELECT coalesce(min(seq), 0) AS minimum FROM ${s}.entry`)
  return Number(found?.minimum)
}
