// A realm's storage side, opened: what every room of the kernel works with.

import type { Env } from '../env.ts'
import type { PolityError } from '../errors.ts'
import type { SignerCommand } from '../log/command-signer.ts'
import type { Log } from '../log/log.ts'
import type { LocalSigner } from '../log/signer.ts'
import type { View } from '../log/view.ts'
import type { Views } from '../log/views.ts'
import type { WitnessedHead } from '../log/witnessed.ts'
import type { Store } from '../store/store.ts'
import type { Vault } from '../vault/vault.ts'
import type { Wake } from '../wake/wake.ts'
import type { RealmKeys } from './realm-keys.ts'

export interface Realm {
  readonly name: string
  readonly log: Log
  /** What witnesses have cosigned; set by the room that asks them. */
  readonly witnessed: WitnessedHead
  readonly views: Views
  /** The same rows without the wait for the anchor: for the kernel's own decisions. */
  readonly committed: Views
  readonly vault: Vault
  readonly reader: Store
  readonly vaultKey: Uint8Array
  /** Signs statements; its public key stands in the log's first entry. */
  readonly statementSigner: LocalSigner
  /** Hands over to another signing key. */
  readonly keys: RealmKeys
  readonly isAnchorAdopted: boolean
  /** Names this hub among those that share the log; another one each time it opens. */
  readonly holder: string
  /** Whether no other hub can be at work on this log. */
  readonly isAlone: boolean
  /** Whether this hub is the one that writes; absent where there is no other. */
  isWriter?(): boolean
  /** Tells hubs on the same log that there is something to look at; absent where there is no other. */
  readonly wake?: Pick<Wake, 'notify' | 'wait'>
  /** The views of all contracts: what every commit folds. */
  readonly folded: readonly View[]
  /** Drops all expired working rows of a table, in turns; answers how many. */
  sweep(table: string): Promise<number>
  close(): Promise<void>
}

/** A contract as the writer needs it: its URL for a thread, its exports in place. */
export interface Contract {
  readonly url: string
  readonly exports: Readonly<Record<string, unknown>>
}

export interface RealmOptions {
  readonly name: string
  /** Folder of the realm; absent: everything in memory, gone with the process. */
  readonly dir?: string
  /** `postgres://...`: the log is in this database, which other hubs may share; keys and caches stay in `dir`. */
  readonly storeUrl?: string
  /** Default: outside of DATA, in the user's state folder. */
  readonly anchorPath?: string
  /** A program that holds the signing key; default: a file in `dir`. */
  readonly signer?: SignerCommand
  /** Whether retained checkpoints carry an ML-DSA-44 cosignature of the log's own. */
  readonly isMlDsa?: boolean
  readonly contracts: readonly Contract[]
  readonly env: Env
  readonly publishIntervalMs?: number
  readonly onFailure: (error: PolityError) => void
}
