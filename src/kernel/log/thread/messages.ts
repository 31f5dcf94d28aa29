// The messages between a hub and its writer thread. Errors travel as plain data.

import type { ErrorWire } from '../../errors.ts'
import type { Rotation, RotationClaim } from '../../keys/rotation.ts'
import type { SignerCommand } from '../command-signer.ts'
import type { Proposal, Published, Receipt } from '../proposal.ts'

/** Where the writer finds its store, and the anchor that belongs to it. */
export type WriterPlace =
  | { readonly kind: 'sqlite'; readonly databasePath: string; readonly anchorPath: string }
  /** `epoch`: the fencing token under which this writer may write. */
  | { readonly kind: 'postgres'; readonly url: string; readonly realm: string; readonly epoch: number }

export interface WriterThreadData {
  readonly place: WriterPlace
  readonly origin: string
  readonly keyPath: string
  /** Holds the signing key, or its successor where there is a file at `keyPath`. */
  readonly signerCommand?: SignerCommand
  /** Where the ML-DSA-44 key is that cosigns retained checkpoints; absent: none does. */
  readonly mlDsaKeyPath?: string
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
  | {
      readonly kind: 'prepare-key'
      readonly id: number
      readonly claim: Omit<RotationClaim, 'from' | 'to'>
    }
  | {
      readonly kind: 'settle-keys'
      readonly id: number
      readonly keys: { readonly current: string; readonly previous?: string }
    }
  | { readonly kind: 'close'; readonly id: number }

export type Answer =
  | { readonly id: number; readonly receipt: Receipt }
  | { readonly id: number; readonly count: number }
  | { readonly id: number; readonly rotation: Rotation; readonly vkeys: readonly string[] }
  | { readonly id: number; readonly vkeys: readonly string[] }
  | { readonly id: number; readonly error: ErrorWire }

export type FromWriter =
  | {
      readonly kind: 'opened'
      readonly vkey: string
      readonly vkeys: readonly string[]
      readonly cosignerVkey?: string
      readonly isAnchorAdopted: boolean
    }
  | { readonly kind: 'refused'; readonly error: ErrorWire }
  | { readonly kind: 'answers'; readonly items: readonly Answer[] }
  | { readonly kind: 'published'; readonly published: Published }
  | { readonly kind: 'failure'; readonly error: ErrorWire }
  | { readonly kind: 'lost'; readonly error: ErrorWire }
