// A count that many proposals raise at once: each says by how much and up to where, and the writer adds in the order of commits.

import { PolityError } from '../errors.ts'

/** Units that count from one moment on, until they are too old. */
export interface Slice {
  /** Milliseconds since 1970: the beginning of the slice; 0 for what never grows old. */
  readonly atMs: number
  readonly used: number
  /** Taken, and neither used nor given back yet. */
  readonly reserved: number
}

/** The value of a count's row: slices in order of time. */
export interface CountRow {
  readonly slices: readonly Slice[]
}

/** Written in the place of a value. */
export interface CountChange {
  /** The slice that changes. */
  readonly atMs: number
  /** By how much; what would fall below nothing is nothing. */
  readonly used: number
  readonly reserved: number
  /** Of a claim, which may open a slice. Absent: what was claimed is settled, in its slice if that still counts. */
  readonly claim?: {
    /** Slices before it count no more, and go. */
    readonly fromMs: number
    /** What everything that counts may come to at most; absent: there is no bound. */
    readonly max?: number
  }
}

/** Further back nothing counts: a row has at most one slice more. */
const SLICES_MAX = 15

const NONE: CountRow = { slices: [] }

/** Everything in the slices from `fromMs` on. */
export const sumOf = ({ slices }: CountRow, fromMs = 0): number =>
  slices.reduce((sum, { atMs, used, reserved }) => (atMs < fromMs ? sum : bounded(sum + used + reserved)), 0)

/**
 * The row after a change. Throws `expectation.failed` for a claim that goes beyond its bound, or that was made for a
 * slice which is over: whoever made it looks again.
 */
export function counted(
  row: CountRow | undefined,
  change: CountChange,
  place: { readonly table: string; readonly key: string },
): CountRow {
  const { slices } = row ?? NONE
  const { atMs, claim } = change
  if (claim === undefined) return { slices: slices.map((slice) => changed(slice, change)) }
  const newestMs = slices.at(-1)?.atMs ?? 0
  if (atMs < newestMs) throw refused(place, `has gone on to ${newestMs} already`)
  const kept = slices.filter((slice) => slice.atMs >= claim.fromMs).slice(-SLICES_MAX)
  const opened = kept.at(-1)?.atMs === atMs ? kept : [...kept, { atMs, used: 0, reserved: 0 }]
  const next = { slices: opened.map((slice) => changed(slice, change)) }
  const sum = sumOf(next)
  if (claim.max !== undefined && sum > claim.max)
    throw refused(place, `would come to ${sum}, of ${claim.max} at most`)
  return next
}

const changed = (slice: Slice, { atMs, used, reserved }: CountChange): Slice =>
  slice.atMs === atMs
    ? { atMs, used: bounded(slice.used + used), reserved: bounded(slice.reserved + reserved) }
    : slice

const bounded = (sum: number): number => Math.min(Math.max(sum, 0), Number.MAX_SAFE_INTEGER)

const refused = ({ table, key }: { readonly table: string; readonly key: string }, why: string) =>
  new PolityError('expectation.failed', `the count ${table} ${key} ${why}`, { table, key })
