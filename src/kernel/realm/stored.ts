// A realm's store without its hub: in the folder, or in the database that several hubs share.

import { dataPaths } from '../log/layout.ts'
import { sqliteStore } from '../store/sqlite/sqlite-store.ts'
import type { Store } from '../store/store.ts'

export interface StoredPlace {
  /** DATA: the database itself, or the keys beside one elsewhere. */
  readonly dir: string
  /** `postgres://...` */
  readonly storeUrl?: string | undefined
  /** Default `main`. */
  readonly realm?: string
}

export interface StoredRealm {
  readonly store: Store
  /** Where it is, for people; never holds a password. */
  readonly place: string
  /** The last checkpoint that the hubs of a shared database published; a folder has its own places for it. */
  published(): Promise<string | undefined>
  /** Closes the store too. */
  close(): Promise<void>
}

/**
 * `write` is for tools that work beside no hub: a folder must be locked by whoever asks, a database refuses
 * (`store.fenced`) while a hub holds its lease. Throws what opening a Store throws.
 */
export async function openStored(
  { dir, storeUrl, realm = 'main' }: StoredPlace,
  mode: 'read' | 'write',
): Promise<StoredRealm> {
  if (storeUrl === undefined) {
    const { database } = dataPaths(dir)
    const store = sqliteStore(database, mode)
    return { store, place: database, published: async () => undefined, close: () => store.close() }
  }
  const { openPostgres } = await import('../store/postgres/postgres.ts')
  const postgres = await openPostgres(storeUrl, realm, { mayMigrate: mode === 'write' })
  return {
    store: postgres.store(mode),
    place: postgres.place,
    published: postgres.published,
    close: postgres.close,
  }
}
