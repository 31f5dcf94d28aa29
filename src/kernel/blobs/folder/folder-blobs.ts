// Blobs as files of one folder: whole or absent, checked on every read, each with its protection beside it.

import { constants } from 'node:fs'
import { type FileHandle, lstat, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Env } from '../../env.ts'
import { PolityError } from '../../errors.ts'
import { Closed, Type, validate } from '../../schema/schema.ts'
import {
  absent,
  BLOB_SIZE_MAX_BYTES,
  type Blobs,
  corrupt,
  pathOf,
  requireDigest,
  requireMatch,
  requireStorable,
} from '../blobs.ts'
import { changed, joined, type Protection, requireDroppable, UNPROTECTED, wantedBy } from '../protection.ts'

/** The mode is a hint for people; what proves a file unchanged is its digest. */
const BLOB_MODE = 0o400
const PROTECTION_MODE = 0o600
const FOLDER_MODE = 0o700
const PROTECTION_SIZE_MAX_BYTES = 4096

export interface FolderBlobsOptions {
  readonly dir: string
  readonly env: Pick<Env, 'now' | 'random'>
}

export function folderBlobs({ dir, env }: FolderBlobsOptions): Blobs {
  const blobPath = (sha256: string) => join(dir, pathOf(requireDigest(sha256)))
  const lockPath = (sha256: string) => `${blobPath(sha256)}.lock`
  const isolated = <T>(act: () => Promise<T>): Promise<T> =>
    act().catch((error: unknown) => {
      throw asBlobError(error, dir)
    })

  const openBlob = (sha256: string) => readFile(blobPath(sha256), BLOB_SIZE_MAX_BYTES)
  const protectionOf = async (sha256: string): Promise<Protection> => {
    const found = await readFile(lockPath(sha256), PROTECTION_SIZE_MAX_BYTES)
    return found === undefined ? UNPROTECTED : parseProtection(found, sha256, dir)
  }
  const writeProtection = (sha256: string, protection: Protection) =>
    writeWhole(lockPath(sha256), Buffer.from(JSON.stringify(protection)), PROTECTION_MODE, env)
  const change = async (
    sha256: string,
    next: (protection: Protection) => Protection,
    signal?: AbortSignal,
  ) => {
    signal?.throwIfAborted()
    if (!(await exists(blobPath(sha256)))) throw absent(sha256, dir)
    await writeProtection(sha256, next(await protectionOf(sha256)))
  }

  return {
    put: (sha256, bytes, options = {}) =>
      isolated(async () => {
        options.signal?.throwIfAborted()
        requireStorable(sha256, bytes)
        const path = blobPath(sha256)
        await makeFolders(dir, dirname(path))
        const before = await protectionOf(sha256)
        const after = joined(before, wantedBy(options))
        // First the protection: there is no moment in which the blob is there without it.
        if (JSON.stringify(after) !== JSON.stringify(before)) await writeProtection(sha256, after)
        const stored = await openBlob(sha256)
        if (stored !== undefined && stored !== 'no file' && Buffer.compare(stored, bytes) === 0) return
        if (stored === 'no file') await rm(path, { recursive: true, force: true })
        await writeWhole(path, bytes, BLOB_MODE, env)
      }),
    open: (sha256, signal) =>
      isolated(async () => {
        signal?.throwIfAborted()
        const bytes = await openBlob(sha256)
        if (bytes === undefined) throw absent(sha256, dir)
        if (bytes === 'no file') throw corrupt(sha256, dir)
        return requireMatch(sha256, bytes, dir)
      }),
    has: (sha256, signal) =>
      isolated(async () => {
        signal?.throwIfAborted()
        return exists(blobPath(sha256))
      }),
    retain: (sha256, retention, { isBypass = false, signal } = {}) =>
      isolated(() => {
        const nowMs = env.now()
        return change(sha256, (before) => changed(sha256, before, retention, { isBypass, nowMs }), signal)
      }),
    hold: (sha256, isHeld, signal) =>
      isolated(() => change(sha256, (protection) => ({ ...protection, isHeld }), signal)),
    drop: (sha256, { isBypass = false, signal } = {}) =>
      isolated(async () => {
        signal?.throwIfAborted()
        const path = blobPath(sha256)
        if (!(await exists(path))) return
        requireDroppable(sha256, await protectionOf(sha256), { isBypass, nowMs: env.now() })
        await rm(path, { recursive: true, force: true })
        await rm(lockPath(sha256), { force: true })
        await syncFolder(dirname(path))
      }),
    location: () => dir,
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (isAbsence(error)) return false
    throw error
  }
}

const isAbsence = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')

/**
 * Undefined when nothing is there; `no file` for what no blob can be: a link, a folder, a pipe that would never
 * end, or more bytes than a blob may have.
 */
async function readFile(path: string, sizeMaxBytes: number): Promise<Buffer | 'no file' | undefined> {
  let handle: FileHandle
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (isAbsence(error)) return undefined
    if (['ELOOP', 'EMLINK', 'ENXIO', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return 'no file'
    throw error
  }
  try {
    const facts = await handle.stat()
    return facts.isFile() && facts.size <= sizeMaxBytes ? await handle.readFile() : 'no file'
  } finally {
    await handle.close()
  }
}

const StoredProtection = Closed({
  isHeld: Type.Boolean(),
  retention: Type.Optional(
    Closed({
      mode: Type.Union([Type.Literal('governance'), Type.Literal('compliance')]),
      retainUntil: Type.String(),
    }),
  ),
})

/** What cannot be read protects as if it said everything: damage must not open what was locked. */
function parseProtection(bytes: Buffer | 'no file', sha256: string, dir: string): Protection {
  try {
    return validate(StoredProtection, JSON.parse(bytes.toString()), 'the protection of a blob')
  } catch (error) {
    throw new PolityError(
      'blob.corrupt',
      `the protection of ${sha256} in ${dir} cannot be read: restore the file ${sha256}.lock, or remove it once you know that nothing protects the blob`,
      { sha256, location: dir },
      error,
    )
  }
}

/** Each new folder is durable once the one above it is synced. */
async function makeFolders(root: string, path: string): Promise<void> {
  if (await exists(path)) return
  await mkdir(path, { recursive: true, mode: FOLDER_MODE })
  for (let at = path; at.length > root.length; at = dirname(at)) await syncFolder(dirname(at))
  await syncFolder(dirname(root))
}

/** Written aside, synced, renamed: a reader, or a crash, meets the old file or the new one. */
async function writeWhole(
  path: string,
  bytes: Uint8Array,
  mode: number,
  env: Pick<Env, 'random'>,
): Promise<void> {
  const aside = `${path}.${Buffer.from(env.random(8)).toString('hex')}.tmp`
  try {
    const handle = await open(aside, 'wx', mode)
    try {
      await handle.writeFile(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(aside, path)
  } catch (error) {
    await rm(aside, { force: true })
    throw error
  }
  await syncFolder(dirname(path))
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function asBlobError(error: unknown, dir: string): unknown {
  const { code, syscall, message } = error as NodeJS.ErrnoException
  if (error instanceof PolityError || syscall === undefined) return error
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new PolityError('store.full', `${dir} has no room left: make some, then try again`, {}, error)
  return new PolityError(
    'blob.unreachable',
    `${dir} cannot be used (${code ?? message}): check that it is mounted and belongs to this user`,
    { location: dir },
    error,
  )
}
