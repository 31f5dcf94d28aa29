// A hub's own DATA folder is verified as a whole: log, database file, views, vault, evidence and seal.

import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rebuildViews, replaceViews } from '../../src/kernel/audit/rebuild.ts'
import { openSource } from '../../src/kernel/audit/sources/sources.ts'
import { type VerifyDataOptions, verifyData } from '../../src/kernel/audit/verify/data.ts'
import { breakSeal, checkSeal, sealDatabase } from '../../src/kernel/audit/verify/seal.ts'
import { systemEnv } from '../../src/kernel/env.ts'
import { dataPaths, defaultAnchorPath } from '../../src/kernel/log/layout.ts'
import { sqliteStore } from '../../src/kernel/store/sqlite/sqlite-store.ts'
import { type DataFolder, notes, ORIGIN, openFolder, proposalOf, writeDataFolder } from '../data-folder.ts'

const COUNT = 700
let scratch = ''
let original: DataFolder

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'polity-verify-'))
  original = await writeDataFolder(join(scratch, 'original', 'data'), COUNT)
  await sealDatabase(original.paths.database)
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

let copies = 0
function copy(): DataFolder {
  copies += 1
  const dir = join(scratch, `copy-${copies}`, 'data')
  cpSync(original.dir, dir, { recursive: true })
  cpSync(original.anchorPath, join(dir, '..', 'test.anchor'))
  return { ...original, dir, paths: dataPaths(dir), anchorPath: join(dir, '..', 'test.anchor') }
}

/** A copy whose database was changed by SQL, that is, in a way that leaves the file itself whole. */
function edited(...statements: readonly string[]): DataFolder {
  const folder = copy()
  breakSeal(folder.paths.database)
  const db = new DatabaseSync(folder.paths.database)
  for (const statement of statements) db.exec(statement)
  db.close()
  return folder
}

const verify = ({ dir, anchorPath, vaultKey, vkey }: DataFolder, options: Partial<VerifyDataOptions> = {}) =>
  verifyData(dir, { env: {}, anchorPath, vaultKey, vkey, views: [notes], ...options })
const finding = (reason: string, facts: object = {}) => ({
  code: 'verify.failed',
  facts: { reason, ...facts },
})

describe('a whole DATA folder', () => {
  it('is verified in every part', async () => {
    expect(await verify(original)).toEqual({
      log: expect.objectContaining({
        origin: ORIGIN,
        size: COUNT,
        entries: COUNT,
        unsignedTail: 0,
        isPinned: true,
      }),
      evidence: 1,
      vault: { payloads: COUNT - COUNT / 7, shut: 0, subjects: 4 },
      views: 1,
      isSealed: true,
    })
  })

  it('is found by its path, with the anchor at its default place', async () => {
    const folder = copy()
    const env = { XDG_STATE_HOME: join(folder.dir, '..', 'state'), HOME: '/nowhere' }
    cpSync(folder.anchorPath, defaultAnchorPath(ORIGIN, env))
    rmSync(folder.paths.checkpoint)
    const source = await openSource(folder.dir, { env })
    expect(source).toMatchObject({
      kind: 'data',
      origin: ORIGIN,
      size: COUNT,
      checkpoints: [{ name: 'anchor' }],
    })
    await source.close()
    await expect(openSource(folder.dir, { env: {} })).rejects.toMatchObject(finding('checkpoint'))
    await expect(openSource(join(folder.dir, '..'), { env })).rejects.toMatchObject({ code: 'not-found' })
  })

  it('is no folder with a FIFO for a database, which nobody waits for', async () => {
    const folder = copy()
    rmSync(folder.paths.database)
    execFileSync('mkfifo', [folder.paths.database])
    await expect(verify(folder)).rejects.toMatchObject(finding('database'))
    await expect(openSource(folder.dir, { env: {} })).rejects.toMatchObject(finding('database'))
  })

  it('may have lost its anchor, and then stands on its checkpoint file', async () => {
    const folder = copy()
    rmSync(folder.anchorPath)
    expect(await verify(folder)).toMatchObject({ log: { size: COUNT } })
    writeFileSync(folder.paths.checkpoint, folder.checkpoint.replace(`\n${COUNT}\n`, `\n${COUNT - 1}\n`))
    await expect(verify(folder)).rejects.toMatchObject(finding('checkpoint', { checkpoint: 'checkpoint' }))
  })

  it('shows what a rolled back copy lacks', async () => {
    const folder = edited(`DELETE FROM entry WHERE seq >= ${COUNT - 3}`)
    await expect(verify(folder)).rejects.toMatchObject(finding('missing', { seq: COUNT - 3 }))
  })

  it('keeps payloads of erased subjects out, and every proof valid', async () => {
    const folder = copy()
    breakSeal(folder.paths.database)
    const sequencer = await openFolder(folder)
    await sequencer.propose({ entries: [], shred: ['subject-1'] })
    await sequencer.close()
    const { vault, isSealed, log } = await verify(folder)
    expect(vault).toMatchObject({ shut: 0, subjects: 3 })
    expect({ isSealed, size: log.size }).toEqual({ isSealed: false, size: COUNT })
  })
})

describe('a database changed by a hand that knows SQL', () => {
  it.each<[string, string, object]>([
    [
      'the bytes of an entry',
      `UPDATE entry SET bytes = CAST(replace(bytes, 'note-5', 'note-6') AS BLOB) WHERE seq = 5`,
      finding('leaf', { seq: 5 }),
    ],
    ['an id', `UPDATE entry SET id = 'x' WHERE seq = 41`, finding('column', { seq: 41 })],
    ['a source', `UPDATE entry SET source = 'x' WHERE seq = 42`, finding('column', { seq: 42 })],
    ['a type', `UPDATE entry SET type = 'x' WHERE seq = 43`, finding('column', { seq: 43 })],
    ['a leaf hash', `UPDATE entry SET leaf = randomblob(32) WHERE seq = 44`, finding('leaf', { seq: 44 })],
    ['an inner hash', `UPDATE node SET hash = randomblob(32) WHERE idx = 1`, finding('node', { seq: 256 })],
    ['an inner hash that is gone', `DELETE FROM node WHERE idx = 1`, finding('missing', { seq: 0 })],
    ['an inner hash too many', `INSERT INTO node VALUES (1, 2, randomblob(32))`, finding('database')],
    ['a hole', `DELETE FROM entry WHERE seq = 600`, finding('missing', { seq: 600 })],
    [
      'an entry before the first',
      `INSERT INTO entry VALUES (-1, 'x', 'x', 'x', x'00', x'00')`,
      finding('database'),
    ],
    ['an index that is gone', 'DROP INDEX entry_type', finding('database')],
    ['the schema version', 'PRAGMA user_version = 9', finding('database')],
    ['the application id', 'PRAGMA application_id = 9', finding('database')],
    [
      'a row that is no JSON',
      `UPDATE row SET value = '{' WHERE tbl = 'log.meta' AND key = 'origin'`,
      finding('row'),
    ],
    ['the origin', `UPDATE row SET value = '"x"' WHERE tbl = 'log.meta'`, finding('origin')],
    [
      'evidence',
      `UPDATE row SET value = replace(value, 'one', 'eno') WHERE tbl = 'gate.evidence'`,
      finding('evidence'),
    ],
    [
      'evidence in another spelling',
      `UPDATE row SET value = replace(value, 'one', '\\u006fne') WHERE tbl = 'gate.evidence'`,
      finding('evidence'),
    ],
    [
      'a row of a view',
      `UPDATE row SET value = json_set(value, '$.writes', 99) WHERE tbl LIKE 'view:%' AND key = 'note-3'`,
      finding('view', { key: 'note-3' }),
    ],
    [
      'the version of a row',
      `UPDATE row SET version = 99 WHERE tbl LIKE 'view:%' AND key = 'note-3'`,
      finding('view', { key: 'note-3' }),
    ],
    [
      'a row of a view that is gone',
      `DELETE FROM row WHERE tbl LIKE 'view:%' AND key = 'note-3'`,
      finding('view', { key: 'note-3' }),
    ],
    [
      'a row of a view too many',
      `INSERT INTO row VALUES ('view:test.notes@1', 'a', 1, NULL, '1')`,
      finding('view', { key: 'a' }),
    ],
    [
      'a payload',
      `UPDATE row SET value = replace(value, 'sealed":"', 'sealed":"A') WHERE tbl = 'vault.payloads'`,
      finding('vault'),
    ],
    [
      "a payload's subject",
      `UPDATE row SET value = replace(value, 'subject-1', 'subject-9') WHERE tbl = 'vault.payloads'`,
      finding('vault'),
    ],
    [
      "the version of a payload's key",
      `UPDATE row SET value = replace(value, 'keyVersion":1', 'keyVersion":0') WHERE tbl = 'vault.payloads'`,
      finding('vault'),
    ],
    [
      "a later version of a payload's key",
      `UPDATE row SET value = replace(value, 'keyVersion":1', 'keyVersion":2') WHERE tbl = 'vault.payloads'`,
      finding('vault'),
    ],
    [
      "a payload's commitment",
      `UPDATE row SET key = 'f' || substr(key, 2) WHERE tbl = 'vault.payloads' AND key LIKE 'e%'`,
      finding('vault'),
    ],
    [
      'a key',
      `UPDATE row SET value = replace(value, 'wrapped":"', 'wrapped":"A') WHERE tbl = 'vault.keys'`,
      finding('vault'),
    ],
    [
      'a key that is gone',
      `DELETE FROM row WHERE tbl = 'vault.keys' AND key = 'subject-2'`,
      finding('vault'),
    ],
    ['the index of payloads', `UPDATE row SET value = '[]' WHERE tbl = 'vault.index'`, finding('vault')],
  ])('is found out: %s', async (_name, sql, expected) => {
    await expect(verify(edited(sql))).rejects.toMatchObject(expected)
  })

  it('is found out by the wrong vault key', async () => {
    await expect(verify(original, { vaultKey: new Uint8Array(32) })).rejects.toMatchObject(finding('vault'))
  })
})

describe('the seal', () => {
  it('finds one flipped bit in a working row and in a byte that holds nothing', async () => {
    const folder = copy()
    const bytes = readFileSync(folder.paths.database)
    const at = bytes.lastIndexOf(0)
    bytes[at] = 1
    writeFileSync(folder.paths.database, bytes)
    await expect(checkSeal(folder.paths.database)).rejects.toMatchObject(finding('seal'))
    const working = copy()
    const db = new DatabaseSync(working.paths.database)
    db.exec(`INSERT INTO row VALUES ('leases', 'x', 1, NULL, '{}')`)
    db.close()
    await expect(verify(working)).rejects.toMatchObject(finding('seal'))
    breakSeal(working.paths.database)
    expect(await verify(working)).toMatchObject({ isSealed: false })
  })

  it('is not made while a write-ahead log is left or where the file is too large, and cannot be forged by damage', async () => {
    const folder = copy()
    breakSeal(folder.paths.database)
    expect(await checkSeal(folder.paths.database)).toBe(false)
    const sequencer = await openFolder(folder)
    await sequencer.propose(proposalOf(COUNT, systemEnv()))
    expect(await sealDatabase(folder.paths.database)).toBe(false)
    await sequencer.close()
    expect(await sealDatabase(folder.paths.database, 1000)).toBe(false)
    expect(await sealDatabase(folder.paths.database)).toBe(true)
    expect(await checkSeal(folder.paths.database)).toBe(true)
    writeFileSync(folder.paths.seal, 'polity-seal/1\n')
    await expect(checkSeal(folder.paths.database)).rejects.toMatchObject(finding('seal'))
  })
})

describe('rebuilding views', () => {
  it('gives the digests of the live rows', async () => {
    const store = sqliteStore(original.paths.database, 'read')
    const seen: number[] = []
    const [rebuilt] = await rebuildViews(store, [notes], { onProgress: (done) => seen.push(done) })
    await store.close()
    expect(rebuilt).toMatchObject({ view: 'test.notes@1', isEqual: true, digest: rebuilt?.liveDigest })
    expect(rebuilt?.rows).toBeGreaterThan(20)
    expect(seen.at(-1)).toBe(COUNT)
  })

  it('puts right what was damaged, and versions go on where they were', async () => {
    const versions = (folder: DataFolder) => {
      const db = new DatabaseSync(folder.paths.database)
      const rows = db
        .prepare(`SELECT key, version, value FROM row WHERE tbl LIKE 'view:%' ORDER BY key`)
        .all()
      db.close()
      return rows
    }
    const before = versions(copy())
    expect(before).toContainEqual(expect.objectContaining({ value: null }))
    const folder = edited(
      `UPDATE row SET version = version + 1, value = iif(value IS NULL, '{}', NULL) WHERE tbl LIKE 'view:%' AND key > 'note-2'`,
      `DELETE FROM row WHERE tbl LIKE 'view:%' AND key = 'note-1'`,
      `UPDATE row SET value = 'no json' WHERE tbl LIKE 'view:%' AND key = 'note-0'`,
      `INSERT INTO row VALUES ('view:test.notes@1', 'stray', 1, NULL, '1')`,
    )
    const store = sqliteStore(folder.paths.database, 'write')
    expect(await replaceViews(store, [notes])).toMatchObject([
      { isEqual: false, liveDigest: undefined, firstDifference: 'note-0' },
    ])
    expect(await replaceViews(store, [notes])).toMatchObject([{ isEqual: true }])
    await store.close()
    expect(versions(folder)).toEqual(before)
  })

  it('compares a log that grows', async () => {
    const folder = copy()
    const sequencer = await openFolder(folder)
    const store = sqliteStore(folder.paths.database, 'read')
    let more = 3
    const [rebuilt] = await rebuildViews(
      {
        ...store,
        scan: async (table, range) => {
          if (more-- > 0) await sequencer.propose(proposalOf(COUNT + more, systemEnv()))
          return store.scan(table, range)
        },
      },
      [notes],
    )
    expect(rebuilt).toMatchObject({ isEqual: true })
    await store.close()
    await sequencer.close()
  })
})
