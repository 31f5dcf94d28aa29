// A byte flipped anywhere in a hub's database or in an export is found, and where an entry is hit its seq is named.

import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exportLog } from '../../src/kernel/audit/export.ts'
import { verifyData } from '../../src/kernel/audit/verify/data.ts'
import { verifyExport } from '../../src/kernel/audit/verify/export.ts'
import { sealDatabase } from '../../src/kernel/audit/verify/seal.ts'
import { sqliteStore } from '../../src/kernel/store/sqlite/sqlite-store.ts'
import { type DataFolder, notes, writeDataFolder } from '../data-folder.ts'

const COUNT = 300
const RUNS = 80
let scratch = ''
let folder: DataFolder
let exported = ''

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'polity-flip-'))
  folder = await writeDataFolder(join(scratch, 'hub', 'data'), COUNT)
  await sealDatabase(folder.paths.database)
  exported = join(scratch, 'export')
  const store = sqliteStore(folder.paths.database, 'read')
  await exportLog(store, { size: COUNT, checkpoint: folder.checkpoint }, exported, { vkey: folder.vkey })
  await store.close()
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const verify = () => verifyData(folder.dir, { env: {}, ...folder, views: [notes] })

/** Runs `use` while one byte of a file is another. */
async function flipped(
  path: string,
  where: number,
  mask: number,
  use: (at: number) => Promise<void>,
): Promise<void> {
  const bytes = readFileSync(path)
  const at = where % bytes.length
  const damaged = Buffer.from(bytes)
  damaged[at] = (bytes[at] as number) ^ mask
  writeFileSync(path, damaged)
  try {
    await use(at)
  } finally {
    writeFileSync(path, bytes)
  }
}

const flip = [fc.nat(), fc.integer({ min: 1, max: 255 })] as const

describe('one flipped byte', () => {
  it('anywhere in the file of a database that its hub closed', async () => {
    await fc.assert(
      fc.asyncProperty(...flip, (where, mask) =>
        flipped(folder.paths.database, where, mask, (at) =>
          expect(verify(), `byte ${at}`).rejects.toMatchObject({ code: 'verify.failed' }),
        ),
      ),
      { numRuns: RUNS },
    )
    expect(await verify()).toMatchObject({ isSealed: true })
  }, 120_000)

  it('in the bytes or the leaf hash of an entry of an unsealed database names that entry', async () => {
    const file = readFileSync(folder.paths.database)
    const db = new DatabaseSync(folder.paths.database, { readOnly: true })
    const rows = db.prepare('SELECT seq, bytes, leaf FROM entry').all() as unknown as {
      seq: number
      bytes: Uint8Array
      leaf: Uint8Array
    }[]
    db.close()
    const seal = readFileSync(folder.paths.seal)
    rmSync(folder.paths.seal)
    await fc.assert(
      fc.asyncProperty(
        fc.nat(COUNT - 1),
        fc.constantFrom('bytes' as const, 'leaf' as const),
        ...flip,
        (seq, column, where, mask) => {
          const value = (rows[seq] as (typeof rows)[0])[column]
          const from = file.indexOf(value)
          expect(from).toBeGreaterThan(0)
          return flipped(folder.paths.database, from + (where % value.length), mask, () =>
            expect(verify()).rejects.toMatchObject({ code: 'verify.failed', facts: { seq } }),
          )
        },
      ),
      { numRuns: RUNS },
    )
    writeFileSync(folder.paths.seal, seal)
  }, 120_000)

  it('anywhere in any file of an export', async () => {
    const files = readdirSync(exported, { recursive: true, withFileTypes: true })
      .filter((item) => item.isFile())
      .map((item) => join(item.parentPath, item.name))
    expect(files.map((path) => path.slice(exported.length + 1)).sort()).toEqual([
      expect.stringMatching(/^blobs\/sha256-[0-9a-f]{64}$/),
      'checkpoint',
      'checkpoints/300',
      'log.vkey',
      'retention.json',
      'tile/0/000',
      'tile/0/001.p/44',
      'tile/1/000.p/1',
      'tile/entries/000',
      'tile/entries/001.p/44',
    ])
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...files), ...flip, (path, where, mask) =>
        flipped(path, where, mask, (at) =>
          expect(verifyExport(exported, { vkey: folder.vkey }), `${path} at ${at}`).rejects.toMatchObject({
            code: 'verify.failed',
          }),
        ),
      ),
      { numRuns: 3 * RUNS },
    )
    expect(await verifyExport(exported)).toMatchObject({ log: { size: COUNT }, blobs: 1 })
  })
})

describe('a database cut short', () => {
  it.each([0, 50, 5000, -1, -4096])('at %d is refused', async (end) => {
    const dir = join(scratch, `cut${end}`, 'data')
    mkdirSync(dir, { recursive: true })
    cpSync(folder.dir, dir, { recursive: true })
    const path = join(dir, 'log.db')
    writeFileSync(path, readFileSync(path).subarray(0, end || 0))
    await expect(
      verifyData(dir, { env: {}, anchorPath: folder.anchorPath, vkey: folder.vkey }),
    ).rejects.toMatchObject({ code: 'verify.failed' })
  })
})
