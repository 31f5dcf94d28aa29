// A snapshot: every view as the pruned entries left it, in tables aside, from which views can be folded on and checked.

import { hash } from 'node:crypto'
import { canonicalize } from '../../kit/canonical-json.ts'
import { PolityError } from '../errors.ts'
import { numberKey } from '../log/layout.ts'
import { lastPruning, missesEntries, type Pruning } from '../log/pruning.ts'
import { type View, type ViewName, viewTable } from '../log/view.ts'
import { pages } from '../store/pages.ts'
import type { RowVersion, RowWrite, Store, StoreReader } from '../store/store.ts'

/** Tables of snapshots start with it; the minimum index and the view's table follow. */
export const SNAPSHOT = 'snapshot:'

/** Each minimum index has tables of its own, so a snapshot in the making never touches the one in force. */
export const snapshotPrefix = (minimumIndex: number): string => `${SNAPSHOT}${numberKey(minimumIndex)}:`
export const snapshotTable = (minimumIndex: number, view: ViewName): string =>
  snapshotPrefix(minimumIndex) + viewTable(view)

/** A row of a view as a value, so that it keeps the version which the view gave it, tombstones included. */
interface SnapshotRow {
  readonly version: number
  /** null: the fold removed the row. */
  readonly value: unknown
}

/** The value of a snapshot's row, from the row of a view. */
export const snapshotValue = ({ version, value }: Pick<RowWrite, 'version' | 'value'>): string =>
  `{"version":${version},"value":${value ?? 'null'}}`

/** Reads the tables of views out of a snapshot, for a fold that goes on there. */
export const snapshotReader = (
  store: Pick<StoreReader, 'load'>,
  minimumIndex: number,
): Pick<StoreReader, 'load'> => ({
  async load(table, keys) {
    const { size, value } = await store.load(snapshotPrefix(minimumIndex) + table, keys)
    const rows = [...value].flatMap(([key, { value: text }]): [string, RowVersion][] =>
      text === null ? [] : [[key, rowOf(text)]],
    )
    return { size, value: new Map(rows) }
  },
})

/** The rows of a view in a snapshot, tombstones included, in key order. */
async function* snapshotRows(
  store: Pick<StoreReader, 'scan'>,
  minimumIndex: number,
  view: ViewName,
): AsyncGenerator<readonly RowWrite[], void> {
  const table = viewTable(view)
  for await (const page of pages(store, snapshotTable(minimumIndex, view)))
    yield page.map(({ key, value }) => ({ table, key, ...rowOf(value) }))
}

function rowOf(text: string): RowVersion {
  const { version, value } = JSON.parse(text) as SnapshotRow
  return { version, value: value === null ? null : JSON.stringify(value) }
}

/** SHA-256 chained over canonical [key, version, value] in key order, beginning with the view's table. */
export async function snapshotDigest(
  store: Pick<StoreReader, 'scan'>,
  minimumIndex: number,
  view: ViewName,
): Promise<Pruning['views'][number]> {
  let digest = hash('sha256', viewTable(view), 'hex')
  let rows = 0
  for await (const page of snapshotRows(store, minimumIndex, view))
    for (const { key, version, value } of page) {
      const row = canonicalize([key, version, value === null ? null : JSON.parse(value)])
      digest = hash('sha256', digest + row, 'hex')
      rows += 1
    }
  return { view: viewName(view), digest: `sha256:${digest}`, rows }
}

const viewName = ({ name, version }: ViewName): string => `${name}@${version}`

/**
 * Holds a view's snapshot against the digest that the log signs, before anything is folded on top of it. Throws
 * `log.corrupt` where it differs, `log.unsupported` where there is none and the view follows what was pruned.
 */
async function checkSnapshot(
  store: Pick<StoreReader, 'scan'>,
  pruning: Pick<Pruning, 'minimumIndex' | 'views' | 'types'>,
  view: View,
): Promise<void> {
  const { minimumIndex, views } = pruning
  const signed = views.find((each) => each.view === viewName(view))
  if (signed === undefined) {
    if (!missesEntries(view, pruning)) return
    throw new PolityError(
      'log.unsupported',
      `there is no snapshot of ${viewName(view)}, and entries that it follows were pruned`,
      { view: viewName(view), minimumIndex },
    )
  }
  const { digest, rows } = await snapshotDigest(store, minimumIndex, view)
  if (digest !== signed.digest || rows !== signed.rows)
    throw new PolityError(
      'log.corrupt',
      `the snapshot of ${viewName(view)} is not the one that the log signed when it was pruned below ${minimumIndex}`,
      { view: viewName(view), minimumIndex, digest, signed: signed.digest },
    )
}

/**
 * Fills an empty store with what the pruned entries left of these views, and answers from which entry on they are
 * to be folded: 0 in a log that is whole. Throws what `checkSnapshot` throws.
 */
export async function seedPruned(
  scratch: Pick<Store, 'commit'>,
  store: Pick<StoreReader, 'scan' | 'entries' | 'minimumIndex'>,
  views: readonly View[],
  signal?: AbortSignal,
): Promise<number> {
  if ((await store.minimumIndex()) === 0) return 0
  const pruning = await lastPruning(store)
  if (pruning === undefined)
    throw new PolityError(
      'log.corrupt',
      'entries are missing, and nothing in the log says that they were pruned',
    )
  for (const view of views) {
    await checkSnapshot(store, pruning, view)
    for await (const rows of snapshotRows(store, pruning.minimumIndex, view)) {
      if (signal?.aborted) throw new PolityError('cancelled', 'reading was cancelled', {}, signal.reason)
      await scratch.commit({ entries: [], nodes: [], rows })
    }
  }
  return pruning.minimumIndex
}
