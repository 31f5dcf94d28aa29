// A backup as a source, once every file of it is known to be the one that was written.

import { createHash, hash } from 'node:crypto'
import { constants, createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { openCheckpoint } from '../../kit/signed-checkpoint.ts'
import { parseVkey } from '../../kit/signed-note.ts'
import { checkAborted } from '../audit/verify/failure.ts'
import { TAIL_MAX_BYTES, TAIL_NAME } from './backup.ts'
import { readBundles, readHashTile } from './bundles.ts'
import { OTHER_BYTES, readListed } from './listed-file.ts'
import {
  KEYS_DIR,
  MANIFEST,
  type Manifest,
  MODULES_DIR,
  ROWS_DIR,
  readManifest,
  torn,
  type WrittenManifest,
} from './manifest.ts'
import { isMacOf } from './manifest-mac.ts'
import { readRows } from './rows.ts'
import type { TransferSource } from './source.ts'

export interface BackupSource extends TransferSource {
  /** Names of the key files that the backup holds under `keys/`. */
  readonly keys: readonly string[]
  /** Paths of files that modules keep, under `modules/`. */
  readonly modules: readonly string[]
  authenticate(vaultKey: Uint8Array): boolean
  /** Throws `backup.torn` unless the copy of a module's file has the bytes that the manifest binds. */
  checkModuleCopy(path: string, copy: string): Promise<void>
}

export interface OpenBackupOptions {
  /** Counts bytes. */
  readonly onProgress?: (done: number, total: number) => void
  readonly signal?: AbortSignal
}

/**
 * Opens a backup after checking its manifest, the digest and length of every file, and the checkpoint's signature.
 * What nothing signs is held against its digest again when it is read: the folder may change meanwhile.
 * Undefined where there is no manifest. Throws `backup.torn` with the path of what is missing, cut short or changed.
 */
export async function openBackup(
  dir: string,
  options: OpenBackupOptions = {},
): Promise<BackupSource | undefined> {
  const written = await readManifest(dir)
  if (written === undefined) return undefined
  const { manifest } = written
  const { vkey, checkpoint, size, tail, minimumIndex, files } = manifest
  checkSigned(manifest)
  await checkFiles(dir, files, options)
  const paths = Object.keys(files)
  const rowFiles = paths.filter((path) => path.startsWith(`${ROWS_DIR}/`)).sort()
  const tailFile = rowFiles.find((path) => path.endsWith(`/${TAIL_NAME}`))
  return {
    name: dir,
    origin: manifest.origin,
    vkey,
    head: { size, checkpoint },
    shown: [],
    size: size + tail,
    minimumIndex,
    async *entries(signal) {
      yield* readBundles(dir, { from: minimumIndex, to: size }, signal)
      if (tail > 0) yield await readTail(dir, tailFile ?? TAIL_NAME, tail, files)
    },
    tile: (ref) => readHashTile(dir, ref),
    rows: (signal) =>
      readRows(
        dir,
        rowFiles.filter((path) => path !== tailFile),
        { isPruned: minimumIndex > 0, files },
        signal,
      ),
    keys: under(paths, KEYS_DIR),
    modules: under(paths, MODULES_DIR),
    authenticate: (vaultKey) => checkMac(written, vaultKey),
    checkModuleCopy: (path, copy) => checkFile(copy, `${MODULES_DIR}/${path}`, files),
    close: async () => undefined,
  }
}

const under = (paths: readonly string[], folder: string): string[] =>
  paths.flatMap((path) => (path.startsWith(`${folder}/`) ? [path.slice(folder.length + 1)] : []))

/** False for a backup that bears no code: whoever could write to it may have changed what is not signed. */
function checkMac({ manifest, mac }: WrittenManifest, vaultKey: Uint8Array): boolean {
  if (mac === undefined) return false
  if (isMacOf(mac, manifest, vaultKey)) return true
  throw torn(
    MANIFEST,
    "its authentication code was not made with this vault.key: somebody changed the backup, or the key is another hub's",
  )
}

function checkSigned({ vkey, checkpoint, origin, size }: Manifest): void {
  try {
    const signed = openCheckpoint(checkpoint, parseVkey(vkey))
    if (signed.origin !== origin || signed.size !== size)
      throw new TypeError(`it speaks for ${signed.size} entries of ${signed.origin}`)
  } catch (error) {
    throw torn('checkpoint', `it is not the log's own (${(error as Error).message})`, error)
  }
}

async function checkFiles(
  dir: string,
  files: Manifest['files'],
  { onProgress, signal }: OpenBackupOptions,
): Promise<void> {
  const total = Object.values(files).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  const waiting = Object.entries(files).values()
  let done = 0
  // Each takes the next file of the same iterator.
  const check = async () => {
    for (const [path, { sizeBytes }] of waiting) {
      checkAborted(signal)
      await checkFile(join(dir, path), path, files)
      done += sizeBytes
      onProgress?.(done, total)
    }
  }
  await Promise.all(Array.from({ length: READS_MAX }, check))
}

/** Files that are read at a time. */
const READS_MAX = 4

async function checkFile(place: string, path: string, files: Manifest['files']): Promise<void> {
  const known = files[path]
  if (known === undefined || (await digestOf(place, path, known.sizeBytes)) !== known.sha256)
    throw torn(path, OTHER_BYTES)
}

/** Throws `backup.torn` for a file of another length, and for what is no file at all. */
async function digestOf(place: string, path: string, sizeBytes: number): Promise<string> {
  // Opening a FIFO would otherwise wait for somebody who writes to it.
  const file = await open(place, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: Error) => {
    throw torn(path, `it cannot be read (${error.message})`, error)
  })
  try {
    const stat = await file.stat()
    if (!stat.isFile()) throw torn(path, 'it is no file')
    if (stat.size !== sizeBytes) throw torn(path, `it has ${stat.size} of ${sizeBytes} bytes`)
    if (sizeBytes <= READ_WHOLE_BYTES) return hash('sha256', await file.readFile(), 'hex')
    const digest = createHash('sha256')
    for await (const part of createReadStream(place, { fd: file, autoClose: false, highWaterMark: 1 << 20 }))
      digest.update(part as Uint8Array)
    return digest.digest('hex')
  } finally {
    await file.close()
  }
}

/** Tiles, bundles and most rows: what is larger is read in pieces. */
const READ_WHOLE_BYTES = 1024 * 1024

async function readTail(
  dir: string,
  path: string,
  count: number,
  files: Manifest['files'],
): Promise<readonly Uint8Array[]> {
  const bytes = await readListed(dir, path, TAIL_MAX_BYTES, files)
  const lines = Buffer.from(bytes).toString().split('\n').slice(0, -1)
  if (lines.length !== count) throw torn(path, `it holds ${lines.length} of ${count} entries`)
  return lines.map((line) => Buffer.from(line))
}
