// The port of whatever a log is loaded from: a backup, a public export, or the folder of a hub.

import type { TileRef } from '../../kit/tile-tree.ts'
import type { Published } from '../log/proposal.ts'
import type { StoredRow } from '../store/store.ts'

export interface TransferSource {
  /** For people: a path. */
  readonly name: string
  readonly origin: string
  readonly vkey: string
  /** The newest checkpoint that the key has signed and all of whose entries are here; undefined when none is. */
  readonly head: Published | undefined
  /** Further notes of this log that the source shows: what is known of it beyond what is here. */
  readonly shown: readonly string[]
  /** Entries held; those from `head.size` on are signed by nobody yet. */
  readonly size: number
  /** Entries below it were pruned. */
  readonly minimumIndex: number
  /** The bytes of entries from `minimumIndex` on, in order and in batches. */
  entries(signal?: AbortSignal): AsyncIterable<readonly Uint8Array[]>
  /** A hash tile of level 1 or more of the tree under `head`. */
  tile(ref: TileRef): Promise<Uint8Array>
  /** Every row that cannot be folded from the entries. */
  rows(signal?: AbortSignal): AsyncIterable<readonly StoredRow[]>
  /**
   * Whether everything here, signed or not, is as the holder of the vault's key wrote it; false where nothing tells.
   * Throws `backup.torn` for what the key contradicts. Absent from sources that are no backups.
   */
  authenticate?(vaultKey: Uint8Array): boolean
  close(): Promise<void>
}

/** Entries that are read, or written in one transaction, at a time. */
export const TRANSFER_BATCH_ENTRIES = 1000
