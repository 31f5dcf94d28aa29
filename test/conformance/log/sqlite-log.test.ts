// A log on SQLite and an anchor file under the suite of every engine.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileAnchor, readAnchor } from '../../../src/kernel/log/anchor.ts'
import { sqliteStore } from '../../../src/kernel/store/sqlite/sqlite-store.ts'
import type { Store } from '../../../src/kernel/store/store.ts'
import { logConformance } from './suite.ts'

logConformance('sqlite', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'polity-log-'))
  const path = join(folder, 'realm.db')
  const anchorPath = join(folder, 'anchor')
  const opened: Store[] = []
  const kept = (store: Store) => {
    opened.push(store)
    return store
  }
  return {
    async boot() {
      const store = kept(sqliteStore(path, 'write'))
      await store.migrate()
      return { store, anchor: fileAnchor(anchorPath) }
    },
    reader: async () => kept(sqliteStore(path, 'read')),
    anchored: async () => readAnchor(anchorPath),
    async close() {
      // Those whose hub closed them refuse, and those whose hub was killed do not.
      for (const store of opened) await store.close().catch(() => undefined)
      rmSync(folder, { recursive: true })
    },
  }
})
