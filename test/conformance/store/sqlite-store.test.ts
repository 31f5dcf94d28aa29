// The SQLite Store under the suite of every Store, and what only a database file can get wrong.

import { copyFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sqliteStore } from '../../../src/kernel/store/sqlite/sqlite-store.ts'
import { codeOf } from '../../../src/kit/codes.fixture.ts'
import { EMPTY, entryAt, row, storeConformance } from './suite.ts'

storeConformance('sqlite', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'polity-store-'))
  const path = join(folder, 'realm.db')
  const writer = sqliteStore(path, 'write')
  await writer.migrate()
  const reader = sqliteStore(path, 'read')
  return {
    writer,
    reader,
    async close() {
      await reader.close()
      await writer.close()
      rmSync(folder, { recursive: true })
    },
  }
})

describe('a database file', () => {
  let folder: string
  let path: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'polity-store-'))
    path = join(folder, 'realm.db')
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const written = async () => {
    const store = sqliteStore(path, 'write')
    await store.migrate()
    await store.commit({ ...EMPTY, entries: [entryAt(0)], rows: [row('t', 'k', 1, '1')] })
    return store
  }

  it('is written in WAL mode and synced at every commit', async () => {
    const store = await written()
    await store.close()
    const db = new DatabaseSync(path)
    expect(db.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' })
    db.close()
  })

  it('empties the write-ahead log after an erasure, and after nothing less', async () => {
    const store = await written()
    const drop = [{ table: 't', key: 'k' }]
    await store.commit({ ...EMPTY, drop })
    expect(statSync(`${path}-wal`).size).toBeGreaterThan(0)
    await store.commit({ ...EMPTY, rows: [row('t', 'k', 1, '1')] })
    await store.commit({ ...EMPTY, drop, isErasure: true })
    expect(statSync(`${path}-wal`).size).toBe(0)
    await store.close()
  })

  it('of a hub that was killed leaves nothing in the write-ahead log once it is opened', async () => {
    const store = await written()
    const copy = join(folder, 'killed.db')
    for (const suffix of ['', '-wal']) copyFileSync(path + suffix, copy + suffix)
    expect(statSync(`${copy}-wal`).size).toBeGreaterThan(0)
    const next = sqliteStore(copy, 'write')
    expect(statSync(`${copy}-wal`).size).toBe(0)
    expect(await next.size()).toBe(1)
    await next.close()
    await store.close()
  })

  it('keeps everything across closing and opening', async () => {
    await (await written()).close()
    const store = sqliteStore(path, 'write')
    await store.migrate()
    expect(await store.size()).toBe(1)
    expect((await store.load('t', ['k'])).value.get('k')).toMatchObject({ version: 1, value: '1' })
    await store.close()
  })

  it('shows a reader what is committed, and nothing of a transaction that is under way', async () => {
    const store = await written()
    const reader = sqliteStore(path, 'read')
    const other = new DatabaseSync(path)
    other.exec(`BEGIN IMMEDIATE; INSERT INTO row (tbl, key, version, value) VALUES ('t', 'half', 1, '1')`)
    expect((await reader.load('t', ['half'])).value.size).toBe(0)
    other.exec('ROLLBACK')
    expect((await reader.load('t', ['half'])).value.size).toBe(0)
    other.close()
    await store.commit({ ...EMPTY, rows: [row('t', 'whole', 1, '1')] })
    expect((await reader.load('t', ['whole'])).value.size).toBe(1)
    await reader.close()
    await store.close()
  })

  it('lets a reader write nothing', async () => {
    const store = await written()
    const reader = sqliteStore(path, 'read')
    expect(await codeOf(reader.commit({ ...EMPTY, entries: [entryAt(1)] }))).toBe('store.readonly')
    expect(await codeOf(reader.sweep('t', 1, 1))).toBe('store.readonly')
    await reader.close()
    await store.close()
  })

  it('of the first schema keeps everything but rows of views, which are folded again', async () => {
    const before = await written()
    const row = (table: string) => ({ table, key: 'k', version: 1, value: '1' })
    const tables = ['view:a@1', 'views', 'log.meta']
    await before.commit({ entries: [], nodes: [], rows: tables.map(row) })
    const size = await before.size()
    await before.close()
    const db = new DatabaseSync(path)
    db.exec('PRAGMA user_version = 1')
    db.close()
    const store = sqliteStore(path, 'write')
    await store.migrate()
    const counts = await Promise.all(tables.map(async (table) => (await store.load(table, ['k'])).value.size))
    expect(counts).toEqual([0, 1, 1])
    expect(await store.size()).toBe(size)
    await store.close()
  })

  it('is refused when a newer release wrote it', async () => {
    await (await written()).close()
    const db = new DatabaseSync(path)
    db.exec('PRAGMA user_version = 999')
    db.close()
    const store = sqliteStore(path, 'write')
    expect(await codeOf(store.migrate())).toBe('log.unsupported')
    await store.close()
  })

  it('is refused when it is no database, and when it is not there to be read', async () => {
    writeFileSync(path, 'this is a text file, and not a short one at that; '.repeat(100))
    expect(() => sqliteStore(path, 'write')).toThrow(expect.objectContaining({ code: 'log.corrupt' }))
    expect(() => sqliteStore(join(folder, 'absent.db'), 'read')).toThrow(
      expect.objectContaining({ code: 'store.readonly' }),
    )
    expect(() => sqliteStore(join(folder, 'absent', 'x.db'), 'write')).toThrow(
      expect.objectContaining({ code: 'store.readonly' }),
    )
  })

  it('is found to be damaged, not misread, when pages are overwritten', async () => {
    const store = await written()
    const rows = Array.from({ length: 500 }, (_, n) => row('t', `k${n}`, 1, JSON.stringify('x'.repeat(500))))
    await store.commit({ ...EMPTY, rows })
    await store.close()
    const damaged = join(folder, 'damaged.db')
    copyFileSync(path, damaged)
    const { openSync, writeSync, closeSync, statSync } = await import('node:fs')
    const file = openSync(damaged, 'r+')
    for (let at = 8192; at < statSync(damaged).size; at += 4096)
      writeSync(file, Buffer.alloc(64, 0xff), 0, 64, at)
    closeSync(file)
    const reader = sqliteStore(damaged, 'write')
    expect(await codeOf(reader.scan('t', { limit: 1000 }))).toBe('log.corrupt')
    await reader.close()
  })

  it('answers store.locked while another program holds it, and works again afterwards', {
    timeout: 30_000,
  }, async () => {
    const store = await written()
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    expect(await codeOf(store.commit({ ...EMPTY, entries: [entryAt(1)] }))).toBe('store.locked')
    expect(await store.size()).toBe(1)
    other.exec('ROLLBACK')
    other.close()
    await store.commit({ ...EMPTY, entries: [entryAt(1)] })
    expect(await store.size()).toBe(2)
    await store.close()
  })

  it('answers store.failed once it is closed', async () => {
    const store = await written()
    await store.close()
    expect(await codeOf(store.size())).toBe('store.failed')
    expect(await codeOf(store.commit(EMPTY))).toBe('store.failed')
  })
})
