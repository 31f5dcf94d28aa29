// What a log says of its own pruned beginning: the fact that announces it, and the entries of it that are kept as evidence.

import { PolityError } from '../errors.ts'
import { Closed, Integer, Sha256, type Static, Type } from '../schema/schema.ts'
import { pages } from '../store/pages.ts'
import type { StoreReader } from '../store/store.ts'
import { entryType, parseEntry } from './entry.ts'
import { numberKey } from './layout.ts'
import { type View, viewTable } from './view.ts'

/** Keys change rarely: far fewer than an announcement can name. */
const KEPT_MAX = 4096

/** Digest and number of rows of one view, folded from the entries below the minimum index. */
const ViewSnapshot = Closed({ view: Type.String(), digest: Sha256, rows: Integer })

/**
 * Announces that entries below `minimumIndex` go (C2SP tlog-tiles, "Pruning"). They are removed only once this entry
 * is published, so whoever finds them missing finds a signed reason.
 */
export const LogPruned = entryType('log.pruned@1', {
  minimumIndex: Integer,
  /** The minimum index before. */
  previous: Integer,
  /** Every entry that goes is older. */
  policyDays: Integer,
  /** Every view that the hub knew, folded from the entries below the minimum index. */
  views: Type.Array(ViewSnapshot),
  /** The types of all entries that ever went: whatever follows none of them misses nothing. */
  types: Type.Array(Type.String()),
  /** Every entry that went and is kept as evidence: nobody can withhold one unseen. */
  kept: Type.Array(Integer, { maxItems: KEPT_MAX }),
})

export type Pruning = Static<typeof LogPruned.schema>
export interface RecordedPruning extends Pruning {
  /** Where `log.pruned@1` stands. */
  readonly seq: number
}

/** Working state: seq in 16 digits -> KeptEntry without its seq. */
export const LOG_KEPT = 'log.kept'
/** Entries of these types outlive their removal: without them nobody could follow the log's keys. */
export const KEPT_TYPES: readonly string[] = [
  'log.opened@1',
  'log.key-rotated@1',
  'log.key-retired@1',
  'log.cosigner-named@1',
]

/** An entry that was removed, its canonical text, and the C2SP tlog-proof that the log held it. */
export interface KeptEntry {
  readonly seq: number
  readonly text: string
  readonly proof: string
}

/** The newest announcement, carried out or not; undefined in a log that was never pruned. */
export async function lastPruning(log: Pick<StoreReader, 'entries'>): Promise<RecordedPruning | undefined> {
  const [stored] = await log.entries({
    from: 0,
    to: Number.MAX_SAFE_INTEGER,
    limit: 1,
    type: LogPruned.name,
    reverse: true,
  })
  if (stored === undefined) return undefined
  return { ...(parseEntry(stored.seq, stored.bytes).data as Pruning), seq: stored.seq }
}

export async function keptEntry(
  store: Pick<StoreReader, 'load'>,
  seq: number,
): Promise<KeptEntry | undefined> {
  const value = (await store.load(LOG_KEPT, [numberKey(seq)])).value.get(numberKey(seq))?.value
  return value == null ? undefined : readKept(numberKey(seq), value)
}

/** In order. Throws `log.corrupt`. */
export async function keptEntries(store: Pick<StoreReader, 'scan'>): Promise<KeptEntry[]> {
  const kept: KeptEntry[] = []
  for await (const page of pages(store, LOG_KEPT))
    kept.push(...page.map(({ key, value }) => readKept(key, value)))
  return kept
}

function readKept(key: string, value: string): KeptEntry {
  const damaged = (cause?: unknown) =>
    new PolityError('log.corrupt', `the row ${LOG_KEPT} ${key} is damaged`, { table: LOG_KEPT, key }, cause)
  let kept: Partial<KeptEntry> | null
  try {
    kept = JSON.parse(value)
  } catch (error) {
    throw damaged(error)
  }
  const { text, proof } = kept ?? {}
  if (typeof text !== 'string' || typeof proof !== 'string') throw damaged()
  return { seq: Number(key), text, proof }
}

/** Whether some pruned entry would have touched the view. */
export const missesEntries = (view: View, { types }: Pick<Pruning, 'types'>): boolean =>
  view.from.some(({ name }) => types.includes(name))

/**
 * Where a view that is folded up to `from` can be folded on: there, or at the minimum index where it follows nothing
 * that went. Throws `log.unsupported` where its entries are gone.
 */
export async function foldStart(
  store: Pick<StoreReader, 'entries' | 'minimumIndex'>,
  view: View,
  from: number,
): Promise<number> {
  const minimumIndex = await store.minimumIndex()
  if (from >= minimumIndex) return from
  const pruning = await lastPruning(store)
  if (pruning !== undefined && !missesEntries(view, pruning)) return minimumIndex
  throw new PolityError(
    'log.unsupported',
    `${viewTable(view)} has to be folded from entry ${from} on, and entries below ${minimumIndex} were pruned: ` +
      'run the release that knew this view, or leave out the module that brings it',
    { table: viewTable(view), from, minimumIndex },
  )
}

/** The error of whoever asks for an entry that went. */
export const prunedEntry = (seq: number, minimumIndex: number): PolityError =>
  new PolityError(
    'log.pruned',
    `entry ${seq} was pruned: the log holds entries from ${minimumIndex} on, see /log/retention`,
    { seq, minimumIndex },
  )
