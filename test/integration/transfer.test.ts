// An export imported again is the same log: every seq, hash and signature, into a store of any engine; nothing private is in it.

import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { exportLog } from '../../src/kernel/audit/export.ts'
import { storeSource } from '../../src/kernel/audit/sources/data.ts'
import { verifyLog } from '../../src/kernel/audit/verify/verify.ts'
import { dataPaths } from '../../src/kernel/log/layout.ts'
import { memoryStore } from '../../src/kernel/store/memory/memory-store.ts'
import { openDataFolder } from '../../src/kernel/transfer/data-source.ts'
import { openExport } from '../../src/kernel/transfer/export-source.ts'
import { loadInto } from '../../src/kernel/transfer/load.ts'
import { importExport, type RestoreOptions } from '../../src/kernel/transfer/restore.ts'
import { codeOf, errorOf } from './lab/hubs.ts'
import {
  digestsOf,
  documentsOf,
  entriesOf,
  livedIn,
  openAt,
  type Place,
  verifyFolder,
  views,
} from './transfer-lab.ts'

async function exported({ root, dir, anchorPath }: Place): Promise<string> {
  const source = await openDataFolder({ dir }, anchorPath)
  const to = join(root, 'export')
  if (source.head === undefined) throw new Error('there is no checkpoint')
  await exportLog(source.reader, source.head, to, { vkey: source.vkey })
  await source.close()
  return to
}

async function importFrom(from: string, dir: string, options: Partial<RestoreOptions> = {}) {
  const source = await openExport(from)
  if (source === undefined) throw new Error('there is no checkpoint')
  return importExport(source, dir, { views, ...options })
}

describe('an import', () => {
  it('keeps every seq, hash and signature, and folds the same views', async () => {
    const old = await livedIn(300)
    const dir = join(old.root, 'imported')
    const imported = await importFrom(await exported(old), dir)
    expect(imported).toMatchObject({ tail: 0, missingKeys: ['log.key', 'statements.key'] })
    expect(imported.evidence).toBeGreaterThan(0)
    expect(await entriesOf(dir)).toEqual(await entriesOf(old.dir))
    expect(await digestsOf(dir)).toEqual(await digestsOf(old.dir))
    const { checkpoint } = dataPaths(dir)
    expect(readFileSync(checkpoint, 'utf8')).toBe(readFileSync(dataPaths(old.dir).checkpoint, 'utf8'))
    expect(await verifyFolder({ dir, anchorPath: old.anchorPath })).toMatchObject({ isSealed: true })
  })

  it('without the keys can be read and verified, and no hub opens on it', async () => {
    const old = await livedIn()
    const dir = join(old.root, 'imported')
    await importFrom(await exported(old), dir)
    expect(await codeOf(openAt({ dir, anchorPath: old.anchorPath }))).toBe('signer.failed')
    await verifyFolder({ dir, anchorPath: old.anchorPath })
  })

  it('with the keys goes on: tokens are good, what was private reads as erased', async () => {
    const old = await livedIn()
    const dir = join(old.root, 'imported')
    expect(await importFrom(await exported(old), dir, { keysDir: old.dir })).toMatchObject({
      missingKeys: [],
    })
    const hub = await openAt({ dir, anchorPath: old.anchorPath })
    expect(await hub.identity.byToken(old.token)).toMatchObject({ chain: [{ id: 'ann' }] })
    const { items } = (await documentsOf(hub)) as { items: { value: unknown }[] }
    expect(items).toHaveLength(5)
    for (const { value } of items) expect(value).toEqual({ $erased: expect.any(String) })
    await hub.invoke(await hub.identity.byToken(old.token), 'state.put', {
      namespace: 'n',
      key: 'after',
      value: 1,
    })
    await hub.close()
    await verifyFolder({ dir, anchorPath: old.anchorPath })
  })

  it('goes into a store of another engine, which then verifies by itself', async () => {
    const old = await livedIn(300)
    const source = await openExport(await exported(old))
    if (source?.head === undefined) throw new Error('there is no checkpoint')
    const store = memoryStore()
    const { size } = await loadInto(store, source, { views })
    const stored = await storeSource(store, [{ name: 'checkpoint', note: source.head.checkpoint }])
    expect(await verifyLog(stored, { vkey: source.vkey })).toMatchObject({ size, unsignedTail: 0 })
    // A second log in the same store is refused.
    expect(await codeOf(loadInto(store, source, { views }))).toBe('data.unwritable')
  })

  it('of a pruned store keeps what is left, and its tree', async () => {
    const old = await livedIn(400)
    const source = await openDataFolder({ dir: old.dir }, old.anchorPath)
    const pruned = memoryStore()
    await loadInto(pruned, source, { views })
    await pruned.commit({ entries: [], nodes: [], rows: [], pruneBelow: 512 })
    const copy = memoryStore()
    await loadInto(
      copy,
      {
        ...source,
        minimumIndex: 512,
        entries: () => entriesFrom(pruned, 512, source.size),
        tile: ({ level, index, width }) => pruned.tile(level, index, width),
        rows: () => everyRowOf(pruned),
      },
      { views },
    )
    expect(await copy.minimumIndex()).toBe(512)
    expect(await copy.size()).toBe(source.size)
    expect(await copy.entries({ from: 0, to: 1e6, limit: 1e6 })).toEqual(
      await pruned.entries({ from: 0, to: 1e6, limit: 1e6 }),
    )
    expect(await copy.tile(1, 0, 4)).toEqual(await pruned.tile(1, 0, 4))
    expect(await copy.rows({ limit: 1e6 })).toEqual(await pruned.rows({ limit: 1e6 }))
    await source.close()
  })

  async function* entriesFrom(store: ReturnType<typeof memoryStore>, from: number, to: number) {
    yield (await store.entries({ from, to, limit: to })).map(({ bytes }) => bytes)
  }
  async function* everyRowOf(store: ReturnType<typeof memoryStore>) {
    yield await store.rows({ limit: 1e6 })
  }

  it('of an export that was changed is refused, and leaves nothing', async () => {
    const old = await livedIn()
    const from = await exported(old)
    const dir = join(old.root, 'imported')
    const [name = ''] = ['000', '000.p'].flatMap((each) =>
      existsSync(join(from, 'tile/entries', each)) ? [each] : [],
    )
    const { size } = (await openExport(from)) ?? { size: 0 }
    const bundle = join(from, 'tile/entries', name, name === '000' ? '' : String(size))
    const bytes = readFileSync(bundle)
    writeFileSync(bundle, Buffer.from(bytes.toString('latin1').replace('"n"', '"m"'), 'latin1'))
    expect(await errorOf(importFrom(from, dir))).toMatchObject({
      code: 'verify.failed',
      facts: { reason: 'root' },
    })
    expect(existsSync(dir)).toBe(false)
    const forged = await openExport(from)
    if (forged === undefined) throw new Error('there is no checkpoint')
    const store = memoryStore()
    expect(await errorOf(loadInto(store, forged, { views }))).toMatchObject({ facts: { reason: 'root' } })
    // Without the log's name no hub takes the store for its own.
    expect((await store.load('log.meta', ['origin'])).value.size).toBe(0)
    rmSync(bundle)
    expect(await codeOf(importFrom(from, dir))).toBe('backup.torn')
    expect(existsSync(dir)).toBe(false)
    writeFileSync(bundle, bytes)
    await importFrom(from, dir)
  })

  it('of a checkpoint that another key signed is refused', async () => {
    const old = await livedIn()
    const from = await exported(old)
    const other = await livedIn()
    const vkey = readFileSync(dataPaths(other.dir).vkey, 'utf8').trim()
    expect(await codeOf(openExport(from, vkey))).toBe('verify.failed')
    writeFileSync(join(from, 'checkpoint'), readFileSync(dataPaths(other.dir).checkpoint))
    expect(await codeOf(openExport(from))).toBe('verify.failed')
  })
})
