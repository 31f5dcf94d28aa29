// An independent verifier, Go's golang.org/x/mod/sumdb as Debian ships it, accepts our logs and finds what was changed in them.

import { spawnSync } from 'node:child_process'
import { generateKeyPairSync, sign } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exportLog } from '../../src/kernel/audit/export.ts'
import { verifyExport } from '../../src/kernel/audit/verify/export.ts'
import { sqliteStore } from '../../src/kernel/store/sqlite/sqlite-store.ts'
import { formatCheckpoint } from '../../src/kit/checkpoint.ts'
import { leafHash } from '../../src/kit/merkle.ts'
import { ed25519NoteKey, formatVkey, rawOfEd25519, signNote } from '../../src/kit/signed-note.ts'
import { TreeEdge, tilesOfSize } from '../../src/kit/tile-tree.ts'
import { encodeEntries, entriesPath, tilePath } from '../../src/kit/tlog-tiles.ts'
import { type DataFolder, writeDataFolder } from '../data-folder.ts'

// Where Debian's golang-golang-x-mod-dev puts its sources; they are built without modules and without a network.
const GOPATH = '/usr/share/gocode'
const hasGo =
  spawnSync('go', ['version']).status === 0 && existsSync(join(GOPATH, 'src/golang.org/x/mod/sumdb/tlog'))
if (!hasGo) {
  console.warn('NOT RUN: the Go verifier (apt-get install golang-go golang-golang-x-mod-dev)')
}

const ORIGIN = 'example.com/log'
const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const key = ed25519NoteKey(ORIGIN, rawOfEd25519(publicKey))

let scratch = ''
let verifier = ''

beforeAll(() => {
  if (!hasGo) return
  scratch = mkdtempSync(join(tmpdir(), 'polity-go-verifier-'))
  verifier = join(scratch, 'go-verifier')
  const built = spawnSync('go', ['build', '-o', verifier, join(import.meta.dirname, 'go-verifier/main.go')], {
    env: { ...process.env, GO111MODULE: 'off', GOFLAGS: '', GOPATH, GOCACHE: join(scratch, 'cache') },
    encoding: 'utf8',
  })
  expect(built.stderr).toBe('')
  expect(built.status).toBe(0)
})

afterAll(() => {
  if (hasGo) rmSync(scratch, { recursive: true, force: true })
})

describe.skipIf(!hasGo)('the Go verifier', () => {
  it.each([0, 1, 2, 255, 256, 257, 600, 70_000])('accepts a log of %d entries', async (size) => {
    expect(run(await writeLog(size))).toEqual({ status: 0, stdout: `ok ${size}\n` })
  })

  it.each([
    ['an entries tile', entriesPath(1, 256), 'the entries have the root'],
    ['the partial entries tile', entriesPath(2, 88), 'the entries have the root'],
    [
      'a hash tile',
      tilePath({ level: 0, index: 0, width: 256 }),
      'tile/0/000: not the hashes of the entries',
    ],
    ['a partial hash tile', tilePath({ level: 0, index: 2, width: 88 }), 'tile/0/002.p/88: not the hashes'],
    ['a hash tile of level 1', tilePath({ level: 1, index: 0, width: 2 }), 'tile/1/000.p/2: not the hashes'],
  ])('finds one flipped bit in %s', async (_name, path, finding) => {
    const dir = await writeLog(600)
    flipLastBit(join(dir, path))
    const { status, stdout } = run(dir)
    expect(status).toBe(1)
    expect(stdout).toContain(finding)
  })

  it('finds a changed root, a missing tile, a shortened bundle and a foreign key', async () => {
    const dir = await writeLog(600)
    const checkpoint = readFileSync(join(dir, 'checkpoint'), 'utf8')
    writeFileSync(join(dir, 'checkpoint'), checkpoint.replace('\n600\n', '\n599\n'))
    expect(run(dir)).toEqual({
      status: 1,
      stdout: `checkpoint: invalid signature for key example.com/log+${idOf(key)}\n`,
    })
    writeFileSync(join(dir, 'checkpoint'), checkpoint)
    const stranger = ed25519NoteKey(ORIGIN, rawOfEd25519(generateKeyPairSync('ed25519').publicKey))
    expect(run(dir, formatVkey(stranger))).toMatchObject({ status: 1 })
    const bundle = join(dir, entriesPath(2, 88))
    const bytes = readFileSync(bundle)
    writeFileSync(bundle, bytes.subarray(0, -1))
    expect(run(dir)).toEqual({ status: 1, stdout: 'tile/entries/002.p/88: ends inside an entry\n' })
    writeFileSync(bundle, bytes)
    rmSync(join(dir, tilePath({ level: 1, index: 0, width: 2 })))
    expect(run(dir)).toMatchObject({ status: 1 })
  })
})

describe.skipIf(!hasGo)('the Go verifier on the export of a hub', () => {
  let hub: DataFolder
  let exported = ''

  beforeAll(async () => {
    hub = await writeDataFolder(join(scratch, 'hub', 'data'), 700)
    exported = join(scratch, 'export')
    const store = sqliteStore(hub.paths.database, 'read')
    await exportLog(store, { size: 700, checkpoint: hub.checkpoint }, exported, { vkey: hub.vkey })
    await store.close()
  })

  it('accepts it', () => {
    expect(run(exported, hub.vkey)).toEqual({ status: 0, stdout: 'ok 700\n' })
  })

  it('and ours find the same flipped byte in every kind of file', async () => {
    const paths = [
      'checkpoint',
      'tile/0/001',
      'tile/0/002.p/188',
      'tile/1/000.p/2',
      'tile/entries/000',
      'tile/entries/002.p/188',
    ]
    for (const path of paths) {
      flipLastBit(join(exported, path))
      expect(run(exported, hub.vkey), path).toMatchObject({ status: 1 })
      await expect(verifyExport(exported, { vkey: hub.vkey }), path).rejects.toMatchObject({
        code: 'verify.failed',
      })
      flipLastBit(join(exported, path))
    }
    expect(run(exported, hub.vkey)).toMatchObject({ status: 0 })
    expect(await verifyExport(exported, { vkey: hub.vkey })).toMatchObject({ log: { size: 700 } })
  })
})

const idOf = ({ id }: { id: Uint8Array }): string => Buffer.from(id).toString('hex')

function run(dir: string, vkey = formatVkey(key)): { status: number | null; stdout: string } {
  const { status, stdout } = spawnSync(verifier, [dir, vkey], { encoding: 'utf8' })
  return { status, stdout }
}

/** A log directory as C2SP tlog-tiles serves it: checkpoint, entry bundles, hash tiles. */
async function writeLog(size: number): Promise<string> {
  const dir = mkdtempSync(join(scratch, 'log-'))
  const entries = Array.from({ length: size }, (_, i) => Buffer.from(`{"id":"entry ${i}"}`))
  const edge = await TreeEdge.open(0, async () => [])
  const levels: Uint8Array[][] = [entries.map(leafHash)]
  for (const leaf of levels[0] ?? []) edge.append(leaf)
  for (const { level, index, hash } of edge.takeCompleted()) {
    levels[level] ??= []
    ;(levels[level] as Uint8Array[])[index] = hash
  }
  for (const ref of tilesOfSize(size)) {
    const [from, to] = [ref.index * 256, ref.index * 256 + ref.width]
    write(dir, tilePath(ref), Buffer.concat((levels[ref.level] ?? []).slice(from, to)))
    if (ref.level === 0) write(dir, entriesPath(ref.index, ref.width), encodeEntries(entries.slice(from, to)))
  }
  const text = formatCheckpoint({ origin: ORIGIN, size, root: edge.root() })
  write(dir, 'checkpoint', Buffer.from(signNote(text, key, (bytes) => sign(null, bytes, privateKey))))
  return dir
}

function write(dir: string, path: string, bytes: Uint8Array): void {
  mkdirSync(dirname(join(dir, path)), { recursive: true })
  writeFileSync(join(dir, path), bytes)
}

function flipLastBit(file: string): void {
  const bytes = readFileSync(file)
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1
  writeFileSync(file, bytes)
}
