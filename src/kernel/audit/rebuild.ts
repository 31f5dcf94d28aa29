// Derives views again from the bytes of the log, with the very fold that the writer runs, and holds them against the live rows.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { canonicalize } from '../../kit/canonical-json.ts'
import { PolityError } from '../errors.ts'
import { beginAside, bringIntoForce, shadowTable } from '../log/catch-up.ts'
import { foldEntries } from '../log/fold.ts'
import { type View, viewTable } from '../log/view.ts'
import { tableDigest } from '../log/views.ts'
import { seedPruned } from '../retention/snapshot.ts'
import { everyRow, pages } from '../store/pages.ts'
import { sqliteStore } from '../store/sqlite/sqlite-store.ts'
import type { Row, Store, StoreReader } from '../store/store.ts'
import { checkAborted } from './verify/failure.ts'

export interface RebuildOptions {
  readonly onProgress?: (done: number, total: number) => void
  readonly signal?: AbortSignal
  /** Where the rebuilt rows are put while they are compared; default: a folder of its own under the system's. */
  readonly scratchDir?: string
}

export interface RebuiltView {
  readonly view: string
  /** Of the rows derived from the log. */
  readonly digest: string
  /** Of the rows as they stand; undefined when one of them cannot even be read. */
  readonly liveDigest: string | undefined
  readonly isEqual: boolean
  readonly rows: number
  /** The first key whose row differs, is missing or is too many. */
  readonly firstDifference?: string
}

/** A running hub may append while we read; after so many rounds it is too busy to be compared. */
const CATCH_UP_ROUNDS = 5

/**
 * Compares each view's live rows with a fold of the whole log. Digests are those of `Views.digest`.
 * The log itself is taken as it is: run `verifyLog` first. Throws `log.corrupt` for an entry that cannot
 * be read and `log.saturated` when the log never stands still for the length of a comparison.
 */
export async function rebuildViews(
  store: StoreReader,
  views: readonly View[],
  options: RebuildOptions = {},
): Promise<RebuiltView[]> {
  return withScratch(options, async (scratch) => {
    let size = 0
    for (let round = 0; round < CATCH_UP_ROUNDS; round++) {
      size = await foldInto(scratch, store, views, size, options)
      const compared = await compareAll(scratch, store, views)
      if ((await store.size()) === size) return compared
    }
    throw new PolityError(
      'log.saturated',
      'the log grows faster than its views can be compared: stop the hub and try again',
    )
  })
}

/**
 * As `rebuildViews`, and then puts the derived rows in the place of the live ones of each view that differs, each
 * view in one transaction: a crash leaves it as it was or as it should be. `store` writes; no hub may run. The
 * answer tells what was found before.
 */
export async function replaceViews(
  store: Store,
  views: readonly View[],
  options: RebuildOptions = {},
): Promise<RebuiltView[]> {
  return withScratch(options, async (scratch) => {
    await foldInto(scratch, store, views, 0, options)
    const compared = await compareAll(scratch, store, views)
    const differing = views.filter((_view, position) => !compared[position]?.isEqual)
    for (const view of differing) await beginAside(store, view)
    await copyAside(scratch, store, differing, options)
    for (const view of differing) await bringIntoForce(store, view)
    return compared
  })
}

async function withScratch<T>(
  { scratchDir = tmpdir() }: RebuildOptions,
  use: (scratch: Store) => Promise<T>,
): Promise<T> {
  const dir = mkdtempSync(join(scratchDir, 'polity-rebuild-'))
  try {
    const scratch = sqliteStore(join(dir, 'views.db'), 'write')
    try {
      await scratch.migrate()
      return await use(scratch)
    } finally {
      await scratch.close()
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Folds the entries from `from` to the end, as the writer does batch by batch; answers the new size. */
async function foldInto(
  scratch: Store,
  store: StoreReader,
  views: readonly View[],
  from: number,
  { onProgress, signal }: RebuildOptions,
): Promise<number> {
  const size = await store.size()
  checkAborted(signal)
  const start = from === 0 ? await seedPruned(scratch, store, views, signal) : from
  for await (const { rows, to } of foldEntries(
    { log: store, rows: scratch, views },
    { from: start, to: size },
  )) {
    await scratch.commit({ entries: [], nodes: [], rows })
    onProgress?.(to, size)
    await setImmediate()
    checkAborted(signal)
  }
  return size
}

async function compareAll(
  scratch: StoreReader,
  store: StoreReader,
  views: readonly View[],
): Promise<RebuiltView[]> {
  const compared: RebuiltView[] = []
  for (const view of views) compared.push(await compareView(scratch, store, view))
  return compared
}

async function compareView(scratch: StoreReader, store: StoreReader, view: View): Promise<RebuiltView> {
  const table = viewTable(view)
  const digest = await tableDigest(scratch, table)
  const liveDigest = await digestIfReadable(store, table)
  const isEqual = digest === liveDigest
  const firstDifference = isEqual ? undefined : await firstDifferenceIn(table, scratch, store)
  let rows = 0
  for await (const page of pages(scratch, table)) rows += page.length
  return {
    view: `${view.name}@${view.version}`,
    digest,
    liveDigest,
    isEqual,
    rows,
    ...(firstDifference === undefined ? {} : { firstDifference }),
  }
}

async function digestIfReadable(store: StoreReader, table: string): Promise<string | undefined> {
  try {
    return await tableDigest(store, table)
  } catch (error) {
    // A row that is no JSON differs from every rebuilt row; anything else is not ours to judge.
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

async function firstDifferenceIn(
  table: string,
  scratch: StoreReader,
  store: StoreReader,
): Promise<string | undefined> {
  const rebuilt = rowsOf(scratch, table)
  const live = rowsOf(store, table)
  for (;;) {
    const [{ value: left }, { value: right }] = await Promise.all([rebuilt.next(), live.next()])
    if (left === undefined || right === undefined) return (left ?? right)?.key
    if (left.key !== right.key)
      return Buffer.compare(Buffer.from(left.key), Buffer.from(right.key)) < 0 ? left.key : right.key
    if (left.version !== right.version || textOf(left) !== textOf(right)) return left.key
  }
}

async function* rowsOf(store: StoreReader, table: string): AsyncGenerator<Row, undefined> {
  for await (const page of pages(store, table)) yield* page
  return undefined
}

function textOf({ value }: Row): string | undefined {
  try {
    return canonicalize(JSON.parse(value))
  } catch {
    return undefined
  }
}

/** Every row that the log ever touched goes into the shadow of its table, tombstones with their versions. */
async function copyAside(
  scratch: Store,
  store: Store,
  views: readonly View[],
  { signal }: RebuildOptions,
): Promise<void> {
  const tables = new Set(views.map(viewTable))
  for await (const page of everyRow(scratch)) {
    checkAborted(signal)
    const rows = page.flatMap((row) =>
      tables.has(row.table) ? [{ ...row, table: shadowTable(row.table) }] : [],
    )
    if (rows.length > 0) await store.commit({ entries: [], nodes: [], rows })
  }
}
