// The fold of a stretch of the log: batch by batch, the very rows that the writer would have written.

import { asPolityError, PolityError } from '../errors.ts'
import type { RowWrite, StoredEntry, StoreReader } from '../store/store.ts'
import { BatchRows, ProposalRows } from './batch-rows.ts'
import { type Entry, parseEntry } from './entry.ts'
import { type View, viewTable } from './view.ts'

const BATCH_ENTRIES = 1000

export interface Stretch {
  /** Inclusive. */
  readonly from: number
  /** Exclusive. */
  readonly to: number
}

export interface FoldedBatch {
  readonly rows: RowWrite[]
  /** The views are folded up to here. */
  readonly to: number
}

/**
 * Folds stored entries in bounded batches. Whoever iterates commits each batch to `rows` before asking for the
 * next one, which reads what was committed. Throws `log.corrupt` for an entry that is missing or unreadable,
 * `log.unsupported` for one that a view cannot fold.
 */
export async function* foldEntries(
  {
    log,
    rows: target,
    views,
  }: {
    readonly log: Pick<StoreReader, 'entries'>
    readonly rows: Pick<StoreReader, 'load'>
    readonly views: readonly View[]
  },
  { from, to }: Stretch,
): AsyncGenerator<FoldedBatch, void> {
  const followed = new Set(views.flatMap((each) => each.from.map(({ name }) => name)))
  for (let next = from; next < to; ) {
    const stored = await readEntries(log, { from: next, to })
    // What no view follows need not even be parsed.
    const entries = stored.flatMap(({ seq, type, bytes }) =>
      followed.has(type) ? [parseEntry(seq, bytes)] : [],
    )
    const rows = await BatchRows.load(target, views, [{ proposal: { entries: [] }, entries }])
    const overlay = new ProposalRows(rows)
    for (const entry of entries) foldEntry(overlay, views, entry)
    overlay.merge()
    next += stored.length
    yield { rows: rows.writes(), to: next }
  }
}

async function readEntries(
  log: Pick<StoreReader, 'entries'>,
  { from, to }: Stretch,
): Promise<readonly StoredEntry[]> {
  const entries = await log.entries({ from, to, limit: BATCH_ENTRIES })
  if (entries[0]?.seq !== from || entries.at(-1)?.seq !== from + entries.length - 1)
    throw new PolityError('log.corrupt', `an entry is missing at or after ${from}`, { seq: from })
  return entries
}

/** The writer refuses a proposal that a view cannot fold; what is in the log can only refuse the view. */
function foldEntry(overlay: ProposalRows, views: readonly View[], entry: Entry): void {
  for (const each of views)
    try {
      overlay.fold([each], entry)
    } catch (error) {
      const table = viewTable(each)
      throw new PolityError(
        'log.unsupported',
        `${table} cannot fold entry ${entry.seq}: ${asPolityError(error).message}`,
        { table, seq: entry.seq },
        error,
      )
    }
}
