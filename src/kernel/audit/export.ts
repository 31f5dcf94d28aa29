// Writes a log to a folder in the layout of C2SP tlog-tiles, so that any static web server can publish and any verifier check it.

import { Buffer } from 'node:buffer'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { openCheckpoint } from '../../kit/signed-checkpoint.ts'
import { parseVkey } from '../../kit/signed-note.ts'
import { TILE_WIDTH, type TileRef, tilesOfSize, treeRoot } from '../../kit/tile-tree.ts'
import { encodeEntries, entriesPath, parseTilePath, tilePath } from '../../kit/tlog-tiles.ts'
import { PolityError } from '../errors.ts'
import { readCheckpoints } from '../log/checkpoints.ts'
import { writeWholeFile } from '../log/files.ts'
import { BLOBS_DIR, blobName, CHECKPOINTS_DIR, DATA_FILES, EVIDENCE } from '../log/layout.ts'
import type { Published } from '../log/proposal.ts'
import { pages } from '../store/pages.ts'
import type { StoreReader } from '../store/store.ts'
import { ASIDE_SUFFIX, FolderWriter, folderError } from './folder-writer.ts'
import { readLine, readSmallFile } from './sources/export.ts'
import { RETENTION_FILE, retentionFile } from './sources/retention.ts'
import { PAGE_EVIDENCE, readEvidence } from './verify/evidence.ts'
import { checkAborted } from './verify/failure.ts'

export interface ExportOptions {
  /** The log's verifier key; its name is the origin. */
  readonly vkey: string
  /** Counts entries. */
  readonly onProgress?: (done: number, total: number) => void
  readonly signal?: AbortSignal
}

export interface ExportedLog {
  readonly origin: string
  readonly size: number
  readonly tilesWritten: number
  readonly blobsWritten: number
}

/**
 * Writes all tiles and entry bundles of the head's size, `log.vkey`, the evidence of decisions as
 * `blobs/sha256-<hex>`, and at last, atomically, `checkpoint`. Repeat it to bring the folder up to a newer
 * head, or after a crash: full tiles that are there are never written again, partial ones of an
 * older size go when the new checkpoint stands.
 *
 * Throws `data.unwritable` where the folder is not empty and no export of this log, holds another history
 * or a newer one; `store.full`; `verify.failed` for evidence that is damaged.
 */
export async function exportLog(
  store: StoreReader,
  head: Published,
  path: string,
  options: ExportOptions,
): Promise<ExportedLog> {
  const { vkey, signal } = options
  const dir = resolve(path)
  const origin = originOf(head, vkey)
  try {
    const exported = await claimFolder(store, head, dir, vkey)
    const folder = new FolderWriter(dir)
    await folder.write(DATA_FILES.vkey, Buffer.from(`${vkey}\n`))
    await writeTiles(store, head.size, exported, folder, options)
    await folder.settle()
    const tilesWritten = folder.written
    await writeBlobs(store, folder, signal)
    await folder.settle()
    const blobsWritten = folder.written - tilesWritten
    await writeCheckpoints(store, head.size, folder, signal)
    await folder.settle()
    await folder.write(RETENTION_FILE, await retentionFile(store))
    writeWholeFile(join(dir, DATA_FILES.checkpoint), head.checkpoint)
    await removeStale(dir, head.size)
    return { origin, size: head.size, tilesWritten, blobsWritten }
  } catch (error) {
    throw folderError('export', dir, error)
  }
}

function originOf({ checkpoint, size }: Published, vkey: string): string {
  const { origin, size: signed } = openCheckpoint(checkpoint, parseVkey(vkey))
  if (signed !== size)
    throw new PolityError('internal', `the checkpoint of size ${size} is signed for ${signed}`)
  return origin
}

/** Makes sure that the folder is new or holds this very log; answers the size that it holds already. */
async function claimFolder(store: StoreReader, head: Published, dir: string, vkey: string): Promise<number> {
  const refuse = (why: string) =>
    new PolityError('data.unwritable', `${dir} cannot take the export: ${why}`, { path: dir })
  await mkdir(dir, { recursive: true })
  const names = await readdir(dir)
  if (names.length === 0) return 0
  const shown = await readLine(join(dir, DATA_FILES.vkey))
  if (names.includes(DATA_FILES.database)) throw refuse('it is the data folder of a hub')
  if (shown === undefined) throw refuse('it is not empty, and not an export')
  // A log keeps its name when its key changes; what the folder holds was signed by the key beside it.
  if (nameOf(shown) !== nameOf(vkey)) throw refuse('it holds the export of another log')
  const note = await readSmallFile(join(dir, DATA_FILES.checkpoint))
  if (note === undefined) return 0
  const { size, root } = openExported(note, shown, refuse)
  if (size > head.size) throw refuse(`it holds ${size} entries, more than the ${head.size} of the log`)
  if (size < (await store.minimumIndex()))
    throw refuse('the log was pruned beyond its end: keep it, and export to another folder')
  const ours = await treeRoot(size, (refs) =>
    Promise.all(refs.map(({ level, index, width }) => store.tile(level, index, width))),
  )
  if (Buffer.compare(ours, root) !== 0) throw refuse('it holds another history of the same log')
  return size
}

const nameOf = (vkey: string): string => vkey.slice(0, vkey.indexOf('+'))

function openExported(note: string, vkey: string, refuse: (why: string) => PolityError) {
  try {
    return openCheckpoint(note, parseVkey(vkey))
  } catch (error) {
    throw refuse(
      `its checkpoint is damaged (${(error as Error).message}); remove the folder and export again`,
    )
  }
}

/**
 * All tiles and entry bundles of a tree of `size` entries. Of `exported` entries the full ones are known to stand;
 * of those below the minimum index only the inner hashes are left (C2SP tlog-tiles, "Pruning").
 */
export async function writeTiles(
  store: StoreReader,
  size: number,
  exported: number,
  folder: FolderWriter,
  { onProgress, signal }: Pick<ExportOptions, 'onProgress' | 'signal'>,
): Promise<void> {
  const minimumIndex = await store.minimumIndex()
  for (const ref of tilesOfSize(size)) {
    checkAborted(signal)
    const { level, index, width } = ref
    if (level === 0 && index * TILE_WIDTH < minimumIndex) continue
    const covers = (index * TILE_WIDTH + width) * TILE_WIDTH ** level
    const isStanding = width === TILE_WIDTH && covers <= exported
    await folder.put(tilePath(ref), isStanding, () => store.tile(level, index, width))
    if (level > 0) continue
    await folder.put(entriesPath(index, width), isStanding, () => readBundle(store, ref))
    onProgress?.(covers, size)
  }
}

async function readBundle(store: StoreReader, { index, width }: TileRef): Promise<Uint8Array> {
  const from = index * TILE_WIDTH
  const entries = await store.entries({ from, to: from + width, limit: width })
  if (entries.length !== width)
    throw new PolityError('log.corrupt', `an entry is missing at or after ${from}`, { seq: from })
  return encodeEntries(entries.map(({ bytes }) => bytes))
}

/** Checkpoints that were retained, and their timestamps (RFC 3161), for whoever compares notes. */
export async function writeCheckpoints(
  store: StoreReader,
  maxSize: number,
  folder: FolderWriter,
  signal?: AbortSignal,
): Promise<void> {
  for await (const { size, note, timestamp } of readCheckpoints(store, signal)) {
    if (size > maxSize) return
    const path = `${CHECKPOINTS_DIR}/${size}`
    await folder.put(path, false, async () => Buffer.from(note))
    if (timestamp !== undefined) await folder.put(`${path}.tsr`, false, async () => timestamp)
  }
}

export async function writeBlobs(
  store: StoreReader,
  folder: FolderWriter,
  signal?: AbortSignal,
): Promise<void> {
  for await (const page of pages(store, EVIDENCE, { limit: PAGE_EVIDENCE, signal }))
    for (const { sha256, text } of page.map(readEvidence))
      await folder.put(`${BLOBS_DIR}/${blobName(sha256)}`, false, async () => Buffer.from(text))
}

/** Partial tiles of other sizes, and what a crash left half written. Nothing else in the folder is touched. */
export async function removeStale(dir: string, size: number): Promise<void> {
  const wanted = new Set(
    tilesOfSize(size).flatMap((ref) => [
      tilePath(ref),
      ...(ref.level === 0 ? [entriesPath(ref.index, ref.width)] : []),
    ]),
  )
  const root = join(dir, 'tile')
  const found = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => [])
  for (const item of found) {
    if (!item.isFile()) continue
    const path = relative(dir, join(item.parentPath, item.name))
    const named = parseTilePath(path.endsWith(ASIDE_SUFFIX) ? path.slice(0, -ASIDE_SUFFIX.length) : path)
    const isAside = named !== undefined && path.endsWith(ASIDE_SUFFIX)
    const isStale = named !== undefined && named.width < TILE_WIDTH && !wanted.has(path)
    if (isAside || isStale) await rm(join(dir, path), { force: true })
  }
}
