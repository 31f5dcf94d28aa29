// The messages between a hub and its writer thread. Errors travel as plain data.

import type { ErrorWire } from '../../errors.ts'
import type { Proposal, Published, Receipt } from '../proposal.ts'

export interface WriterThreadData {
  readonly databasePath: string
  readonly origin: string
  readonly keyPath: string
  readonly anchorPath: string
  /** The copy of the last checkpoint beside the data, if there is one. */
  readonly checkpointPath?: string
  readonly vaultKeyPath: string
  /** URLs of contract files: functions cannot cross threads, so the thread imports the views itself. */
  readonly contracts: readonly string[]
  readonly publishIntervalMs?: number
}

export type ToWriter =
  | {
      readonly kind: 'propose'
      readonly items: readonly { readonly id: number; readonly proposal: Proposal }[]
    }
  | { readonly kind: 'sweep'; readonly id: number; readonly table: string; readonly nowMs: number }
  | { readonly kind: 'close'; readonly id: number }

export type Answer =
  | { readonly id: number; readonly receipt: Receipt }
  | { readonly id: number; readonly count: number }
  | { readonly id: number; readonly error: ErrorWire }

export type FromWriter =
  | { readonly kind: 'opened'; readonly vkey: string; readonly isAnchorAdopted: boolean }
  | { readonly kind: 'refused'; readonly error: ErrorWire }
  | { readonly kind: 'answers'; readonly items: readonly Answer[] }
  | { readonly kind: 'published'; readonly published: Published }
  | { readonly kind: 'failure'; readonly error: ErrorWire }
  | { readonly kind: 'lost'; readonly error: ErrorWire }
