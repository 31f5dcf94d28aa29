// A module: a contract that others may import, and the handlers behind it.

import type { Env } from '../env.ts'
import type { Feed, FeedOptions } from '../feed/feed.ts'
import type { Fields, Static, TSchema, Type } from '../schema/schema.ts'
import type { Invocable, Reads } from './context.ts'
import type { CommandHandler, QueryHandler } from './definition.ts'

/** What a module may use beside its handlers' contexts. */
export interface ModuleHost {
  readonly env: Env
  /** Makes and names a folder of the module's own under DATA, for what can be derived again. */
  cacheDir(): string
  /** Makes and names a folder of the module's own under DATA, for what must not be lost; in memory it goes with the hub. */
  dataDir(): string
  /** Calls a handler at least once for every published entry of some types, in order. Closed with the hub. */
  follow(options: FeedOptions): Feed
  /** The hub itself asks for an action, through the gate, as `hub:polity`. Throws `denied`, also where it was suspended. */
  invokeAsHub<F extends Fields, O extends TSchema>(
    definition: Invocable<F, O>,
    input: Static<Type.TObject<F>>,
    options?: { readonly key?: string },
  ): Promise<Static<O>>
  /** Signs with the hub's statement key, which the log's first entry names. */
  readonly statementSigner: StatementSigner
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
