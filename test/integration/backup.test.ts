import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadContracts } from '../../src/doors/cli/contracts.ts'
import { verifyData } from '../../src/kernel/audit/verify/data.ts'
import { verifyExport } from '../../src/kernel/audit/verify/export.ts'
import { systemEnv } from '../../src/kernel/env.ts'
import { dataPaths } from '../../src/kernel/log/layout.ts'
import { viewsOfContracts } from '../../src/kernel/log/upcast.ts'
import type { View } from '../../src/kernel/log/view.ts'
import { openBackup } from '../../src/kernel/transfer/backup-source.ts'
import { openDataFolder } from '../../src/kernel/transfer/data-source.ts'
import { recoverLog } from '../../src/kernel/transfer/recover.ts'
import { codeOf, entriesOf as entriesOfHub, errorOf, owner, tempFolder } from './lab/hubs.ts'
import { agedHub, movedClock } from './retention-fixture.ts'
import {
  backUp,
  copyOf,
  digestsOf,
  documentsOf,
  entriesOf,
  filesIn,
  forgeManifest,
  LIVED_IN_DOCUMENTS,
  livedIn,
  openAt,
  type Place,
  restoreFrom,
  rowsOf,
  verifyFolder,
} from './transfer-lab.ts'

/** Tables of which a backup must hold every row, tombstones too. */
const isCarried = (table: string) =>
  !table.startsWith('view:') && table !== 'log.views' && table !== 'log.meta'

describe('a backup', () => {
  it('restored is the same hub: entries, hashes, views, payloads, keys', async () => {
    const old = await livedIn()
    const backup = join(old.root, 'backup')
    const { rows } = await backUp(old, backup)
    const dir = join(old.root, 'restored')
    const restored = await restoreFrom(backup, dir)
    // Whoever compares the two answers finds that nothing was lost.
    expect(restored).toMatchObject({ rows, tail: 0, missingKeys: [], vault: { shut: 0 } })
    expect(await entriesOf(dir)).toEqual(await entriesOf(old.dir))
    expect(await rowsOf(dir, isCarried)).toEqual(await rowsOf(old.dir, isCarried))
    expect(await digestsOf(dir)).toEqual(await digestsOf(old.dir))
    expect(await verifyFolder({ dir, anchorPath: old.anchorPath })).toMatchObject({ isSealed: true })
    const hub = await openAt({ dir, anchorPath: old.anchorPath })
    expect(await documentsOf(hub)).toMatchObject({ items: LIVED_IN_DOCUMENTS })
    expect(await hub.identity.byToken(old.token)).toMatchObject({ chain: [{ id: 'ann' }] })
    await hub.invoke(owner, 'state.put', { namespace: 'n', key: 'after', value: 1 })
    await hub.close()
    await verifyFolder({ dir, anchorPath: old.anchorPath })
  })

  it('holds no private value, no key and no token in the clear', async () => {
    const old = await livedIn()
    const backup = join(old.root, 'backup')
    expect((await backUp(old, backup, false)).keys).toEqual([])
    for (const name of filesIn(backup)) {
      const text = readFileSync(join(backup, name), 'latin1')
      for (const secret of ['value 0', 'written again', 'of the run', old.token.slice(20)])
        expect(text, name).not.toContain(secret)
    }
    expect(existsSync(join(backup, 'keys'))).toBe(false)
  })

  it('with keys holds them readable by the owner only, and restores them so', async () => {
    const old = await livedIn()
    const backup = join(old.root, 'backup')
    expect((await backUp(old, backup)).keys).toEqual(expect.arrayContaining(['log.key', 'vault.key']))
    const dir = join(old.root, 'restored')
    await restoreFrom(backup, dir)
    for (const path of [
      join(backup, 'keys/log.key'),
      join(dir, 'log.key'),
      join(dir, 'vault.key'),
      dataPaths(dir).database,
    ])
      expect(statSync(path).mode & 0o777, path).toBe(0o600)
  })

  it('is for the owner only, also in a folder that was open to others before', async () => {
    const old = await livedIn()
    const backup = join(old.root, 'backup')
    mkdirSync(backup, { mode: 0o755 })
    await backUp(old, backup)
    for (const name of filesIn(backup))
      if (name.includes('/')) expect([name, statSync(join(backup, name)).mode & 0o077]).toEqual([name, 0])
    for (const name of ['rows', 'keys', 'tile/entries'])
      expect([name, statSync(join(backup, name)).mode & 0o777]).toEqual([name, 0o700])
  })

  it('without keys is restored too, says which are missing, and takes them from elsewhere', async () => {
    const old = await livedIn()
    const backup = join(old.root, 'backup')
    await backUp(old, backup, false)
    const dir = join(old.root, 'restored')
    const missingKeys = ['log.key', 'statements.key', 'vault.key']
    expect(await restoreFrom(backup, dir)).toMatchObject({ missingKeys })
    expect(await codeOf(openAt({ dir, anchorPath: old.anchorPath }))).toBe('data.unwritable')
    const whole = join(old.root, 'whole')
    expect(await restoreFrom(backup, whole, { keysDir: old.dir })).toMatchObject({ missingKeys: [] })
    expect(await documentsOf(await openAt({ dir: whole, anchorPath: old.anchorPath }))).toMatchObject({
      items: LIVED_IN_DOCUMENTS,
    })
  })

  it('is at the same time an export that anybody can verify', async () => {
    const old = await livedIn()
    const backup = join(old.root, 'backup')
    const { size } = await backUp(old, backup)
    expect(await verifyExport(backup)).toMatchObject({ log: { size } })
  })

  it('taken again writes only what is new, and leaves nothing of the earlier one', async () => {
    const old = await livedIn(300)
    const backup = join(old.root, 'backup')
    const first = await backUp(old, backup)
    const hub = await openAt(old)
    await hub.invoke(owner, 'state.put', { namespace: 'n', key: 'new', value: 'new' })
    await hub.close()
    const second = await backUp(old, backup)
    expect(second.size).toBeGreaterThan(first.size)
    expect(second.filesWritten).toBeLessThan(first.filesWritten)
    const listed = Object.keys(JSON.parse(readFileSync(join(backup, 'manifest.json'), 'utf8')).manifest.files)
    expect(filesIn(backup)).toEqual([...listed, 'checkpoint', 'manifest.json'].sort())
    const dir = join(old.root, 'restored')
    expect(await restoreFrom(backup, dir)).toMatchObject({ size: second.size })
    expect(await entriesOf(dir)).toEqual(await entriesOf(old.dir))
  })

  it('that was interrupted is none, is taken up again, and the one before it stands until then', async () => {
    const old = await livedIn()
    const backup = join(old.root, 'backup')
    await backUp(old, backup)
    const manifest = readFileSync(join(backup, 'manifest.json'))
    const hub = await openAt(old)
    await hub.invoke(owner, 'state.put', { namespace: 'n', key: 'new', value: 'new' })
    await hub.close()
    // As if it had been killed just before the new manifest took the place of the old one.
    const earlier = copyOf(backup, join(old.root, 'earlier'))
    await backUp(old, backup)
    for (const name of filesIn(earlier))
      if (name !== 'checkpoint' && !existsSync(join(backup, name)))
        writeInto(backup, name, readFileSync(join(earlier, name)))
    writeFileSync(join(backup, 'manifest.json'), manifest)
    writeFileSync(join(backup, 'backup.unfinished'), readFileSync(join(backup, 'log.vkey')))
    const between = join(old.root, 'between')
    await restoreFrom(backup, between)
    expect((await entriesOf(between)).length).toBeLessThan((await entriesOf(old.dir)).length)
    await backUp(old, backup)
    expect(existsSync(join(backup, 'backup.unfinished'))).toBe(false)
    // One that was never finished is no backup, and can still be.
    rmSync(join(backup, 'manifest.json'))
    expect(await openBackup(backup)).toBeUndefined()
    expect(await codeOf(backUp(old, backup))).toBe('data.unwritable')
    writeFileSync(join(backup, 'backup.unfinished'), readFileSync(join(backup, 'log.vkey')))
    await backUp(old, backup)
    await restoreFrom(backup, join(old.root, 'restored'))
  })

  const writeInto = (dir: string, name: string, bytes: Uint8Array) => {
    mkdirSync(join(dir, name, '..'), { recursive: true })
    writeFileSync(join(dir, name), bytes)
  }

  it('into a folder that somebody else prepared gives away no key, and removes nothing elsewhere', async () => {
    const old = await livedIn()
    const prepared = join(old.root, 'prepared')
    mkdirSync(join(prepared, 'keys'), { recursive: true })
    writeFileSync(join(prepared, 'backup.unfinished'), readFileSync(dataPaths(old.dir).vkey))
    const aside = join(prepared, 'keys/log.key.tmp')
    writeFileSync(aside, '', { mode: 0o666 })
    const early = openSync(aside, 'r')
    await backUp(old, prepared)
    expect(readFileSync(early, 'utf8')).toBe('')
    closeSync(early)

    const elsewhere = join(old.root, 'elsewhere')
    mkdirSync(elsewhere)
    writeFileSync(join(elsewhere, 'precious'), '')
    symlinkSync(elsewhere, join(prepared, 'x'))
    const precious = { sha256: '0'.repeat(64), sizeBytes: 0 }
    forgeManifest(prepared, (manifest) => ({
      ...manifest,
      files: { ...manifest.files, 'x/precious': precious },
    }))
    await backUp(old, prepared)
    expect(readdirSync(elsewhere)).toEqual(['precious'])

    rmSync(join(prepared, 'keys'), { recursive: true })
    symlinkSync(elsewhere, join(prepared, 'keys'))
    expect(await codeOf(backUp(old, prepared))).toBe('data.unwritable')
    expect(readdirSync(elsewhere)).toEqual(['precious'])
  })

  it('does not go into a folder that holds anything else', async () => {
    const old = await livedIn()
    const other = await livedIn()
    const photos = join(old.root, 'photos')
    mkdirSync(photos)
    writeFileSync(join(photos, 'photo.jpg'), 'a photo')
    expect(await codeOf(backUp(old, photos))).toBe('data.unwritable')
    expect(readdirSync(photos)).toEqual(['photo.jpg'])
    const backup = join(old.root, 'backup')
    await backUp(other, backup)
    expect(await codeOf(backUp(old, backup))).toBe('data.unwritable')
    expect(await codeOf(backUp(old, old.dir))).toBe('data.unwritable')
    await restoreFrom(backup, join(old.root, 'restored'))
  })

  it('does not go over a newer one, nor over another history of the same log', async () => {
    const old = await livedIn()
    const [left, right] = ['left', 'right'].map((name) => ({
      dir: copyOf(old.dir, join(old.root, name)),
      anchorPath: copyOf(old.anchorPath, join(old.root, `${name}-anchor`)),
    })) as [Place, Place]
    for (const [at, value] of [
      [left, 'left'],
      [right, 'right'],
    ] as const) {
      const hub = await openAt(at)
      await hub.invoke(owner, 'state.put', { namespace: 'n', key: 'k', value })
      await hub.close()
    }
    const backup = join(old.root, 'backup')
    await backUp(left, backup)
    expect((await errorOf(backUp(old, backup))).message).toContain('more than')
    expect((await errorOf(backUp(right, backup))).message).toContain('another history')
  })

  it('of a hub that is writing is a moment of it: what was acknowledged before is in it, with its payloads', async () => {
    const place = tempFolder()
    const hub = await openAt(place)
    let isDone = false
    let acknowledged = 0
    const writing = (async () => {
      for (let n = 0; !isDone; n++) {
        await hub.invoke(owner, 'state.put', { namespace: 'n', key: `k${n % 50}`, value: { number: n } })
        acknowledged = n
      }
    })()
    const expected: number[] = []
    for (let round = 0; round < 3; round++) {
      // Several writes between two backups, or none at all if the machine is that slow.
      await hub.invoke(owner, 'state.put', { namespace: 'n', key: `mark${round}`, value: round })
      expected.push(acknowledged)
      await backUp(place, join(place.root, `backup${round}`))
    }
    isDone = true
    await writing
    await hub.close()
    for (const [round, least] of expected.entries()) {
      const dir = join(place.root, `restored${round}`)
      const { tail, vault } = await restoreFrom(join(place.root, `backup${round}`), dir)
      expect(vault).toMatchObject({ shut: 0 })
      expect(tail).toBeGreaterThanOrEqual(0)
      const restored = await openAt({ dir, anchorPath: join(place.root, `anchor${round}`) })
      const written = await entriesOfHub(restored, 'state.document-written@1')
      expect(written.length).toBeGreaterThanOrEqual(least)
      const { output } = await restored.ask(owner, 'state.list', { namespace: 'n', limit: 1000 })
      for (const { value } of (output as { items: { value: unknown }[] }).items)
        expect(JSON.stringify(value)).not.toContain('$erased')
      await restored.close()
      await verifyFolder({ dir, anchorPath: join(place.root, `anchor${round}`) })
    }
  })

  it('of a hub that was killed holds what was acknowledged and never signed', async () => {
    const old = await livedIn()
    // The anchor and the copy of the checkpoint of an earlier moment: as if the last entries had not been signed.
    const before = {
      anchor: readFileSync(old.anchorPath),
      checkpoint: readFileSync(dataPaths(old.dir).checkpoint),
    }
    const hub = await openAt(old)
    await hub.invoke(owner, 'state.put', { namespace: 'n', key: 'last', value: 'acknowledged' })
    await hub.close()
    writeFileSync(old.anchorPath, before.anchor)
    writeFileSync(dataPaths(old.dir).checkpoint, before.checkpoint)
    const backup = join(old.root, 'backup')
    expect((await backUp(old, backup)).tail).toBeGreaterThan(0)
    const dir = join(old.root, 'restored')
    expect((await restoreFrom(backup, dir)).tail).toBeGreaterThan(0)
    const restored = await openAt({ dir, anchorPath: old.anchorPath })
    const { output } = await restored.ask(owner, 'state.get', { namespace: 'n', key: 'last' })
    expect(output).toMatchObject({ value: 'acknowledged' })
  })

  it('holds what modules keep beside the log, and not what they derive', async () => {
    const old = await livedIn()
    const { modules, cache } = dataPaths(old.dir)
    mkdirSync(join(modules, 'archive', '1', 'ab'), { recursive: true })
    mkdirSync(join(cache, 'mirror'), { recursive: true })
    writeFileSync(join(modules, 'archive', '1', 'ab', 'abcd'), 'a scroll', { mode: 0o400 })
    writeFileSync(join(cache, 'mirror', 'facts'), 'derived')
    const backup = join(old.root, 'backup')
    await backUp(old, backup)
    const dir = join(old.root, 'restored')
    await restoreFrom(backup, dir)
    expect(readFileSync(join(dir, 'modules/archive/1/ab/abcd'), 'utf8')).toBe('a scroll')
    expect(existsSync(join(dir, 'cache'))).toBe(false)
  })
})

describe('a restore', () => {
  it('goes into a new or empty folder only', async () => {
    const old = await livedIn()
    const backup = join(old.root, 'backup')
    await backUp(old, backup)
    expect(await codeOf(restoreFrom(backup, old.dir))).toBe('data.unwritable')
    const photos = join(old.root, 'photos')
    mkdirSync(photos)
    writeFileSync(join(photos, 'photo.jpg'), 'a photo')
    expect(await codeOf(restoreFrom(backup, photos))).toBe('data.unwritable')
    mkdirSync(join(photos, '.polity-restoring'))
    expect(await codeOf(restoreFrom(backup, photos))).toBe('data.unwritable')
    expect(existsSync(join(photos, 'photo.jpg'))).toBe(true)
    const empty = join(old.root, 'empty')
    mkdirSync(empty)
    await restoreFrom(backup, empty)
    await verifyFolder({ dir: empty, anchorPath: old.anchorPath })
  })

  it('that was killed halfway is begun again in the same folder', async () => {
    const old = await livedIn()
    const backup = join(old.root, 'backup')
    await backUp(old, backup)
    const dir = join(old.root, 'restored')
    mkdirSync(join(dir, '.polity-restoring'), { recursive: true })
    writeFileSync(join(dir, '.polity-restoring', 'log.db'), 'torn')
    writeFileSync(join(dir, 'log.key'), 'moved already')
    await restoreFrom(backup, dir)
    expect(readdirSync(dir)).not.toContain('.polity-restoring')
    await verifyFolder({ dir, anchorPath: old.anchorPath })
  })

  it('that is cancelled leaves nothing behind', async () => {
    const old = await livedIn()
    const backup = join(old.root, 'backup')
    await backUp(old, backup)
    const dir = join(old.root, 'restored')
    const controller = new AbortController()
    controller.abort()
    expect(await codeOf(restoreFrom(backup, dir, { signal: controller.signal }))).toBe('cancelled')
    expect(existsSync(dir)).toBe(false)
  })

  it('of an older copy is refused by the anchor when a hub opens on it', async () => {
    const old = await livedIn()
    const backup = join(old.root, 'backup')
    await backUp(old, backup)
    const hub = await openAt(old)
    await hub.invoke(owner, 'state.put', { namespace: 'n', key: 'later', value: 1 })
    await hub.close()
    const dir = join(old.root, 'restored')
    await restoreFrom(backup, dir)
    expect(await codeOf(openAt({ dir, anchorPath: old.anchorPath }))).toBe('log.rollback')
  })
})

describe('of a pruned log', () => {
  it('a backup carries what is left: it verifies, opens, and goes on', async () => {
    const place = tempFolder()
    const clock = movedClock()
    const options = { dir: place.dir, anchorPath: place.anchorPath }
    const old = await agedHub('sqlite', options, clock)
    await old.write(120)
    clock.pass(400)
    await old.act('log.prune', {})
    await old.hub.close()
    const backup = join(place.root, 'backup')
    await backUp(place, backup)
    const views = viewsOfContracts(await loadContracts())
    const dir = join(place.root, 'restored')
    expect(await restoreFrom(backup, dir, { views })).toMatchObject({ missingKeys: [], vault: { shut: 0 } })
    const verified = () =>
      verifyData(dir, {
        env: {},
        anchorPath: place.anchorPath,
        views,
        vaultKey: readFileSync(dataPaths(dir).vaultKey),
      })
    await verified()
    await verifyExport(backup)
    const hub = await agedHub('sqlite', { ...options, dir }, clock)
    expect(await hub.ask('state.get', { namespace: 'ns', key: 'k0' })).toMatchObject({
      value: { secret: 'k0' },
    })
    await hub.write(1, 'after')
    await hub.hub.close()
    await verified()
    const source = await openDataFolder({ dir }, place.anchorPath)
    expect(source.minimumIndex).toBeGreaterThan(0)
    expect(await codeOf(recoverLog(source, join(place.root, 'new'), recoverOptions(views)))).toBe(
      'log.pruned',
    )
    await source.close()
  })

  const recoverOptions = (views: readonly View[]) => ({
    views,
    env: systemEnv(),
    release: 'test',
    notes: [],
    vaultKeyPaths: [],
  })
})
