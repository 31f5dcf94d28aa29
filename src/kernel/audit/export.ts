// Writes a log to a folder in the layout of C2SP tlog-tiles, so that any static web server can publish and any verifier check it.

import { Buffer } from 'node:buffer'
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { parseCheckpoint } from '../../kit/checkpoint.ts'
import { openNote, parseVkey } from '../../kit/signed-note.ts'
import { TILE_WIDTH, type TileRef, tilesOfSize, treeRoot } from '../../kit/tile-tree.ts'
import { encodeEntries, entriesPath, parseTilePath, tilePath } from '../../kit/tlog-tiles.ts'
import { PolityError } from '../errors.ts'
import { syncFolder, writeWholeFile } from '../log/files.ts'
import { BLOBS_DIR, blobName, DATA_FILES, EVIDENCE } from '../log/layout.ts'
import type { Published } from '../log/proposal.ts'
import { pages } from '../store/pages.ts'
import type { Store } from '../store/store.ts'
import { readBounded, readLine, readSmallFile } from './sources/export.ts'
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

/** File operations under way: each of them ends with a sync, and a disk takes many syncs together. */
const WRITES_MAX = 16

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
  store: Store,
  head: Published,
  path: string,
  options: ExportOptions,
): Promise<ExportedLog> {
  const { vkey, signal } = options
  const dir = resolve(path)
  const origin = originOf(head, vkey)
  try {
    const exported = await claimFolder(store, head, dir, vkey)
    const folder = new ExportFolder(dir)
    await folder.write(DATA_FILES.vkey, Buffer.from(`${vkey}\n`))
    await writeTiles(store, head.size, exported, folder, options)
    await folder.settle()
    const tilesWritten = folder.written
    await writeBlobs(store, folder, signal)
    await folder.settle()
    writeWholeFile(join(dir, DATA_FILES.checkpoint), head.checkpoint)
    await removeStale(dir, head.size)
    return { origin, size: head.size, tilesWritten, blobsWritten: folder.written - tilesWritten }
  } catch (error) {
    throw writeError(dir, error)
  }
}

function originOf({ checkpoint, size }: Published, vkey: string): string {
  const { origin, size: signed } = parseCheckpoint(openNote(checkpoint, [parseVkey(vkey)]).text)
  if (signed !== size)
    throw new PolityError('internal', `the checkpoint of size ${size} is signed for ${signed}`)
  return origin
}

/** Makes sure that the folder is new or holds this very log; answers the size that it holds already. */
async function claimFolder(store: Store, head: Published, dir: string, vkey: string): Promise<number> {
  const refuse = (why: string) =>
    new PolityError('data.unwritable', `${dir} cannot take the export: ${why}`, { path: dir })
  await mkdir(dir, { recursive: true })
  const names = await readdir(dir)
  if (names.length === 0) return 0
  const shown = await readLine(join(dir, DATA_FILES.vkey))
  if (names.includes(DATA_FILES.database)) throw refuse('it is the data folder of a hub')
  if (shown === undefined) throw refuse('it is not empty, and not an export')
  if (shown !== vkey) throw refuse('it holds the export of another log')
  const note = await readSmallFile(join(dir, DATA_FILES.checkpoint))
  if (note === undefined) return 0
  const { size, root } = openExported(note, vkey, refuse)
  if (size > head.size) throw refuse(`it holds ${size} entries, more than the ${head.size} of the log`)
  const ours = await treeRoot(size, (refs) =>
    Promise.all(refs.map(({ level, index, width }) => store.tile(level, index, width))),
  )
  if (Buffer.compare(ours, root) !== 0) throw refuse('it holds another history of the same log')
  return size
}

function openExported(note: string, vkey: string, refuse: (why: string) => PolityError) {
  try {
    return parseCheckpoint(openNote(note, [parseVkey(vkey)]).text)
  } catch (error) {
    throw refuse(
      `its checkpoint is damaged (${(error as Error).message}); remove the folder and export again`,
    )
  }
}

async function writeTiles(
  store: Store,
  size: number,
  exported: number,
  folder: ExportFolder,
  { onProgress, signal }: ExportOptions,
): Promise<void> {
  for (const ref of tilesOfSize(size)) {
    checkAborted(signal)
    const { level, index, width } = ref
    const covers = (index * TILE_WIDTH + width) * TILE_WIDTH ** level
    const isStanding = width === TILE_WIDTH && covers <= exported
    await folder.put(tilePath(ref), isStanding, () => store.tile(level, index, width))
    if (level > 0) continue
    await folder.put(entriesPath(index, width), isStanding, () => readBundle(store, ref))
    onProgress?.(covers, size)
  }
}

async function readBundle(store: Store, { index, width }: TileRef): Promise<Uint8Array> {
  const from = index * TILE_WIDTH
  const entries = await store.entries({ from, to: from + width, limit: width })
  if (entries.length !== width)
    throw new PolityError('log.corrupt', `an entry is missing at or after ${from}`, { seq: from })
  return encodeEntries(entries.map(({ bytes }) => bytes))
}

async function writeBlobs(store: Store, folder: ExportFolder, signal?: AbortSignal): Promise<void> {
  for await (const page of pages(store, EVIDENCE, { limit: PAGE_EVIDENCE, signal }))
    for (const { sha256, text } of page.map(readEvidence))
      await folder.put(`${BLOBS_DIR}/${blobName(sha256)}`, false, async () => Buffer.from(text))
}

/** Puts files into the folder, several at a time, each synced before its name appears. */
class ExportFolder {
  readonly #dir: string
  readonly #folders = new Set<string>()
  readonly #pending = new Set<Promise<void>>()
  #failure: unknown
  written = 0

  constructor(dir: string) {
    this.#dir = dir
  }

  /** Starts to put a file; it is left alone when it stands under the old checkpoint or has these bytes. */
  async put(path: string, isStanding: boolean, read: () => Promise<Uint8Array>): Promise<void> {
    if (isStanding && (await stat(join(this.#dir, path)).catch(() => undefined))?.isFile()) return
    const work = this.#putBytes(path, await read()).catch((error: unknown) => {
      this.#failure ??= error
    })
    this.#pending.add(work)
    void work.finally(() => this.#pending.delete(work))
    if (this.#pending.size >= WRITES_MAX) await Promise.race(this.#pending)
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Writes a file, whole or not at all. */
  async write(path: string, bytes: Uint8Array): Promise<void> {
    const target = join(this.#dir, path)
    await this.#makeFolder(dirname(target))
    const aside = await open(`${target}${ASIDE_SUFFIX}`, 'w')
    try {
      await aside.writeFile(bytes)
      await aside.sync()
    } finally {
      await aside.close()
    }
    await rename(`${target}${ASIDE_SUFFIX}`, target)
  }

  /** Resolves when everything put so far would survive a power cut. */
  async settle(): Promise<void> {
    await Promise.all(this.#pending)
    if (this.#failure !== undefined) throw this.#failure
    for (const folder of this.#folders) syncFolder(folder)
  }

  async #putBytes(path: string, bytes: Uint8Array): Promise<void> {
    // One that cannot be read is written, which then fails for the same reason, or not.
    const there = await readBounded(join(this.#dir, path), bytes.length).catch(() => undefined)
    if (there !== undefined && Buffer.compare(there, bytes) === 0) return
    await this.write(path, bytes)
    this.written += 1
  }

  /** Each new folder is an entry of its parent, which is synced for it. */
  async #makeFolder(path: string): Promise<void> {
    if (this.#folders.has(path)) return
    await mkdir(path, { recursive: true })
    for (let at = path; at.startsWith(this.#dir) && !this.#folders.has(at); at = dirname(at))
      this.#folders.add(at)
  }
}

const ASIDE_SUFFIX = '.tmp'

/** Partial tiles of other sizes, and what a crash left half written. Nothing else in the folder is touched. */
async function removeStale(dir: string, size: number): Promise<void> {
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

function writeError(dir: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (error instanceof PolityError || code === undefined) return error
  const message = `the export to ${dir} failed: ${(error as Error).message}`
  return code === 'ENOSPC' || code === 'EDQUOT'
    ? new PolityError('store.full', message, { path: dir }, error)
    : new PolityError('data.unwritable', message, { path: dir }, error)
}
