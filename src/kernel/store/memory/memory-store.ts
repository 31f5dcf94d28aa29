// The Store in memory: the fastest adapter, and the one in which concurrency is tested first.

import { Buffer } from 'node:buffer'
import {
  type Batch,
  badPrune,
  checkKey,
  duplicateEntry,
  type EntryRange,
  identityOf,
  isPrunable,
  missingTile,
  prunedTile,
  type Row,
  type RowPlace,
  type RowVersion,
  type RowWrite,
  type ScanRange,
  type Snapshot,
  type Store,
  type StoredEntry,
  type StoredRow,
  seqGap,
} from '../store.ts'

interface MemoryRow extends RowVersion {
  readonly expiresAtMs?: number
}

/** The data behind any number of memory stores: a writer and its readers share one. */
export interface MemoryData {
  /** By seq; pruned ones are holes at the beginning. */
  readonly entries: StoredEntry[]
  minimumIndex: number
  readonly ids: Set<string>
  /** Hashes per level; level 0 stays empty because leaf hashes live in the entries. */
  readonly nodes: Uint8Array[][]
  readonly tables: Map<string, Map<string, MemoryRow>>
}

export const emptyMemoryData = (): MemoryData => ({
  entries: [],
  minimumIndex: 0,
  ids: new Set(),
  nodes: [],
  tables: new Map(),
})

export function memoryStore(data: MemoryData = emptyMemoryData()): Store {
  return {
    async commit(batch) {
      checkBatch(data, batch)
      for (const entry of batch.entries) {
        data.entries.push(entry)
        data.ids.add(identityOf(entry))
      }
      for (const { level, index, hash } of batch.nodes) {
        data.nodes[level] ??= []
        ;(data.nodes[level] as Uint8Array[])[index] = hash
      }
      for (const { table, key } of batch.drop ?? []) data.tables.get(table)?.delete(key)
      for (const row of batch.rows) tableOf(data, row.table).set(row.key, storedRow(row))
      if (batch.replace) replaceTable(data, batch.replace)
      if (batch.pruneBelow !== undefined) prune(data, batch.pruneBelow)
    },
    async load(table, keys) {
      const rows = data.tables.get(table)
      const found = new Map<string, RowVersion>()
      for (const key of keys) {
        const row = rows?.get(key)
        if (row) found.set(key, row)
      }
      return snapshot(data, found)
    },
    async scan(table, range) {
      return snapshot(data, scanRows(data.tables.get(table), range))
    },
    async rows({ after, limit }) {
      return allRows(data, after).slice(0, limit)
    },
    async entries(range) {
      return sliceEntries(data.entries, range)
    },
    async known(pairs) {
      return pairs.flatMap((pair, position) => (data.ids.has(identityOf(pair)) ? [position] : []))
    },
    async tile(level, index, width) {
      const from = index * 256
      if (level === 0 && from < data.minimumIndex) throw prunedTile(index, data.minimumIndex)
      const hashes =
        level === 0
          ? data.entries.slice(from, from + width).map((entry) => entry.leaf)
          : (data.nodes[level] ?? []).slice(from, from + width)
      // A hole in the array is a node that was never written, and has no key.
      if (Object.keys(hashes).length !== width) throw missingTile(level, index, width)
      return Buffer.concat(hashes)
    },
    async size() {
      return data.entries.length
    },
    async minimumIndex() {
      return data.minimumIndex
    },
    async sweep(table, nowMs, limit) {
      let dropped = 0
      for (const [key, row] of data.tables.get(table) ?? []) {
        if (dropped === limit) break
        if (row.expiresAtMs === undefined || row.expiresAtMs > nowMs) continue
        data.tables.get(table)?.delete(key)
        dropped += 1
      }
      return dropped
    },
    async migrate() {},
    async snapshot() {
      return memoryStore({
        entries: data.entries.slice(),
        minimumIndex: data.minimumIndex,
        ids: new Set(data.ids),
        nodes: data.nodes.map((level) => level.slice()),
        tables: new Map([...data.tables].map(([table, rows]) => [table, new Map(rows)])),
      })
    },
    async close() {},
  }
}

const storedRow = ({ version, value, expiresAtMs }: RowWrite): MemoryRow => ({
  version,
  value,
  ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
})

function replaceTable(data: MemoryData, { from, to }: { readonly from: string; readonly to: string }): void {
  data.tables.set(to, tableOf(data, from))
  data.tables.delete(from)
}

function prune(data: MemoryData, below: number): void {
  for (; data.minimumIndex < below; data.minimumIndex++) {
    data.ids.delete(identityOf(data.entries[data.minimumIndex] as StoredEntry))
    delete data.entries[data.minimumIndex]
  }
}

function allRows({ tables }: MemoryData, after: RowPlace | undefined): StoredRow[] {
  const rows = [...tables].flatMap(([table, keyed]) =>
    [...keyed].map(([key, row]) => ({ table, key, ...row })),
  )
  const byPlace = (a: RowPlace, b: RowPlace) => byUtf8(a.table, b.table) || byUtf8(a.key, b.key)
  return rows.filter((row) => after === undefined || byPlace(row, after) > 0).sort(byPlace)
}

function tableOf(data: MemoryData, name: string): Map<string, MemoryRow> {
  const table = data.tables.get(name) ?? new Map<string, MemoryRow>()
  data.tables.set(name, table)
  return table
}

/** The same constraints that the SQL adapters get from their indexes, checked before anything is applied. */
function checkBatch(data: MemoryData, batch: Batch): void {
  for (const { table, key } of batch.rows) checkKey(table, key)
  const fresh = new Set<string>()
  batch.entries.forEach((entry, offset) => {
    const identity = identityOf(entry)
    const size = data.entries.length + offset
    if (entry.seq !== size) throw seqGap(entry.seq, size)
    if (data.ids.has(identity) || fresh.has(identity)) throw duplicateEntry(entry)
    fresh.add(identity)
  })
  const size = data.entries.length + batch.entries.length
  if (batch.pruneBelow !== undefined && !isPrunable(batch.pruneBelow, size))
    throw badPrune(batch.pruneBelow, size)
}

const snapshot = <T>(data: MemoryData, value: T): Snapshot<T> => ({ size: data.entries.length, value })

function scanRows(rows: ReadonlyMap<string, MemoryRow> | undefined, range: ScanRange): readonly Row[] {
  const { prefix = '', after, limit, reverse = false } = range
  // Half a surrogate pair is the start of no text.
  const isPrefix = prefix.isWellFormed()
  const keys = [...(rows?.keys() ?? [])].filter((key) => isPrefix && key.startsWith(prefix)).sort(byUtf8)
  if (reverse) keys.reverse()
  const page: Row[] = []
  for (const key of keys) {
    const row = rows?.get(key)
    if (page.length === limit) break
    if (after !== undefined && (reverse ? byUtf8(key, after) >= 0 : byUtf8(key, after) <= 0)) continue
    if (row?.value != null) page.push({ key, version: row.version, value: row.value })
  }
  return page
}

const byUtf8 = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))

function sliceEntries(entries: readonly StoredEntry[], range: EntryRange): readonly StoredEntry[] {
  const page: StoredEntry[] = []
  const to = Math.min(range.to, entries.length)
  const step = range.reverse ? -1 : 1
  for (let seq = range.reverse ? to - 1 : range.from; seq >= range.from && seq < to; seq += step) {
    if (page.length === range.limit) break
    const entry = entries[seq]
    if (entry && (range.type === undefined || entry.type === range.type)) page.push(entry)
  }
  return page
}
