// After a loss: a log under a new name that says what it goes on from, holds what survived byte for byte, and loses no payload.

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { systemEnv } from '../../src/kernel/env.ts'
import { FEEDS } from '../../src/kernel/feed/feed.ts'
import { readAnchor } from '../../src/kernel/log/anchor.ts'
import { dataPaths } from '../../src/kernel/log/layout.ts'
import { sqliteStore } from '../../src/kernel/store/sqlite/sqlite-store.ts'
import { openBackup } from '../../src/kernel/transfer/backup-source.ts'
import { openDataFolder } from '../../src/kernel/transfer/data-source.ts'
import { type RecoverOptions, recoverLog } from '../../src/kernel/transfer/recover.ts'
import type { TransferSource } from '../../src/kernel/transfer/source.ts'
import { codeOf, errorOf, owner } from './lab/hubs.ts'
import {
  backUp,
  copyOf,
  documentsOf,
  entriesOf,
  LIVED_IN_DOCUMENTS,
  livedIn,
  openAt,
  type Place,
  restoreFrom,
  rowsOf,
  verifyFolder,
  views,
} from './transfer-lab.ts'

const newPlace = ({ root }: Place): Place => ({
  root,
  dir: join(root, 'new'),
  anchorPath: join(root, 'new-anchor'),
})

async function recover(
  source: TransferSource,
  to: Place,
  vaultKeyPaths: readonly string[],
  options: Partial<RecoverOptions> = {},
) {
  try {
    return await recoverLog(source, to.dir, {
      views,
      env: systemEnv(),
      release: 'test',
      notes: [],
      vaultKeyPaths,
      anchorPath: to.anchorPath,
      ...options,
    })
  } finally {
    await source.close()
  }
}

const fromFolder = async (old: Place, to: Place, options: Partial<RecoverOptions> = {}) =>
  recover(await openDataFolder({ dir: old.dir }, old.anchorPath), to, [dataPaths(old.dir).vaultKey], options)

async function write(at: Place, key: string): Promise<void> {
  const hub = await openAt(at)
  await hub.invoke(owner, 'state.put', { namespace: 'n', key, value: 'later' })
  await hub.close()
}

describe('a log that is recovered', () => {
  it('from a whole folder names the old one, holds its bytes, and keeps documents and tokens', async () => {
    const old = await livedIn()
    const to = newPlace(old)
    const recovered = await fromFolder(old, to)
    const before = await entriesOf(old.dir)
    const [first, ...rest] = await entriesOf(to.dir)
    expect(rest.map(({ text, leaf }) => ({ text, leaf }))).toEqual(
      before.map(({ text, leaf }) => ({ text, leaf })),
    )
    expect(JSON.parse(first?.text ?? '')).toMatchObject({
      type: 'log.opened@1',
      data: {
        origin: recovered.origin,
        vkey: recovered.vkey,
        predecessor: {
          vkey: readFileSync(dataPaths(old.dir).vkey, 'utf8').trim(),
          checkpoint: readAnchor(old.anchorPath),
          size: before.length,
          survived: before.length,
          proven: before.length,
          gap: 0,
        },
      },
    })
    expect(await verifyFolder(to)).toMatchObject({ isSealed: true, log: { origin: recovered.origin } })
    await verifyFolder(old)
    const hub = await openAt(to)
    expect(await documentsOf(hub)).toMatchObject({ items: LIVED_IN_DOCUMENTS })
    expect(await hub.identity.byToken(old.token)).toMatchObject({ chain: [{ id: 'ann' }] })
    await hub.invoke(owner, 'state.put', { namespace: 'n', key: 'k0', value: 'after' })
    await hub.close()
    await verifyFolder(to)
  })

  it('from a copy that was rolled back says how much is lost', async () => {
    const old = await livedIn()
    const earlier = { ...old, dir: copyOf(old.dir, join(old.root, 'earlier')) }
    await write(old, 'lost')
    const lost = (await entriesOf(old.dir)).length - (await entriesOf(earlier.dir)).length
    expect(lost).toBeGreaterThan(0)
    // The anchor remembers more than the copy holds, so no hub opens on it.
    expect(await codeOf(openAt(earlier))).toBe('log.rollback')
    const to = newPlace(old)
    expect(await fromFolder(earlier, to)).toMatchObject({ predecessor: { gap: lost } })
    expect(await documentsOf(await openAt(to))).toMatchObject({ items: LIVED_IN_DOCUMENTS })
  })

  it('from a backup takes a checkpoint that somebody kept for what is known', async () => {
    const old = await livedIn()
    const backup = join(old.root, 'backup')
    const { size } = await backUp(old, backup)
    await write(old, 'lost')
    const kept = readAnchor(old.anchorPath) ?? ''
    const source = await openBackup(backup)
    if (source === undefined) throw new Error('there is no manifest')
    const to = newPlace(old)
    const recovered = await recover(source, to, [join(backup, 'keys/vault.key')], { notes: [kept] })
    expect(recovered.predecessor).toMatchObject({ survived: size, proven: size })
    expect(recovered.predecessor.gap).toBeGreaterThan(0)
    expect(JSON.parse((await entriesOf(to.dir))[0]?.text ?? '').data.predecessor.checkpoint).toBe(kept)
    const hub = await openAt(to)
    expect(await documentsOf(hub)).toMatchObject({ items: LIVED_IN_DOCUMENTS })
  })

  it('from a damaged folder goes up to the first entry that is not whole', async () => {
    const old = await livedIn()
    const db = new DatabaseSync(dataPaths(old.dir).database)
    db.prepare("UPDATE entry SET bytes = CAST('torn' AS BLOB) WHERE seq = 10").run()
    db.close()
    const to = newPlace(old)
    const total = (await entriesOf(old.dir)).length
    const recovered = await fromFolder(old, to)
    expect(recovered.predecessor).toMatchObject({ size: total, survived: 10, proven: 0, gap: total - 10 })
    expect(recovered.damage).toContain('entry 10')
    await verifyFolder(to)
  })

  it('has its feeds go on behind the entry where they were, or behind the last one that survived', async () => {
    const old = await livedIn()
    const store = sqliteStore(dataPaths(old.dir).database, 'write')
    const size = await store.size()
    const feed = (key: string, position: number) => ({
      table: FEEDS,
      key,
      version: 3,
      value: JSON.stringify({ holder: 'old', expiresAtMs: 0, position }),
    })
    await store.commit({ entries: [], nodes: [], rows: [feed('behind', 5), feed('ahead', size + 7)] })
    await store.close()
    const to = newPlace(old)
    await fromFolder(old, to)
    const positions = (await rowsOf(to.dir, (table) => table === FEEDS))
      .filter(({ key }) => ['behind', 'ahead'].includes(key))
      .map(({ key, value }) => [key, JSON.parse(value ?? '').position])
    // What stood at 5 stands at 6, behind the new log's own first entry.
    expect(positions).toEqual([
      ['ahead', size + 1],
      ['behind', 6],
    ])
  })

  it('whose signing key was handed over goes on under keys of its own', async () => {
    const old = await livedIn()
    const hub = await openAt(old)
    await hub.invoke(owner, 'keys.rotate', {})
    await hub.invoke(owner, 'state.put', { namespace: 'n', key: 'later', value: 1 })
    await hub.close()
    const backup = join(old.root, 'backup')
    await backUp(old, backup)
    const restored = { ...old, dir: join(old.root, 'restored') }
    await restoreFrom(backup, restored.dir)
    await (await openAt(restored)).close()
    await verifyFolder(restored)
    const to = newPlace(old)
    expect(await fromFolder(restored, to)).toMatchObject({ predecessor: { gap: 0 } })
    await verifyFolder(to)
    const after = await openAt(to)
    await after.invoke(owner, 'keys.rotate', {})
    await after.close()
    await verifyFolder(to)
  })

  it('without the key of its vault loses what was private, and says so', async () => {
    const old = await livedIn()
    const to = newPlace(old)
    rmSync(dataPaths(old.dir).vaultKey)
    rmSync(dataPaths(old.dir).signingKey)
    expect(await fromFolder(old, to)).toMatchObject({ isVaultKept: false, predecessor: { gap: 0 } })
    await verifyFolder(to)
    const hub = await openAt(to)
    const { items } = (await documentsOf(hub)) as { items: { value: unknown }[] }
    for (const { value } of items) expect(value).toEqual({ $erased: expect.any(String) })
    await hub.invoke(owner, 'state.put', { namespace: 'n', key: 'k0', value: 'written again' })
    const { output } = await hub.ask(owner, 'state.get', { namespace: 'n', key: 'k0' })
    expect(output).toMatchObject({ value: 'written again' })
  })

  it('does not go on from a history that was not the signed one', async () => {
    const old = await livedIn()
    const [left, right] = ['left', 'right'].map((name) => ({
      ...old,
      dir: copyOf(old.dir, join(old.root, name)),
      anchorPath: copyOf(old.anchorPath, join(old.root, `${name}-anchor`)),
    })) as unknown as [Place, Place]
    await write(left, 'left')
    await write(right, 'right')
    const notes = [readAnchor(right.anchorPath) ?? '']
    const to = newPlace(old)
    expect(await errorOf(fromFolder(left, to, { notes }))).toMatchObject({
      code: 'verify.failed',
      facts: { reason: 'root' },
    })
    expect(existsSync(to.dir)).toBe(false)
    const other = await livedIn()
    const foreign = [readAnchor(other.anchorPath) ?? '']
    expect(await errorOf(fromFolder(left, to, { notes: foreign }))).toMatchObject({
      facts: { reason: 'checkpoint' },
    })
    expect(await codeOf(fromFolder(left, to, { notes: ['garbage'] }))).toBe('verify.failed')
  })

  it('does not take a vault key of another form, nor a folder that is in use', async () => {
    const old = await livedIn()
    const to = newPlace(old)
    writeFileSync(dataPaths(old.dir).vaultKey, 'short')
    expect(await codeOf(fromFolder(old, to))).toBe('data.unwritable')
    expect(await codeOf(fromFolder(old, old))).toBe('data.unwritable')
    // A pipe would be waited for, with the whole program.
    rmSync(dataPaths(old.dir).vaultKey)
    execFileSync('mkfifo', [dataPaths(old.dir).vaultKey])
    expect(await codeOf(fromFolder(old, to))).toBe('data.unwritable')
  })

  it('can be recovered again, and both predecessors stand in it', async () => {
    const old = await livedIn()
    const to = newPlace(old)
    const first = await fromFolder(old, to)
    const again = { ...old, dir: join(old.root, 'again'), anchorPath: join(old.root, 'again-anchor') }
    const second = await fromFolder(to, again)
    expect(second.predecessor).toMatchObject({ origin: first.origin, gap: 0 })
    const [, before] = await entriesOf(again.dir)
    expect(JSON.parse(before?.text ?? '').data.origin).toBe(first.origin)
    expect(await documentsOf(await openAt(again))).toMatchObject({ items: LIVED_IN_DOCUMENTS })
  })
})
