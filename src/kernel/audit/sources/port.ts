// The port of verification: a log as its holder shows it, from a folder, a hub or a store.

import type { TileRef } from '../../../kit/tile-tree.ts'
import type { KeptEntry } from '../../log/pruning.ts'
import type { ClaimedEntry } from '../verify/entry.ts'

/** A signed note that the source shows, and where it stood (`anchor`, `checkpoint`). */
export interface ShownCheckpoint {
  readonly name: string
  readonly note: string
}

/** A checkpoint that was kept when the log had moved on. */
export interface ShownRetained extends ShownCheckpoint {
  readonly size: number
  /** RFC 3161 response (DER). */
  readonly timestamp?: Uint8Array
}

/** A log as its holder shows it. Nothing in it is believed: `verifyLog` derives everything from the bytes. */
export interface LogSource {
  /** For people: a path or URL. */
  readonly name: string
  readonly kind: 'data' | 'export' | 'hub'
  /** The verifier key that lies beside the log. */
  readonly vkey?: string
  /** The origin that lies beside the log. */
  readonly origin?: string
  /** At least one; the one of the greatest size is the head. */
  readonly checkpoints: readonly ShownCheckpoint[]
  /** C2SP tlog-tiles, "Pruning": entries below it are gone. Default 0. A claim, which the log itself must explain. */
  readonly minimumIndex?: number
  /** Entries below the minimum index that are kept as evidence, in order. */
  readonly kept?: readonly KeptEntry[]
  /** Older checkpoints; each must be met on the way to the head. */
  readonly retained?: readonly ShownRetained[]
  /** Entries held, where the source holds more than its checkpoint covers or knows better. */
  readonly size?: number
  /** Entries [minimumIndex, size) in order, in batches. May end early; the verifier sees what is missing. */
  entries(size: number, signal?: AbortSignal): AsyncIterable<readonly ClaimedEntry[]>
  /** A hash tile of the tree of `size` entries: 32 * width bytes or less where the source lacks some. */
  tile(ref: TileRef, signal?: AbortSignal): Promise<Uint8Array>
  close(): Promise<void>
}

export interface OpenSourceOptions {
  /** Environment variables, for the default place of the anchor. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** DATA only: where the anchor is, if not at its default place. */
  readonly anchorPath?: string
  /** DATA only: the database that holds the log, where it is not in the folder. */
  readonly storeUrl?: string | undefined
  /** URL only: bearer token, for hubs whose entries are not public. */
  readonly token?: string
  readonly signal?: AbortSignal
}
