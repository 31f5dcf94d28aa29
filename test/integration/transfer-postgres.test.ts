// From SQLite into PostgreSQL, by export or by backup: every seq, hash and signature is the same on both, and both verify.

import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openHub } from '../../src/hub.ts'
import { exportLog } from '../../src/kernel/audit/export.ts'
import { storeSource } from '../../src/kernel/audit/sources/data.ts'
import { verifyLog } from '../../src/kernel/audit/verify/verify.ts'
import { systemEnv } from '../../src/kernel/env.ts'
import { openPostgres } from '../../src/kernel/store/postgres/postgres.ts'
import { writeBackup } from '../../src/kernel/transfer/backup.ts'
import { openBackup } from '../../src/kernel/transfer/backup-source.ts'
import { openDataFolder } from '../../src/kernel/transfer/data-source.ts'
import { openExport } from '../../src/kernel/transfer/export-source.ts'
import { importExport, restoreBackup } from '../../src/kernel/transfer/restore.ts'
import {
  describeOnPostgres,
  dropRealm,
  POSTGRES_URL,
  randomRealm,
} from '../conformance/store/postgres-server.ts'
import { codeOf } from './lab/hubs.ts'
import {
  backUp,
  documentsOf,
  entriesOf,
  LIVED_IN_DOCUMENTS,
  livedIn,
  modules,
  type Place,
  verifyFolder,
  views,
} from './transfer-lab.ts'

await describeOnPostgres('a log that moves to PostgreSQL', () => {
  let realm: string
  beforeEach(() => {
    realm = randomRealm()
  })
  afterEach(() => dropRealm(realm))

  /** Entries and checkpoint of the database, as its own verifier sees them. */
  async function stored(note: string, vkey: string) {
    const postgres = await openPostgres(POSTGRES_URL, realm)
    try {
      const store = postgres.store('read')
      const verified = await verifyLog(await storeSource(store, [{ name: 'checkpoint', note }]), { vkey })
      const entries = await postgres.store('read').entries({ from: 0, to: 1e6, limit: 1e6 })
      return {
        verified,
        entries: entries.map(({ seq, bytes, leaf }) => ({
          seq,
          text: Buffer.from(bytes).toString(),
          leaf: Buffer.from(leaf).toString('hex'),
        })),
      }
    } finally {
      await postgres.close()
    }
  }

  async function exported({ root, dir, anchorPath }: Place): Promise<string> {
    const source = await openDataFolder({ dir }, anchorPath)
    if (source.head === undefined) throw new Error('there is no checkpoint')
    await exportLog(source.reader, source.head, join(root, 'export'), { vkey: source.vkey })
    await source.close()
    return join(root, 'export')
  }

  it('by an import is the same log, and both verify', async () => {
    const old = await livedIn(300)
    const source = await openExport(await exported(old))
    if (source?.head === undefined) throw new Error('there is no checkpoint')
    const dir = join(old.root, 'keys')
    const { size } = await importExport(source, dir, { views, storeUrl: POSTGRES_URL, realm })
    const { verified, entries } = await stored(source.head.checkpoint, source.vkey)
    expect(verified).toMatchObject({ size, unsignedTail: 0, isPinned: true })
    expect(entries).toEqual(await entriesOf(old.dir))
    await verifyFolder(old)
    // Into a database that holds a log nothing goes.
    expect(
      await codeOf(importExport(source, join(old.root, 'second'), { views, storeUrl: POSTGRES_URL, realm })),
    ).toBe('data.unwritable')
  })

  it('by a restored backup is the same hub: it opens there and goes on', async () => {
    const old = await livedIn()
    const backup = join(old.root, 'backup')
    await backUp(old, backup)
    const source = await openBackup(backup)
    if (source === undefined) throw new Error('there is no manifest')
    const dir = join(old.root, 'keys')
    const restored = await restoreBackup(source, dir, { views, storeUrl: POSTGRES_URL, realm })
    expect(restored).toMatchObject({ missingKeys: [], vault: { shut: 0 } })
    const hub = await openHub({ dir, anchorPath: old.anchorPath, storeUrl: POSTGRES_URL, realm, modules })
    try {
      expect(await documentsOf(hub)).toMatchObject({ items: LIVED_IN_DOCUMENTS })
      const ann = await hub.identity.byToken(old.token)
      await hub.invoke(ann, 'state.put', { namespace: 'n', key: 'after', value: 1 })
    } finally {
      await hub.close()
    }
    // And from there a backup leads back to a folder.
    const back = join(old.root, 'back')
    const postgres = await openPostgres(POSTGRES_URL, realm)
    const reader = await postgres.store('read').snapshot()
    const checkpoint = (await postgres.published()) ?? ''
    const options = { vkey: source.vkey, env: systemEnv(), release: 'test', dataDir: dir, isWithKeys: true }
    const head = { size: Number(checkpoint.split('\n')[1]), checkpoint }
    const { size } = await writeBackup(reader, head, back, options)
    await reader.close()
    await postgres.close()
    const again = await openBackup(back)
    if (again === undefined) throw new Error('there is no manifest')
    const place = { dir: join(old.root, 'again'), anchorPath: join(old.root, 'again-anchor') }
    expect(await restoreBackup(again, place.dir, { views })).toMatchObject({ size, vault: { shut: 0 } })
    expect(size).toBeGreaterThan(restored.size)
    await verifyFolder(place)
  })
})
