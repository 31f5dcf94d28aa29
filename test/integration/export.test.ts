// An export is a folder that any C2SP client can read: complete, resumable, and never mixed with another log.

import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exportLog } from '../../src/kernel/audit/export.ts'
import { formatProofFile, PROOF_FILE_MAX_BYTES } from '../../src/kernel/audit/proof-file.ts'
import { openSource } from '../../src/kernel/audit/sources/sources.ts'
import { verifyExport } from '../../src/kernel/audit/verify/export.ts'
import { verifyFile } from '../../src/kernel/audit/verify/file.ts'
import { verifyLog } from '../../src/kernel/audit/verify/verify.ts'
import { systemEnv } from '../../src/kernel/env.ts'
import { readAnchor } from '../../src/kernel/log/anchor.ts'
import { sqliteStore } from '../../src/kernel/store/sqlite/sqlite-store.ts'
import { inclusionProof } from '../../src/kit/tile-tree.ts'
import { formatProof } from '../../src/kit/tlog-proof.ts'
import {
  type DataFolder,
  EVIDENCE_TEXT,
  ORIGIN,
  openFolder,
  proposalOf,
  writeDataFolder,
} from '../data-folder.ts'

let scratch = ''
let folder: DataFolder
let exports = 0

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'polity-export-'))
  folder = await writeDataFolder(join(scratch, 'hub', 'data'), 600)
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const newDir = () => join(scratch, `export-${exports++}`)

async function write(dir: string, from: DataFolder = folder) {
  const store = sqliteStore(from.paths.database, 'read')
  try {
    const checkpoint = readAnchor(from.anchorPath) ?? ''
    const size = Number(checkpoint.split('\n')[1])
    return await exportLog(store, { size, checkpoint }, dir, { vkey: from.vkey })
  } finally {
    await store.close()
  }
}

/** A copy of the hub that goes on for `more` entries. */
async function grown(more: number): Promise<DataFolder> {
  const dir = join(scratch, `grown-${more}`, 'data')
  cpSync(folder.dir, dir, { recursive: true })
  const copy = {
    ...folder,
    dir,
    paths: { ...folder.paths, database: join(dir, 'log.db') },
    anchorPath: join(dir, 'anchor'),
  }
  cpSync(folder.anchorPath, copy.anchorPath)
  const sequencer = await openFolder(copy)
  for (let n = 0; n < more; n++) await sequencer.propose(proposalOf(600 + n, systemEnv()))
  await sequencer.close()
  return copy
}

describe('an export', () => {
  it('is verified as a log, with its blobs', async () => {
    const dir = newDir()
    const seen: number[] = []
    const store = sqliteStore(folder.paths.database, 'read')
    const head = { size: 600, checkpoint: folder.checkpoint }
    expect(
      await exportLog(store, head, dir, { vkey: folder.vkey, onProgress: (done) => seen.push(done) }),
    ).toEqual({
      origin: ORIGIN,
      size: 600,
      tilesWritten: 7,
      blobsWritten: 1,
    })
    await store.close()
    expect(seen).toEqual([256, 512, 600])
    expect(await verifyExport(dir, { vkey: folder.vkey })).toMatchObject({
      log: { size: 600, isPinned: true },
      blobs: 1,
    })
    const source = await openSource(dir, { env: {} })
    expect(source.kind).toBe('export')
    expect(await verifyLog(source)).toMatchObject({ origin: ORIGIN, size: 600, isPinned: false })
  })

  it('that is repeated writes nothing', async () => {
    const dir = newDir()
    await write(dir)
    const before = statSync(join(dir, 'tile/0/000'), { bigint: true })
    expect(await write(dir)).toMatchObject({ tilesWritten: 0, blobsWritten: 0 })
    expect(statSync(join(dir, 'tile/0/000'), { bigint: true })).toMatchObject({
      ino: before.ino,
      mtimeNs: before.mtimeNs,
    })
  })

  it('follows the log: full tiles stay, partial ones go when the new checkpoint stands', async () => {
    const dir = newDir()
    await write(dir)
    const full = statSync(join(dir, 'tile/entries/001')).ino
    expect(existsSync(join(dir, 'tile/0/002.p/88'))).toBe(true)
    expect(await write(dir, await grown(300))).toMatchObject({ size: 900 })
    expect(statSync(join(dir, 'tile/entries/001')).ino).toBe(full)
    expect(existsSync(join(dir, 'tile/0/002.p/88'))).toBe(false)
    expect(await verifyExport(dir)).toMatchObject({ log: { size: 900 } })
    // Back to the shorter log is not the way forward.
    await expect(write(dir)).rejects.toMatchObject({ code: 'data.unwritable' })
  })

  it('that was interrupted is finished, and torn files are written again', async () => {
    const dir = newDir()
    await write(dir)
    rmSync(join(dir, 'checkpoint'))
    rmSync(join(dir, 'tile/1'), { recursive: true })
    writeFileSync(join(dir, 'tile/0/001'), 'torn')
    writeFileSync(join(dir, 'tile/0/001.tmp'), 'torn')
    writeFileSync(join(dir, 'tile/entries/000'), '')
    expect(await write(dir)).toMatchObject({ tilesWritten: 3 })
    expect(existsSync(join(dir, 'tile/0/001.tmp'))).toBe(false)
    expect(await verifyExport(dir)).toMatchObject({ log: { size: 600 } })
  })

  it('of an empty log is a checkpoint and a key', async () => {
    const empty = await writeDataFolder(join(scratch, 'empty', 'data'), 0)
    const dir = newDir()
    expect(await write(dir, empty)).toMatchObject({ size: 0, tilesWritten: 0 })
    expect(await verifyExport(dir)).toMatchObject({ log: { size: 0 }, blobs: 1 })
  })

  it('does not go into a folder that holds something else', async () => {
    const other = await writeDataFolder(join(scratch, 'other', 'data'), 5)
    const dir = newDir()
    await write(dir, other)
    await expect(write(dir)).rejects.toMatchObject({ code: 'data.unwritable' })
    expect(await verifyExport(dir)).toMatchObject({ log: { size: 5 } })
    await expect(write(folder.dir)).rejects.toMatchObject({ code: 'data.unwritable' })
    const photos = newDir()
    mkdirSync(photos)
    writeFileSync(join(photos, 'photo.jpg'), '')
    await expect(write(photos)).rejects.toMatchObject({ code: 'data.unwritable' })
    writeFileSync(join(photos, 'log.vkey'), `${folder.vkey}\n`)
    writeFileSync(join(photos, 'checkpoint'), readFileSync(join(dir, 'checkpoint')))
    await expect(write(photos)).rejects.toMatchObject({ code: 'data.unwritable' })
    await expect(write(join(photos, 'photo.jpg', 'export'))).rejects.toMatchObject({
      code: 'data.unwritable',
    })
  })

  it('does not go into the export of another history of the same log', async () => {
    const [left, right] = [await grown(2), await grown(3)]
    const dir = newDir()
    await write(dir, left)
    await expect(write(dir, right)).rejects.toMatchObject({ code: 'data.unwritable' })
  })

  it('whose blob changed, is missing its digest or is no file is found out', async () => {
    const dir = newDir()
    await write(dir)
    writeFileSync(join(dir, 'blobs', 'sha256-00'), EVIDENCE_TEXT)
    await expect(verifyExport(dir)).rejects.toMatchObject({
      code: 'verify.failed',
      facts: { reason: 'evidence' },
    })
    rmSync(join(dir, 'blobs', 'sha256-00'))
    mkdirSync(join(dir, 'blobs', 'sha256-11'))
    await expect(verifyExport(dir)).rejects.toMatchObject({ code: 'verify.failed' })
  })

  it('with a tile that is no file is refused, not followed', async () => {
    const dir = newDir()
    await write(dir)
    rmSync(join(dir, 'tile/0/000'))
    mkdirSync(join(dir, 'tile/0/000'))
    await expect(verifyExport(dir)).rejects.toMatchObject({
      code: 'verify.failed',
      facts: { reason: 'missing', seq: 0 },
    })
  })

  it.each(['checkpoint', 'log.vkey', 'tile/0/000', 'tile/entries/000'])(
    'with a FIFO as %s is refused, and not waited for',
    async (name) => {
      const dir = newDir()
      await write(dir)
      rmSync(join(dir, name))
      execFileSync('mkfifo', [join(dir, name)])
      await expect(verifyExport(dir)).rejects.toMatchObject({ code: 'verify.failed' })
    },
  )
})

describe('a proof on disk', () => {
  it('is a proof file, or a tlog-proof beside its entry', async () => {
    const dir = newDir()
    mkdirSync(dir)
    const store = sqliteStore(folder.paths.database, 'read')
    const [entry] = await store.entries({ from: 41, to: 42, limit: 1 })
    const bytes = entry?.bytes ?? new Uint8Array()
    const hashes = await inclusionProof(41, 600, (refs) =>
      Promise.all(refs.map(({ level, index, width }) => store.tile(level, index, width))),
    )
    await store.close()
    const proof = formatProof({ index: 41, hashes, checkpoint: folder.checkpoint })
    const { vkey } = folder
    const path = join(dir, 'entry.json.tlog-proof')
    writeFileSync(path, proof)
    await expect(verifyFile(path, { vkey })).rejects.toMatchObject({ code: 'usage' })
    writeFileSync(join(dir, 'entry.json'), bytes)
    expect(await verifyFile(path, { vkey })).toMatchObject({ seq: 41, size: 600, origin: ORIGIN })
    await expect(verifyFile(path)).rejects.toMatchObject({ code: 'usage' })
    const file = join(dir, 'proof.json')
    writeFileSync(file, formatProofFile({ entry: Buffer.from(bytes).toString(), proof, vkey }))
    expect(await verifyFile(file)).toMatchObject({ seq: 41, isPinned: false })
    writeFileSync(file, Buffer.alloc(PROOF_FILE_MAX_BYTES + 1))
    await expect(verifyFile(file)).rejects.toMatchObject({ code: 'verify.failed' })
    await expect(verifyFile(dir)).rejects.toMatchObject({ code: 'verify.failed' })
    execFileSync('mkfifo', [join(dir, 'fifo')])
    await expect(verifyFile(join(dir, 'fifo'))).rejects.toMatchObject({ code: 'verify.failed' })
    await expect(verifyFile(join(dir, 'nothing'))).rejects.toMatchObject({ code: 'not-found' })
  })
})
