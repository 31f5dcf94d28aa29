// Property: the SQLite Store answers as the memory Store does.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sqliteStore } from '../../../src/kernel/store/sqlite/sqlite-store.ts'
import { likeMemory } from './like-memory.ts'

likeMemory(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'polity-store-'))
  const store = sqliteStore(join(folder, 'realm.db'), 'write')
  await store.migrate()
  return {
    store,
    async close() {
      await store.close()
      rmSync(folder, { recursive: true })
    },
  }
}, 60)
