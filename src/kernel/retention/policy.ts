// The policy in force: how long entries stay, which holds stand, and what is published of both.

import type { Reads } from '../catalog/context.ts'
import { PolityError } from '../errors.ts'
import { parseEntry } from '../log/entry.ts'
import type { Log } from '../log/log.ts'
import { type KeptEntry, keptEntries, lastPruning } from '../log/pruning.ts'
import type { Views } from '../log/views.ts'
import type { StoreReader } from '../store/store.ts'
import {
  HOLDS_MAX,
  type Hold,
  heldSubjects,
  holds,
  RETENTION_KEY,
  type RetentionNotice,
  type RetentionState,
  retentionState,
  UNSET,
} from './contract.ts'

/**
 * The holds that stand on a subject. In an atomic command they are part of what it read: a hold that is placed
 * meanwhile makes it run again.
 */
export async function holdsOn(reads: Pick<Reads, 'get'>, subject: string): Promise<Hold[]> {
  const names = (await reads.get(heldSubjects, subject))?.value.holds ?? []
  const rows = await Promise.all(names.map((name) => reads.get(holds, name)))
  return rows.flatMap((row) => (row === undefined ? [] : [row.value]))
}

/** Throws `hold.active` while a legal hold stands on the subject. */
export async function requireUnheld(
  reads: Pick<Reads, 'get'>,
  subject: string,
  what = 'erased',
): Promise<void> {
  const [hold] = await holdsOn(reads, subject)
  if (hold)
    throw new PolityError(
      'hold.active',
      `${subject} is under the legal hold ${hold.name}: it cannot be ${what} until that is released`,
      { subject, hold: hold.name, reason: hold.reason },
    )
}

export const allHolds = async (views: Pick<Views, 'list'>): Promise<Hold[]> =>
  (await views.list(holds, { limit: HOLDS_MAX })).map(({ value }) => value)

/** The state and the version that an expectation compares. */
export async function readState(
  views: Pick<Views, 'read'>,
): Promise<{ readonly version: number; readonly state: RetentionState }> {
  const { version, value = UNSET } = await views.read(retentionState, RETENTION_KEY)
  return { version, state: value }
}

/** What of it a hub shows to everybody. */
export interface PublicRetention {
  notice(): Promise<RetentionNotice>
  /** What of the entries that went is kept as evidence. */
  kept(): Promise<readonly KeptEntry[]>
}

export const publicRetention = (
  ports: NoticePorts & { readonly reader: Pick<StoreReader, 'scan'> },
): PublicRetention => ({
  notice: () => retentionNotice(ports),
  kept: () => keptEntries(ports.reader),
})

export interface NoticePorts {
  readonly views: Pick<Views, 'read'>
  readonly reader: Pick<StoreReader, 'entries' | 'minimumIndex'>
  readonly log: Pick<Log, 'head'>
}

/** What everybody may know. Not more than what is published counts. */
export async function retentionNotice({ views, reader, log }: NoticePorts): Promise<RetentionNotice> {
  const { state } = await readState(views)
  const { size } = log.head()
  const minimumIndex = await reader.minimumIndex()
  const [oldest] = await reader.entries({ from: minimumIndex, to: size, limit: 1 })
  const pruning = await lastPruning(reader)
  return {
    days: state.days,
    minimumIndex,
    size,
    holds: state.holds,
    ...(oldest === undefined
      ? {}
      : { oldest: { seq: oldest.seq, time: parseEntry(oldest.seq, oldest.bytes).time } }),
    ...(pruning === undefined || pruning.seq >= size
      ? {}
      : {
          snapshot: { entry: pruning.seq, minimumIndex: pruning.minimumIndex, views: pruning.views },
        }),
  }
}
