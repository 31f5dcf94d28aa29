// Loads a log into an empty store of any engine: every seq, hash and row as it was, the tree derived again and held against what was signed.

import { Buffer } from 'node:buffer'
import { setImmediate } from 'node:timers/promises'
import { HASH_SIZE_BYTES, nodeHash } from '../../kit/merkle.ts'
import { openCheckpoint } from '../../kit/signed-checkpoint.ts'
import { parseVkey } from '../../kit/signed-note.ts'
import { TILE_WIDTH, TreeEdge } from '../../kit/tile-tree.ts'
import { checkEntry } from '../audit/verify/entry.ts'
import { checkAborted, failed } from '../audit/verify/failure.ts'
import { PolityError } from '../errors.ts'
import { catchUpViews } from '../log/catch-up.ts'
import { LOG_META, ORIGIN_KEY } from '../log/layout.ts'
import type { View } from '../log/view.ts'
import { everyRow } from '../store/pages.ts'
import type { Store, StoredEntry, StoredRow, TreeNode } from '../store/store.ts'
import { TRANSFER_BATCH_ENTRIES, type TransferSource } from './source.ts'

export interface LoadOptions {
  /** The views of every contract, with their upcasters: see `viewsOfContracts`. */
  readonly views: readonly View[]
  /** Counts entries. */
  readonly onProgress?: (done: number, total: number) => void
  readonly signal?: AbortSignal
}

/** What else a log under a new name needs. */
export interface Succession {
  readonly origin: string
  /** Canonical texts that come before the entries of the source. */
  readonly first: readonly string[]
  /** How many entries of the source follow. */
  readonly survived: number
  /** The row as the new log has it; undefined leaves it out. */
  readonly rowOf: (row: StoredRow) => StoredRow | undefined
}

export interface LoadedLog {
  readonly origin: string
  readonly size: number
  readonly rows: number
}

/**
 * Writes entries, hashes and rows, derives the tree on the way, folds the views, and writes the log's name at last:
 * no hub opens a store that was given half. With a `succession` the entries follow others under another name, and
 * what the old checkpoint says of the tree is the caller's to check.
 *
 * Throws `data.unwritable` for a store that is not empty, `verify.failed` for entries that are not those that were
 * signed, `log.unsupported` for ones that a view cannot fold, and what the source throws.
 */
export async function loadInto(
  store: Store,
  source: TransferSource,
  options: LoadOptions,
  succession?: Succession,
): Promise<LoadedLog> {
  await requireEmpty(store)
  const size =
    succession === undefined
      ? await loadSigned(store, source, options)
      : await loadSucceeding(store, source, succession, options)
  const rows = await loadRows(store, source, succession, options)
  await catchUpViews(store, options.views)
  const origin = succession?.origin ?? source.origin
  await commit(store, { rows: [{ ...ORIGIN_PLACE, version: 1, value: JSON.stringify(origin) }] })
  return { origin, size, rows }
}

const ORIGIN_PLACE = { table: LOG_META, key: ORIGIN_KEY } as const

async function requireEmpty(store: Store): Promise<void> {
  for await (const _ of everyRow(store, { limit: 1 })) throw notEmpty()
  if ((await store.size()) > 0) throw notEmpty()
}

const notEmpty = (): PolityError =>
  new PolityError('data.unwritable', 'the store is not empty: name a new folder, or a new database')

/** The log as it was; the root of what its checkpoint covers must be the signed one. */
async function loadSigned(
  store: Store,
  source: TransferSource,
  { onProgress, signal }: LoadOptions,
): Promise<number> {
  const { head, minimumIndex, size } = source
  if (head === undefined) throw failed('checkpoint', `${source.name} shows no checkpoint`)
  const { root } = openCheckpoint(head.checkpoint, parseVkey(source.vkey))
  const edge = await loadPruned(store, source)
  const loading = new Loading(store, edge, minimumIndex)
  if (edge.size === head.size) compareRoot(edge, root)
  for await (const batch of source.entries(signal)) {
    for (const bytes of batch) {
      await loading.add(bytes)
      if (edge.size === head.size) compareRoot(edge, root)
    }
    onProgress?.(edge.size, size)
    // Neither disk nor parser waits, so the thread's other work would wait for all of it.
    await setImmediate()
    checkAborted(signal)
  }
  await loading.flush()
  if (edge.size !== size)
    throw failed('missing', `entry ${edge.size} of ${size} is missing`, { seq: edge.size })
  return size
}

function compareRoot(edge: TreeEdge, root: Uint8Array): void {
  if (Buffer.compare(edge.root(), root) !== 0)
    throw failed('root', `the ${edge.size} entries are not those that the checkpoint was signed for`, {
      seq: 0,
      size: edge.size,
    })
}

async function loadSucceeding(
  store: Store,
  source: TransferSource,
  { first, survived }: Succession,
  { onProgress, signal }: LoadOptions,
): Promise<number> {
  const edge = await TreeEdge.open(0, async () => [])
  const loading = new Loading(store, edge, 0)
  for (const text of first) await loading.add(Buffer.from(text))
  const total = first.length + survived
  if (survived > 0)
    for await (const batch of source.entries(signal)) {
      for (const bytes of batch.slice(0, total - edge.size)) await loading.add(bytes)
      onProgress?.(edge.size, total)
      await setImmediate()
      checkAborted(signal)
      if (edge.size === total) break
    }
  await loading.flush()
  return edge.size
}

/** Entries on their way into the store, several in one transaction. */
class Loading {
  readonly #store: Store
  readonly #edge: TreeEdge
  /** Entries below it go when the first ones above it stand. */
  #pruneBelow: number
  #entries: StoredEntry[] = []
  #sizeBytes = 0

  constructor(store: Store, edge: TreeEdge, minimumIndex: number) {
    this.#store = store
    this.#edge = edge
    this.#pruneBelow = minimumIndex
  }

  async add(bytes: Uint8Array): Promise<void> {
    const seq = this.#edge.size
    const { leaf, id, source, type } = checkEntry({ seq, bytes })
    this.#edge.append(leaf)
    this.#entries.push({ seq, id, source, type, leaf, bytes })
    this.#sizeBytes += bytes.length
    if (this.#entries.length >= BATCH_ENTRIES || this.#sizeBytes >= BATCH_SIZE_BYTES) await this.flush()
  }

  async flush(): Promise<void> {
    if (this.#entries.length === 0) return
    await this.#store.commit({
      entries: this.#entries,
      nodes: this.#edge.takeCompleted(),
      rows: [],
      ...(this.#pruneBelow > 0 ? { pruneBelow: this.#pruneBelow } : {}),
    })
    this.#pruneBelow = 0
    this.#entries = []
    this.#sizeBytes = 0
  }
}

/** Each transaction is synced, so it holds many. */
const BATCH_ENTRIES = 8192
const BATCH_SIZE_BYTES = 8 * 1024 * 1024

/**
 * The tree below the minimum index: its inner hashes, each held against those below it. A store counts entries by
 * the last one, so blank ones stand where the pruned ones stood until the first real one is there.
 */
async function loadPruned(store: Store, source: TransferSource): Promise<TreeEdge> {
  const { minimumIndex } = source
  if (minimumIndex === 0) return TreeEdge.open(0, async () => [])
  const nodes = await prunedNodes(source)
  for (let from = 0; from < minimumIndex; from += TRANSFER_BATCH_ENTRIES) {
    const count = Math.min(TRANSFER_BATCH_ENTRIES, minimumIndex - from)
    await commit(store, { entries: Array.from({ length: count }, (_, offset) => blankEntry(from + offset)) })
  }
  for (let at = 0; at < nodes.length; at += TRANSFER_BATCH_ENTRIES)
    await commit(store, { nodes: nodes.slice(at, at + TRANSFER_BATCH_ENTRIES) })
  return TreeEdge.open(minimumIndex, (refs) => Promise.all(refs.map((ref) => source.tile(ref))))
}

const blankEntry = (seq: number): StoredEntry => ({
  seq,
  id: String(seq),
  source: 'pruned',
  type: 'pruned',
  leaf: new Uint8Array(HASH_SIZE_BYTES),
  bytes: new Uint8Array(0),
})

async function prunedNodes(source: TransferSource): Promise<TreeNode[]> {
  const nodes: TreeNode[] = []
  let below: Uint8Array[] = []
  for (let level = 1; ; level++) {
    const count = Math.floor(source.minimumIndex / TILE_WIDTH ** level)
    if (count === 0) return nodes
    const hashes = await hashesOf(source, level, count)
    hashes.forEach((hash, index) => {
      if (level > 1) checkNode(hash, below, level, index)
      nodes.push({ level, index, hash })
    })
    below = hashes
  }
}

async function hashesOf({ tile, size, head }: TransferSource, level: number, count: number) {
  const hashes: Uint8Array[] = []
  const total = Math.floor((head?.size ?? size) / TILE_WIDTH ** level)
  for (let index = 0; index * TILE_WIDTH < count; index++) {
    const width = Math.min(TILE_WIDTH, total - index * TILE_WIDTH)
    const bytes = await tile({ level, index, width })
    for (let at = 0; at < width && hashes.length < count; at++)
      hashes.push(bytes.subarray(at * HASH_SIZE_BYTES, (at + 1) * HASH_SIZE_BYTES))
  }
  return hashes
}

function checkNode(hash: Uint8Array, below: readonly Uint8Array[], level: number, index: number): void {
  let row = below.slice(index * TILE_WIDTH, (index + 1) * TILE_WIDTH)
  while (row.length > 1)
    row = row.flatMap((left, at) => {
      const right = at % 2 === 0 ? row[at + 1] : undefined
      return right === undefined ? [] : [nodeHash(left, right)]
    })
  const [derived] = row
  if (derived === undefined || Buffer.compare(derived, hash) !== 0)
    throw failed('node', `the hash at level ${level}, index ${index} is not that of the hashes below it`, {
      level,
      index,
    })
}

async function loadRows(
  store: Store,
  source: TransferSource,
  succession: Succession | undefined,
  { signal }: LoadOptions,
): Promise<number> {
  const rowOf = succession?.rowOf ?? ((row: StoredRow) => row)
  let count = 0
  for await (const page of source.rows(signal)) {
    // The name is written last, and by this room alone.
    const names = page.filter(isName)
    const rows = page.flatMap((row) => (isName(row) ? [] : (rowOf(row) ?? [])))
    for (let at = 0; at < rows.length; at += BATCH_ROWS)
      await commit(store, { rows: rows.slice(at, at + BATCH_ROWS) })
    // Under the same name it is one of the rows that came over, as whoever made the copy counts.
    count += rows.length + (succession === undefined ? names.length : 0)
  }
  return count
}

const isName = ({ table, key }: StoredRow): boolean => table === LOG_META && key === ORIGIN_KEY

const BATCH_ROWS = 4096

const commit = (store: Store, batch: Partial<Parameters<Store['commit']>[0]>): Promise<void> =>
  store.commit({ entries: [], nodes: [], rows: [], ...batch })
