// Opens a realm wherever its log is: in memory, in a folder, or in a database that hubs share.

import { openFolderRealm } from './folder-realm.ts'
import { openMemoryRealm } from './memory-realm.ts'
import type { Realm, RealmOptions } from './realm.ts'

/** Throws `store.locked`, `data.unwritable`, `signer.failed`, and whatever `openSequencer` refuses to open. */
export async function openRealm(options: RealmOptions): Promise<Realm> {
  const { dir, storeUrl } = options
  if (storeUrl !== undefined) {
    // Loaded only where it is used: most hubs have no database server.
    const { openPostgresRealm } = await import('./postgres-realm.ts')
    return openPostgresRealm(options, storeUrl)
  }
  return dir === undefined ? openMemoryRealm(options) : openFolderRealm(options, dir)
}
