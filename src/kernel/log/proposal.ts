// What a caller hands to the writer, and what comes back.

import { Buffer } from 'node:buffer'
import { PolityError } from '../errors.ts'
import type { RowPlace } from '../store/store.ts'
import type { Seal } from '../vault/vault.ts'
import type { CountChange } from './count.ts'
import type { Expectation } from './view.ts'

/** A write of working state: transactional with the entries beside it, fenced by expectations, not logged. */
export interface WorkingWrite {
  readonly table: string
  readonly key: string
  /** JSON text; null removes the row. */
  readonly value: string | null
  readonly expiresAtMs?: number
  /** In the place of `value`, which is null then: the row is a count, and is changed as it stands in this commit. */
  readonly count?: CountChange
}

/** Everything in it happens in one transaction, or nothing does. */
export interface Proposal {
  /** Canonical texts of sealed entries, in order. */
  readonly entries: readonly string[]
  readonly expect?: readonly Expectation[]
  readonly rows?: readonly WorkingWrite[]
  readonly seals?: readonly Seal[]
  /** Vault subjects whose keys this proposal destroys. */
  readonly shred?: readonly string[]
  /** Rows of working state that go without a tombstone, before `rows` are written: what is derived and will not come again. */
  readonly drop?: readonly RowPlace[]
  /** Entries below this seq go, once the proposal is committed: see `Batch.pruneBelow`. */
  readonly pruneBelow?: number
}

/** Where the entries of a proposal stand: the first seq, how many, and the log size that covers them. */
export interface Receipt {
  readonly first: number
  readonly count: number
  readonly size: number
}

/** A checkpoint that is signed and anchored: what outsiders may know of the log. */
export interface Published {
  readonly size: number
  /** The signed note. */
  readonly checkpoint: string
}

/** What everybody is refused with once the log was lost: another hub moved its anchor, or its writer is gone. */
export const closedBy = (loss: PolityError): PolityError =>
  loss.code === 'log.closed'
    ? loss
    : new PolityError(
        'log.closed',
        `the log takes no more entries: ${loss.message}`,
        { reason: loss.code },
        loss,
      )

/** What a proposal takes: the UTF-8 bytes of its texts, keys and private payloads. */
export function sizeBytesOf({ entries, rows = [], seals = [], shred = [], drop = [] }: Proposal): number {
  const texts = [
    ...entries,
    ...shred,
    ...drop.flatMap(({ table, key }) => [table, key]),
    ...rows.flatMap(({ table, key, value }) => [table, key, value ?? '']),
    ...seals.flatMap(({ subject, openings }) => [
      subject,
      ...openings.flatMap(({ commitment, canonical }) => [commitment, canonical]),
    ]),
  ]
  return texts.reduce((sizeBytes, text) => sizeBytes + Buffer.byteLength(text), 0)
}

/**
 * Queue bounds. `reserved` proposals (outcomes, revocations) may use the room that decisions may not. One that
 * is larger than the queue is taken when nothing else waits.
 */
export const LIMITS = {
  queueProposals: 8192,
  queueReservedProposals: 4096,
  queueSizeBytes: 64 * 1024 * 1024,
  queueReservedSizeBytes: 32 * 1024 * 1024,
  batchProposals: 256,
  entriesPerProposal: 1024,
  batchSizeBytes: 8 * 1024 * 1024,
} as const
