// The Store port: where entries, view rows and working state live, in one transaction.

import { Buffer } from 'node:buffer'
import { PolityError } from '../errors.ts'

/** One log entry as stored. `leaf` is its RFC 6962 leaf hash; `bytes` the canonical JSON it hashes. */
export interface StoredEntry {
  readonly seq: number
  readonly id: string
  readonly source: string
  readonly type: string
  readonly leaf: Uint8Array
  readonly bytes: Uint8Array
}

/** An inner node of the log's tree: the root of the full tile (level - 1, index). Level is 1 or more. */
export interface TreeNode {
  readonly level: number
  readonly index: number
  readonly hash: Uint8Array
}

/**
 * A row of a keyed table. `version` counts the writes of this key and survives
 * deletion, so a key that is deleted and written again never repeats a version.
 */
export interface Row {
  readonly key: string
  readonly version: number
  /** JSON text. */
  readonly value: string
}

export interface RowWrite {
  readonly table: string
  readonly key: string
  readonly version: number
  /** JSON text; null leaves a tombstone that keeps the version and is invisible to `scan`. */
  readonly value: string | null
  /** Wall clock, milliseconds; `sweep` may drop the row afterwards. Working state only. */
  readonly expiresAtMs?: number
}

/** A row wherever it stands, tombstones included: what a copy of the store must hold. */
export interface StoredRow extends RowWrite {}

export interface RowPlace {
  readonly table: string
  readonly key: string
}

/** What one transaction writes, in the order of the fields. */
export interface Batch {
  readonly entries: readonly StoredEntry[]
  readonly nodes: readonly TreeNode[]
  /** Rows that go without a tombstone (erasure, rebuild, working state that ended). */
  readonly drop?: readonly RowPlace[]
  /** What this batch removes or replaces was erased on somebody's demand: no log of the engine may hold it any longer. */
  readonly isErasure?: boolean
  readonly rows: readonly RowWrite[]
  /** The rows of `to` are replaced by those of `from`, which is empty afterwards: a table made aside comes into force. */
  readonly replace?: { readonly from: string; readonly to: string }
  /**
   * Entries below this seq go with their leaf hashes; inner nodes stay (C2SP tlog-tiles, "Pruning"). A multiple of
   * 256, and below the log's size.
   */
  readonly pruneBelow?: number
}

export interface RowVersion {
  readonly version: number
  readonly value: string | null
}

/** A read and the log size of the same snapshot: a door may answer once that size is anchored. */
export interface Snapshot<T> {
  readonly size: number
  readonly value: T
}

export interface ScanRange {
  readonly prefix?: string
  /** Exclusive: the last key of the page before. */
  readonly after?: string
  readonly limit: number
  readonly reverse?: boolean
}

export interface EntryRange {
  /** Inclusive. */
  readonly from: number
  /** Exclusive. */
  readonly to: number
  readonly limit: number
  readonly type?: string
  readonly reverse?: boolean
}

/**
 * What can be read of one realm's storage. Every method rejects with PolityError
 * `store.full | store.readonly | store.locked | store.failed | store.unreachable | log.corrupt`.
 */
export interface StoreReader {
  /** Rows of these keys, tombstones included; keys never written are absent. */
  load(table: string, keys: readonly string[]): Promise<Snapshot<ReadonlyMap<string, RowVersion>>>
  /** Visible rows in key order (UTF-8 bytes). */
  scan(table: string, range: ScanRange): Promise<Snapshot<readonly Row[]>>
  /** Every row of every table after a place, tombstones included, in the order (table, key) of UTF-8 bytes. */
  rows(range: { readonly after?: RowPlace; readonly limit: number }): Promise<readonly StoredRow[]>
  /** Entries in seq order, or newest first with `reverse`; pruned ones are absent. */
  entries(range: EntryRange): Promise<readonly StoredEntry[]>
  /** Which of these (source, id) pairs the log holds; answers with their positions in the input. Pruned ones are forgotten. */
  known(pairs: readonly { readonly source: string; readonly id: string }[]): Promise<readonly number[]>
  /**
   * `width` hashes of a hash tile from `index * 256`, concatenated. Level 0 are leaf hashes; `log.pruned` where
   * they went with their entries.
   */
  tile(level: number, index: number, width: number): Promise<Uint8Array>
  /** Number of entries ever written. */
  size(): Promise<number>
  /** The C2SP minimum index: entries below it were pruned; 0 in a log that is whole. */
  minimumIndex(): Promise<number>
  close(): Promise<void>
}

/** One realm's storage. Only the writer calls `commit`, `sweep` and `migrate`; readers hold a Store of their own on the same data. */
export interface Store extends StoreReader {
  /**
   * Applies the batch in one transaction that is synced before the promise resolves, or not at all.
   * Rejects with `entry.duplicate` when the log already holds a (source, id) of the batch, `store.failed`
   * when its entries do not follow the last one or `pruneBelow` is out of place, `input.invalid` for a key that
   * cannot be stored, `store.fenced` when another writer has taken over.
   */
  commit(batch: Batch): Promise<void>
  /** Drops at most `limit` rows of the table that expired before `nowMs`; answers how many. */
  sweep(table: string, nowMs: number, limit: number): Promise<number>
  /** Brings the schema to this release; safe to repeat. */
  migrate(): Promise<void>
  /** Everything as it is now, for as long as it takes to read it, while the store stays in use; to be closed. */
  snapshot(): Promise<StoreReader>
}

/** Keys are bounded so that an index page always holds several. */
export const KEY_SIZE_MAX_BYTES = 1024

/** Whether every engine can hold the key: well-formed Unicode without U+0000, at most KEY_SIZE_MAX_BYTES of UTF-8. */
export const isKey = (key: string): boolean =>
  key.isWellFormed() &&
  !key.includes('\0') &&
  // A UTF-16 unit takes at most three bytes, so short keys need no count.
  (key.length * 3 <= KEY_SIZE_MAX_BYTES || Buffer.byteLength(key) <= KEY_SIZE_MAX_BYTES)

/** Throws `input.invalid` for a key that no row may have. */
export function checkKey(table: string, key: string): void {
  if (isKey(key)) return
  throw new PolityError(
    'input.invalid',
    `a key of ${table} must be well-formed text without U+0000, at most ${KEY_SIZE_MAX_BYTES} bytes long`,
    { table, sizeBytes: Buffer.byteLength(key) },
  )
}

/** The error of a batch that would give an entry a second place, or leave a gap. */
export const seqGap = (seq: number, size: number): PolityError =>
  new PolityError('store.failed', `entry ${seq} does not follow a log of ${size} entries`, { seq, size })

/** The error of a tile that asks for hashes which were never written. */
export const missingTile = (level: number, index: number, width: number): PolityError =>
  new PolityError('log.corrupt', `hashes are missing in tile ${level}/${index} of width ${width}`, {
    level,
    index,
  })

/** The error of a tile whose leaf hashes were pruned. */
export const prunedTile = (index: number, minimumIndex: number): PolityError =>
  new PolityError('log.pruned', `tile 0/${index} was pruned: the log holds entries from ${minimumIndex} on`, {
    minimumIndex,
  })

/** The error of a batch that prunes what it may not: half a tile, or the whole log. */
export const badPrune = (below: number, size: number): PolityError =>
  new PolityError('store.failed', `a log of ${size} entries cannot be pruned below ${below}`, { below, size })

/** Whether entries below `below` may go: whole tiles only, and never the last entry, which tells the size. */
export const isPrunable = (below: number, size: number): boolean =>
  Number.isSafeInteger(below) && below >= 0 && below % 256 === 0 && below < size

/** The error of a batch that repeats an entry's identity (CloudEvents 1.0 section 3.1: source and id). */
export const duplicateEntry = ({
  id,
  source,
}: {
  readonly id: string
  readonly source: string
}): PolityError =>
  new PolityError('entry.duplicate', `the log already holds the entry ${id} of ${source}`, { id, source })

/** One text per (source, id) pair; the length keeps two pairs from reading alike. */
export const identityOf = ({ id, source }: { readonly id: string; readonly source: string }): string =>
  `${id.length} ${id} ${source}`

/** Rows of one page, at most. */
export const SCAN_LIMIT_MAX = 1000
