// A backup is the log, its private payloads and its working state, taken while the hub writes; a restored one is the hub that was.

import { execFileSync } from 'node:child_process'
import { hash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyExport } from '../../src/kernel/audit/verify/export.ts'
import { dataPaths } from '../../src/kernel/log/layout.ts'
import { openBackup } from '../../src/kernel/transfer/backup-source.ts'
import { formatManifest } from '../../src/kernel/transfer/manifest.ts'
import { type RestoredLog, type RestoreOptions, restoreBackup } from '../../src/kernel/transfer/restore.ts'
import { codeOf, entriesOf as entriesOfHub, errorOf, owner, tempFolder } from './lab/hubs.ts'
import {
  backUp,
  copyOf,
  digestsOf,
  documentsOf,
  entriesOf,
  filesIn,
  LIVED_IN_DOCUMENTS,
  livedIn,
  openAt,
  type Place,
  rowsOf,
  verifyFolder,
  views,
} from './transfer-lab.ts'

async function restore(
  from: string,
  dir: string,
  options: Partial<RestoreOptions> = {},
): Promise<RestoredLog> {
  const source = await openBackup(from)
  if (source === undefined) throw new Error(`there is no manifest in ${from}`)
  return restoreBackup(source, dir, { views, ...options })
}

/** Tables of which a backup must hold every row, tombstones too. */
const isCarried = (table: string) =>
  !table.startsWith('view:') && table !== 'log.views' && table !== 'log.meta'

describe('a backup', () => {
  it('restored is the same hub: entries, hashes, views, payloads, keys', async () => {
    const old = await livedIn()
    const backup = join(old.root, 'backup')
    await backUp(old, backup)
    const dir = join(old.root, 'restored')
    const restored = await restore(backup, dir)
    expect(restored).toMatchObject({ tail: 0, missingKeys: [], vault: { shut: 0 } })
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
    await restore(backup, dir)
    for (const path of [
      join(backup, 'keys/log.key'),
      join(dir, 'log.key'),
      join(dir, 'vault.key'),
      dataPaths(dir).database,
    ])
      expect(statSync(path).mode & 0o777, path).toBe(0o600)
  })

  it('without keys is restored too, says which are missing, and takes them from elsewhere', async () => {
    const old = await livedIn()
    const backup = join(old.root, 'backup')
    await backUp(old, backup, false)
    const dir = join(old.root, 'restored')
    const missingKeys = ['log.key', 'statements.key', 'vault.key']
    expect(await restore(backup, dir)).toMatchObject({ missingKeys })
    expect(await codeOf(openAt({ dir, anchorPath: old.anchorPath }))).toBe('data.unwritable')
    const whole = join(old.root, 'whole')
    expect(await restore(backup, whole, { keysDir: old.dir })).toMatchObject({ missingKeys: [] })
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
    expect(await restore(backup, dir)).toMatchObject({ size: second.size })
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
    await restore(backup, between)
    expect((await entriesOf(between)).length).toBeLessThan((await entriesOf(old.dir)).length)
    await backUp(old, backup)
    expect(existsSync(join(backup, 'backup.unfinished'))).toBe(false)
    // One that was never finished is no backup, and can still be.
    rmSync(join(backup, 'manifest.json'))
    expect(await openBackup(backup)).toBeUndefined()
    expect(await codeOf(backUp(old, backup))).toBe('data.unwritable')
    writeFileSync(join(backup, 'backup.unfinished'), readFileSync(join(backup, 'log.vkey')))
    await backUp(old, backup)
    await restore(backup, join(old.root, 'restored'))
  })

  const writeInto = (dir: string, name: string, bytes: Uint8Array) => {
    mkdirSync(join(dir, name, '..'), { recursive: true })
    writeFileSync(join(dir, name), bytes)
  }

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
    await restore(backup, join(old.root, 'restored'))
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
      const { tail, vault } = await restore(join(place.root, `backup${round}`), dir)
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
    expect((await restore(backup, dir)).tail).toBeGreaterThan(0)
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
    await restore(backup, dir)
    expect(readFileSync(join(dir, 'modules/archive/1/ab/abcd'), 'utf8')).toBe('a scroll')
    expect(existsSync(join(dir, 'cache'))).toBe(false)
  })
})

describe('a torn backup', () => {
  let old: Place
  let backup = ''
  let names: string[] = []
  beforeAll(async () => {
    const root = mkdtempSync(join(tmpdir(), 'polity-torn-'))
    old = await livedIn(3, { root, dir: join(root, 'data'), anchorPath: join(root, 'anchor') })
    backup = join(old.root, 'backup')
    await backUp(old, backup)
    names = filesIn(backup).filter((name) => name !== 'checkpoint')
  })
  afterAll(() => rmSync(old.root, { recursive: true, force: true }))

  async function expectTorn(from: string, path: string): Promise<void> {
    const dir = join(from, '..', 'restored')
    const error = await errorOf(restore(from, dir))
    expect(error).toMatchObject({ code: 'backup.torn' })
    expect(error.facts.path).toBe(path)
    expect(error.message).toContain(path)
    expect(existsSync(dir)).toBe(false)
  }

  it('is refused whichever file is missing, cut short, longer, or has one bit flipped', async () => {
    let copies = 0
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...names),
        fc.constantFrom('missing', 'cut', 'longer', 'flipped', 'empty'),
        fc.nat(),
        async (name, fault, at) => {
          const root = join(old.root, `copy${copies++}`)
          const copy = copyOf(backup, join(root, 'backup'))
          if (!damage(join(copy, name), fault, at)) return
          if (fault === 'missing' && name === 'manifest.json') expect(await openBackup(copy)).toBeUndefined()
          else await expectTorn(copy, name)
          rmSync(root, { recursive: true })
        },
      ),
      { numRuns: 50, endOnFailure: true },
    )
  })

  /** Answers whether the file is another one now: an empty one cannot be cut. */
  function damage(path: string, fault: string, at: number): boolean {
    const bytes = readFileSync(path)
    if (fault === 'missing') rmSync(path)
    else if (fault === 'cut') truncateSync(path, bytes.length > 0 ? at % bytes.length : 0)
    else if (fault === 'empty') truncateSync(path, 0)
    else if (fault === 'longer') writeFileSync(path, Buffer.concat([bytes, Buffer.from('x')]))
    else writeFileSync(path, flipped(bytes, at))
    return readFileIfAny(path)?.equals(bytes) !== true
  }

  const readFileIfAny = (path: string) => (existsSync(path) ? readFileSync(path) : undefined)

  function flipped(bytes: Buffer, at: number): Buffer {
    const copy = Buffer.from(bytes)
    if (copy.length > 0) copy[at % copy.length] = (copy[at % copy.length] ?? 0) ^ (1 << (at % 8))
    return copy
  }

  it('whose manifest leads out of its folder is refused', async () => {
    const { manifest } = JSON.parse(readFileSync(join(backup, 'manifest.json'), 'utf8'))
    for (const path of ['../outside', '/etc/passwd', 'a/../../b', 'keys/../../../x', 'rows\\x', '']) {
      const copy = copyOf(backup, join(old.root, 'hostile', 'backup'))
      const file = { sha256: '0'.repeat(64), sizeBytes: 0 }
      writeFileSync(
        join(copy, 'manifest.json'),
        formatManifest({ ...manifest, files: { ...manifest.files, [path]: file } }),
      )
      await expectTorn(copy, 'manifest.json')
      rmSync(join(old.root, 'hostile'), { recursive: true })
    }
  })

  it('is refused though its manifest fits it, when it is not what was signed', async () => {
    const copy = copyOf(backup, join(old.root, 'forged', 'backup'))
    const [bundle = ''] = names.filter((name) => name.startsWith('tile/entries/'))
    const bytes = readFileSync(join(copy, bundle))
    const forged = Buffer.from(bytes.toString('latin1').replace('"n"', '"m"'), 'latin1')
    expect(forged.equals(bytes)).toBe(false)
    writeFileSync(join(copy, bundle), forged)
    const { manifest } = JSON.parse(readFileSync(join(copy, 'manifest.json'), 'utf8'))
    manifest.files[bundle] = { sha256: hash('sha256', forged, 'hex'), sizeBytes: forged.length }
    writeFileSync(join(copy, 'manifest.json'), formatManifest(manifest))
    const dir = join(old.root, 'forged', 'restored')
    expect(await errorOf(restore(copy, dir))).toMatchObject({
      code: 'verify.failed',
      facts: { reason: 'root' },
    })
    expect(existsSync(dir)).toBe(false)
    // Another checkpoint in the manifest is not the log's.
    manifest.checkpoint = manifest.checkpoint.replace(/^(.*\n)\d+/, '$17')
    writeFileSync(join(copy, 'manifest.json'), formatManifest(manifest))
    expect(await codeOf(restore(copy, dir))).toBe('backup.torn')
  })

  it('with a FIFO in the place of a file is refused, and not waited for', async () => {
    const copy = copyOf(backup, join(old.root, 'fifo', 'backup'))
    const [bundle = ''] = names.filter((name) => name.startsWith('tile/entries/'))
    rmSync(join(copy, bundle))
    execFileSync('mkfifo', [join(copy, bundle)])
    await expectTorn(copy, bundle)
  })
})

describe('a restore', () => {
  it('goes into a new or empty folder only', async () => {
    const old = await livedIn()
    const backup = join(old.root, 'backup')
    await backUp(old, backup)
    expect(await codeOf(restore(backup, old.dir))).toBe('data.unwritable')
    const photos = join(old.root, 'photos')
    mkdirSync(photos)
    writeFileSync(join(photos, 'photo.jpg'), 'a photo')
    expect(await codeOf(restore(backup, photos))).toBe('data.unwritable')
    mkdirSync(join(photos, '.polity-restoring'))
    expect(await codeOf(restore(backup, photos))).toBe('data.unwritable')
    expect(existsSync(join(photos, 'photo.jpg'))).toBe(true)
    const empty = join(old.root, 'empty')
    mkdirSync(empty)
    await restore(backup, empty)
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
    await restore(backup, dir)
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
    expect(await codeOf(restore(backup, dir, { signal: controller.signal }))).toBe('cancelled')
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
    await restore(backup, dir)
    expect(await codeOf(openAt({ dir, anchorPath: old.anchorPath }))).toBe('log.rollback')
  })
})
