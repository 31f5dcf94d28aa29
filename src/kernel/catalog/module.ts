// A module: a contract that others may import, and the handlers behind it.

import type { Deliveries } from '../deliveries/deliveries.ts'
import type { Egress } from '../egress/egress.ts'
import type { Awaitable, Env } from '../env.ts'
import type { PolityError } from '../errors.ts'
import type { Feed, FeedOptions } from '../feed/feed.ts'
import type { Subscriptions } from '../feed/subscription.ts'
import type { Draft } from '../log/entry.ts'
import type { ReadableLog } from '../log/log.ts'
import type { Receipt } from '../log/proposal.ts'
import type { Fields, Static, TSchema, Type } from '../schema/schema.ts'
import type { Targets } from '../targets/targets.ts'
import type { Caller } from './caller.ts'
import type { Invocable, Reads } from './context.ts'
import type { CommandHandler, Definition, QueryHandler } from './definition.ts'
import type { FaceOf, ProvidedFace } from './face.ts'
import type { ApprovalDesk } from './invocation.ts'
import type { StandingSource } from './standing.ts'
import type { RowChange, WorkingReads } from './working-rows.ts'

/** What a module may use beside its handlers' contexts. */
export interface ModuleHost {
  readonly env: Env
  /** `polity://realm` */
  readonly source: string
  /** Makes and names a folder of the module's own under DATA, for what can be derived again. */
  cacheDir(): string
  /** Makes and names a folder of the module's own under DATA, for what must not be lost; in memory it goes with the hub. */
  dataDir(): string
  /** Calls a handler at least once for every published entry of some types, in order. Closed with the hub. */
  follow(options: FeedOptions): Feed
  /** As `follow`, for many at a time: filters, keys, retries, parked items. Closed with the hub. */
  readonly subscriptions: Subscriptions
  /** The hub itself asks for an action, through the gate, as `hub:polity`. Throws `denied`, also where it was suspended. */
  invokeAsHub<F extends Fields, O extends TSchema>(
    definition: Invocable<F, O>,
    input: Static<Type.TObject<F>>,
    options?: { readonly key?: string },
  ): Promise<Static<O>>
  /** Asks for any action in the name of somebody who has asked this module to: a schedule, a route. Throws as `invokeAsHub`. */
  invokeAs(
    caller: Caller,
    action: string,
    input: unknown,
    options?: { readonly key?: string },
  ): Promise<unknown>
  /** What can be asked for on this hub. Throws `internal` until all modules are open. */
  definitions(): readonly Definition[]
  /** Views as everybody sees them, private fields opened. */
  readonly reads: Reads
  /** Opens private references in the data of an entry; for whom it may be opened, the module decides (`log/audience.ts`). */
  reveal(publicForm: unknown): Promise<unknown>
  /** Facts that the module states by itself, as the hub, in one commit with rows of its area. */
  record(drafts: readonly Draft[], beside?: ModuleBeside): Promise<Receipt>
  /** Working rows of the module's area. */
  readonly rows: WorkingReads
  /**
   * Acts as the only one of the hubs that share the log, under a lease of this name; undefined, and nothing done, while
   * another hub does. Begins nothing more once `lost` is aborted.
   */
  underLease<T>(name: string, act: (lost: AbortSignal) => Promise<T>): Promise<T | undefined>
  /** To read and follow. */
  readonly log: ReadableLog
  /** Requests to the outside: no private address unless allowed, no redirects, everything bounded. */
  readonly egress: Egress
  /** Breakers, bulkheads and retry budgets, one set per hub. */
  readonly targets: Targets
  /** Durable requests to the outside. */
  readonly deliveries: Deliveries
  /** The value behind `env:`, `file:` or `vault:`. Throws `secret.missing`. */
  secret(reference: string): Promise<string>
  /** What another module of this hub shows; undefined until it is opened, or where it is absent. */
  readonly face: FaceOf
  /** What went wrong in the background; it is not in anybody's answer. */
  readonly onFailure: (error: PolityError) => void
  /** Signs with the hub's statement key, which the log's first entry names. */
  readonly statementSigner: StatementSigner
}

/** What a module commits beside its facts. */
export interface ModuleBeside {
  readonly changes?: readonly RowChange[]
  /** Rows of the module's area, and of views, that must still have the version that was read. */
  readonly expect?: readonly { readonly table: string; readonly key: string; readonly version: number }[]
}

export interface StatementSigner {
  /** Hex SHA-256 of the public key. */
  readonly keyid: string
  /** Raw Ed25519 public key. */
  readonly publicKey: Uint8Array
  sign(bytes: Uint8Array): Uint8Array
}

export interface OpenedModule {
  readonly commands?: readonly CommandHandler[]
  readonly queries?: readonly QueryHandler[]
  /** Throws the reason for which the private payloads of a subject must stay, if the module knows one. */
  requireErasable?(reads: Pick<Reads, 'get'>, subject: string, nowMs: number): Promise<void>
  /** Tables of the module's area of which expired rows are dropped regularly. */
  readonly sweptTables?: readonly string[]
  /** What it shows beside actions and queries. */
  readonly faces?: readonly ProvidedFace[]
  /** What it works by beside its code (routes, manifests): named in the report of a start by this digest. */
  readonly declared?: { readonly name: string; digest(): Promise<string> | string }
  /** What it knows about whoever asks for something. */
  readonly standing?: StandingSource
  /** Keeps what waits for people, and has it carried out. */
  readonly desk?: ApprovalDesk
  /** Counts of what stands now, by name, for whoever watches the hub: `halts_in_force`. */
  gauges?(): Awaitable<Readonly<Record<string, number>>>
  /** Ends what the module started (threads, children). */
  close?(): Promise<void>
}

export interface Module {
  readonly name: string
  /** The namespace of contract.ts: entry types, views and definitions are found in it. */
  readonly contract: Readonly<Record<string, unknown>>
  /** Its URL, from which the writer thread imports the views. */
  readonly contractUrl: string
  open(host: ModuleHost): OpenedModule | Promise<OpenedModule>
}

export const defineModule = (
  name: string,
  contract: { readonly url: string; readonly exports: Readonly<Record<string, unknown>> },
  open: Module['open'] | OpenedModule,
): Module => ({
  name,
  contract: contract.exports,
  contractUrl: contract.url,
  open: typeof open === 'function' ? open : () => open,
})
