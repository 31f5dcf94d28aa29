// What nothing signs is vouched for by the vault's key: whoever can write to a backup, but does not have it, changes nothing unseen.

import { hash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemEnv } from '../../src/kernel/env.ts'
import { dataPaths } from '../../src/kernel/log/layout.ts'
import { type BackupSource, openBackup } from '../../src/kernel/transfer/backup-source.ts'
import type { Manifest } from '../../src/kernel/transfer/manifest.ts'
import { recoverLog } from '../../src/kernel/transfer/recover.ts'
import { restoreBackup } from '../../src/kernel/transfer/restore.ts'
import { errorOf } from './lab/hubs.ts'
import {
  backUp,
  copyOf,
  filesIn,
  forgeFile,
  forgeManifest,
  livedIn,
  type Place,
  restoreFrom,
  rowsOf,
  vaultKeyOf,
  views,
  writtenIn,
} from './transfer-lab.ts'

const SEEN = 'witness.seen'
const MODULE_FILE = 'modules/archive/kept'

describe('a backup that somebody else could write to', () => {
  let old: Place
  let other: Place
  /** With the keys in it, and without. */
  let keyed = ''
  let bare = ''
  let copies = 0
  let root = ''
  let dir = ''
  beforeAll(async () => {
    const place = (name: string): Place => {
      const at = mkdtempSync(join(tmpdir(), `polity-${name}-`))
      return { root: at, dir: join(at, 'data'), anchorPath: join(at, 'anchor') }
    }
    old = await livedIn(3, place('authentic'))
    other = await livedIn(1, place('other'))
    mkdirSync(join(old.dir, 'modules/archive'), { recursive: true })
    writeFileSync(join(old.dir, MODULE_FILE), 'a scroll')
    keyed = join(old.root, 'keyed')
    bare = join(old.root, 'bare')
    await backUp(old, keyed)
    await backUp(old, bare, false)
  })
  beforeEach(() => {
    root = join(old.root, `test${copies++}`)
    dir = join(root, 'restored')
  })
  afterAll(() => {
    for (const each of [old, other]) rmSync(each.root, { recursive: true, force: true })
  })

  const copied = (backup: string) => copyOf(backup, join(root, 'backup'))
  const rowsFileIn = (backup: string) => filesIn(backup).find((name) => name.endsWith('00000.jsonl')) ?? ''

  /** A row by which a witness would believe that it had seen another log. */
  function withForgedRow(backup: string): Uint8Array {
    const row = { table: SEEN, key: 'example.org/log', version: 1, value: '{"size":0}' }
    return Buffer.concat([
      readFileSync(join(backup, rowsFileIn(backup))),
      Buffer.from(`${JSON.stringify(row)}\n`),
    ])
  }

  const forgeRow = (backup: string) => forgeFile(backup, rowsFileIn(backup), withForgedRow(backup))

  async function expectRefused(acting: Promise<unknown>, path = 'manifest.json'): Promise<string> {
    const error = await errorOf(acting)
    expect(error).toMatchObject({ code: 'backup.torn', facts: { path } })
    expect(existsSync(dir)).toBe(false)
    return error.message
  }

  async function opened(backup: string): Promise<BackupSource> {
    const source = await openBackup(backup)
    if (source === undefined) throw new Error(`there is no manifest in ${backup}`)
    return source
  }

  it('untouched is authenticated with the key that it holds or that comes from elsewhere, and else says that it is not', async () => {
    expect(await restoreFrom(keyed, join(root, 'a'))).toMatchObject({ isAuthenticated: true })
    expect(await restoreFrom(bare, join(root, 'b'), { keysDir: old.dir })).toMatchObject({
      isAuthenticated: true,
    })
    expect(await restoreFrom(bare, join(root, 'c'))).toMatchObject({ isAuthenticated: false })
    mkdirSync(join(root, 'no-keys'))
    const without = await restoreFrom(keyed, join(root, 'd'), { keysDir: join(root, 'no-keys') })
    expect(without).toMatchObject({ isAuthenticated: false })
  })

  it('with a row changed together with its hash is refused where the key is at hand', async () => {
    const copy = copied(keyed)
    forgeRow(copy)
    expect(await expectRefused(restoreFrom(copy, dir))).toContain('vault.key')
    await expectRefused(restoreFrom(copy, dir, { keysDir: old.dir }))
  })

  it('with such a row is restored without the key, and not called authentic', async () => {
    const copy = copied(bare)
    forgeRow(copy)
    await expectRefused(restoreFrom(copy, dir, { keysDir: old.dir }))
    expect(await restoreFrom(copy, dir)).toMatchObject({ isAuthenticated: false })
    expect(await rowsOf(dir, (table) => table === SEEN)).toHaveLength(1)
  })

  it('is refused whatever else of its manifest is changed', async () => {
    const source = await opened(keyed)
    expect(source.authenticate(vaultKeyOf(keyed))).toBe(true)
    const copy = copied(keyed)
    const { manifest } = writtenIn(keyed)
    const changes: readonly Partial<Manifest>[] = [
      { release: 'another' },
      { createdAt: '2001-01-01T00:00:00.000Z' },
      { rows: manifest.rows + 1 },
      { files: Object.fromEntries(Object.entries(manifest.files).filter(([path]) => path !== MODULE_FILE)) },
      { files: { ...manifest.files, extra: { sha256: hash('sha256', '', 'hex'), sizeBytes: 0 } } },
    ]
    writeFileSync(join(copy, 'extra'), '')
    for (const change of changes) {
      forgeManifest(copy, () => ({ ...manifest, ...change }))
      await expectRefused(restoreFrom(copy, dir))
    }
  })

  it('whose code is taken away is refused, with the key or without', async () => {
    for (const backup of [keyed, bare]) {
      const copy = copied(backup)
      const { mac, ...rest } = writtenIn(copy)
      expect(mac).toMatch(/^[0-9a-f]{64}$/)
      writeFileSync(join(copy, 'manifest.json'), JSON.stringify(rest))
      expect(await expectRefused(restoreFrom(copy, dir))).toContain('missing')
      rmSync(root, { recursive: true })
    }
  })

  it('that passes for one of the earlier format is restored, and not called authentic', async () => {
    const copy = copied(keyed)
    forgeRow(copy)
    forgeManifest(copy, (manifest) => ({ ...manifest, format: 'polity.backup/1' }))
    expect(await expectRefused(restoreFrom(copy, dir))).toContain('does not know')
    const { mac: _, ...rest } = writtenIn(copy)
    writeFileSync(join(copy, 'manifest.json'), JSON.stringify(rest))
    expect(await restoreFrom(copy, dir)).toMatchObject({ isAuthenticated: false, vault: { shut: 0 } })
  })

  it("is refused with another hub's key, which is named as a reason", async () => {
    const message = await expectRefused(restoreFrom(bare, dir, { keysDir: other.dir }))
    expect(message).toContain("another hub's")
  })

  it('is not recovered from either', async () => {
    const copy = copied(keyed)
    forgeRow(copy)
    const recover = async () =>
      recoverLog(await opened(copy), dir, {
        views,
        env: systemEnv(),
        release: 'test',
        notes: [],
        anchorPath: join(root, 'anchor'),
        vaultKeyPaths: [join(copy, 'keys/vault.key')],
      })
    await expectRefused(recover())
    expect(existsSync(join(root, 'anchor'))).toBe(false)
  })

  it('is refused when rows or files of modules are changed after they were checked', async () => {
    for (const path of [rowsFileIn(keyed), MODULE_FILE]) {
      const copy = copied(keyed)
      const source = await opened(copy)
      writeFileSync(join(copy, path), path === MODULE_FILE ? 'a forgery' : withForgedRow(copy))
      await expectRefused(restoreBackup(source, dir, { views }), path)
      rmSync(root, { recursive: true })
    }
  })

  it('bears no code where DATA has no key, says so, and gets one when it is taken again with it', async () => {
    const place = { ...old, dir: copyOf(old.dir, join(root, 'data')) }
    const { vaultKey } = dataPaths(place.dir)
    const key = readFileSync(vaultKey)
    rmSync(vaultKey)
    const backup = join(root, 'backup')
    expect(await backUp(place, backup)).toMatchObject({ isAuthenticated: false })
    expect(writtenIn(backup)).toMatchObject({ manifest: { format: 'polity.backup/1' } })
    expect(await restoreFrom(backup, dir, { keysDir: old.dir })).toMatchObject({ isAuthenticated: false })
    writeFileSync(vaultKey, key)
    expect(await backUp(place, backup)).toMatchObject({ isAuthenticated: true })
    expect(await restoreFrom(backup, join(root, 'again'))).toMatchObject({ isAuthenticated: true })
  })
})
