// Whatever is wrong with a backup is found before anything is written, and named.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PolityError } from '../../src/kernel/errors.ts'
import { openBackup } from '../../src/kernel/transfer/backup-source.ts'
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
} from './transfer-lab.ts'

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

  async function expectTorn(from: string, path: string): Promise<PolityError> {
    const dir = join(from, '..', 'restored')
    const error = await errorOf(restoreFrom(from, dir))
    expect(error).toMatchObject({ code: 'backup.torn' })
    expect(error.facts.path).toBe(path)
    expect(error.message).toContain(path)
    expect(existsSync(dir)).toBe(false)
    return error
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
    for (const path of ['../outside', '/etc/passwd', 'a/../../b', 'keys/../../../x', 'rows\\x', '']) {
      const copy = copyOf(backup, join(old.root, 'hostile', 'backup'))
      const file = { sha256: '0'.repeat(64), sizeBytes: 0 }
      forgeManifest(
        copy,
        (manifest) => ({ ...manifest, files: { ...manifest.files, [path]: file } }),
        vaultKeyOf(copy),
      )
      const error = await expectTorn(copy, 'manifest.json')
      expect(error.message).toContain('outside of the backup')
      rmSync(join(old.root, 'hostile'), { recursive: true })
    }
  })

  it('is refused though its manifest fits it, when it is not what was signed', async () => {
    const copy = copyOf(backup, join(old.root, 'forged', 'backup'))
    const [bundle = ''] = names.filter((name) => name.startsWith('tile/entries/'))
    const bytes = readFileSync(join(copy, bundle))
    const forged = Buffer.from(bytes.toString('latin1').replace('"n"', '"m"'), 'latin1')
    expect(forged.equals(bytes)).toBe(false)
    // By somebody who has the vault's key, but not the log's.
    const vaultKey = vaultKeyOf(copy)
    forgeFile(copy, bundle, forged, vaultKey)
    const dir = join(old.root, 'forged', 'restored')
    expect(await errorOf(restoreFrom(copy, dir))).toMatchObject({
      code: 'verify.failed',
      facts: { reason: 'root' },
    })
    expect(existsSync(dir)).toBe(false)
    // Another checkpoint in the manifest is not the log's.
    const other = (note: string) => note.replace(/^(.*\n)\d+/, '$17')
    forgeManifest(copy, (manifest) => ({ ...manifest, checkpoint: other(manifest.checkpoint) }), vaultKey)
    expect(await errorOf(restoreFrom(copy, dir))).toMatchObject({
      code: 'backup.torn',
      facts: { path: 'checkpoint' },
    })
  })

  it('gives nobody a token or a session that the log never gave, though its manifest fits it', async () => {
    const [path = ''] = names.filter((name) => name.endsWith('00000.jsonl'))
    const verifier = '0'.repeat(64)
    const principal = { kind: 'user', id: 'mallory', roles: ['owner'] }
    const rows = {
      'view:identity.tokens@1': { id: 'beef', verifier, principal, issuedAt: '2026-01-01T00:00:00Z' },
      'log.views': { foldedTo: 'current' },
      'identity.sessions': { chain: [principal], expiresAtMs: 4e12 },
    }
    for (const [table, value] of Object.entries(rows)) {
      const copy = copyOf(backup, join(old.root, 'injected', 'backup'))
      const key = table === 'log.views' ? 'view:identity.tokens@1' : 'beef'
      const row = { table, key, version: 1, value: JSON.stringify(value) }
      const bytes = Buffer.concat([readFileSync(join(copy, path)), Buffer.from(`${JSON.stringify(row)}\n`)])
      forgeFile(copy, path, bytes, vaultKeyOf(copy))
      if (table === 'identity.sessions') {
        const dir = join(old.root, 'injected', 'restored')
        await restoreFrom(copy, dir)
        expect(await rowsOf(dir, (each) => each === table)).toEqual([])
      } else await expectTorn(copy, path)
      rmSync(join(old.root, 'injected'), { recursive: true })
    }
  })

  it('with a FIFO in the place of a file is refused, and not waited for', async () => {
    const copy = copyOf(backup, join(old.root, 'fifo', 'backup'))
    const [bundle = ''] = names.filter((name) => name.startsWith('tile/entries/'))
    rmSync(join(copy, bundle))
    execFileSync('mkfifo', [join(copy, bundle)])
    await expectTorn(copy, bundle)
  })
})
