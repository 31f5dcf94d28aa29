// A module: a contract that others may import, and the handlers behind it.

import type { Env } from '../env.ts'
import type { CommandHandler, QueryHandler } from './definition.ts'

/** What a module may use beside its handlers' contexts. */
export interface ModuleHost {
  readonly env: Env
  /** Makes and names a folder of the module's own under DATA, for what can be derived again. */
  cacheDir(): string
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
