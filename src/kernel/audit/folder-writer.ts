// Puts files into a folder that others will read: several at a time, each whole and synced before its name appears.

import { createHash, hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import { PolityError } from '../errors.ts'
import { syncFolder } from '../log/files.ts'
import { readBounded } from './sources/export.ts'
import { checkAborted } from './verify/failure.ts'

/** File operations under way: each of them ends with a sync, and a disk takes many syncs together. */
const WRITES_MAX = 16

/** What a file that is not whole yet is called. */
export const ASIDE_SUFFIX = '.tmp'

export interface FileDigest {
  /** 64 hexadecimal digits. */
  readonly sha256: string
  readonly sizeBytes: number
}

export interface FolderWriterOptions {
  /** Gets every file that was put or written, with its digest. */
  readonly onFile?: (path: string, digest: FileDigest) => void
  /** Files and folders are for the owner only. */
  readonly isPrivate?: boolean
}

/** Paths are relative to the folder, with `/` between names. */
export class FolderWriter {
  readonly #dir: string
  readonly #onFile: FolderWriterOptions['onFile']
  readonly #fileMode: number
  readonly #folderMode: number
  readonly #folders = new Set<string>()
  readonly #pending = new Set<Promise<void>>()
  #failure: unknown
  /** Files whose bytes were not there before. */
  written = 0

  constructor(dir: string, { onFile, isPrivate = false }: FolderWriterOptions = {}) {
    this.#dir = dir
    this.#onFile = onFile
    this.#fileMode = isPrivate ? 0o600 : 0o644
    this.#folderMode = isPrivate ? 0o700 : 0o777
  }

  /** Starts to put a file; it is left alone when it is known to stand there, or has these bytes. */
  async put(path: string, isStanding: boolean, read: () => Promise<Uint8Array>): Promise<void> {
    if (isStanding && (await stat(join(this.#dir, path)).catch(() => undefined))?.isFile()) return
    const bytes = await read()
    this.#onFile?.(path, { sha256: hash('sha256', bytes, 'hex'), sizeBytes: bytes.length })
    await this.#start(this.#putBytes(path, bytes))
  }

  /** Writes a file, whole or not at all. */
  async write(path: string, bytes: Uint8Array, mode = this.#fileMode): Promise<void> {
    const target = await this.#place(path)
    const aside = await openAside(target, mode)
    try {
      await aside.chmod(mode)
      await aside.writeFile(bytes)
      await aside.sync()
    } finally {
      await aside.close()
    }
    await rename(`${target}${ASIDE_SUFFIX}`, target)
  }

  /** Copies a file of any size, with its mode; its digest is that of the bytes that were read. */
  async copy(path: string, from: string, signal?: AbortSignal): Promise<void> {
    const target = await this.#place(path)
    const { mode } = await stat(from)
    const aside = await openAside(target, 0o600)
    const digest = createHash('sha256')
    let sizeBytes = 0
    try {
      for await (const part of createReadStream(from, { highWaterMark: 1 << 20 })) {
        checkAborted(signal)
        digest.update(part as Uint8Array)
        sizeBytes += (part as Uint8Array).length
        await aside.writeFile(part as Uint8Array)
      }
      await aside.chmod(mode & 0o777)
      await aside.sync()
    } finally {
      await aside.close()
    }
    await rename(`${target}${ASIDE_SUFFIX}`, target)
    this.#onFile?.(path, { sha256: digest.digest('hex'), sizeBytes })
  }

  /** Resolves when everything put so far would survive a power cut. */
  async settle(): Promise<void> {
    await Promise.all(this.#pending)
    if (this.#failure !== undefined) throw this.#failure
    for (const folder of this.#folders) syncFolder(folder)
  }

  async #start(putting: Promise<void>): Promise<void> {
    const work = putting.catch((error: unknown) => {
      this.#failure ??= error
    })
    this.#pending.add(work)
    void work.finally(() => this.#pending.delete(work))
    if (this.#pending.size >= WRITES_MAX) await Promise.race(this.#pending)
    if (this.#failure !== undefined) throw this.#failure
  }

  async #putBytes(path: string, bytes: Uint8Array): Promise<void> {
    // One that cannot be read is written, which then fails for the same reason, or not.
    const there = await readBounded(join(this.#dir, path), bytes.length).catch(() => undefined)
    if (there !== undefined && Buffer.compare(there, bytes) === 0) return
    await this.write(path, bytes)
    this.written += 1
  }

  async #place(path: string): Promise<string> {
    const target = join(this.#dir, path)
    await this.#makeFolder(dirname(target))
    return target
  }

  /** Each new folder is an entry of its parent, which is synced for it. */
  async #makeFolder(path: string): Promise<void> {
    if (this.#folders.has(path)) return
    await mkdir(path, { recursive: true, mode: this.#folderMode })
    if (!(await isWithin(this.#dir, path)))
      throw new PolityError(
        'data.unwritable',
        `${path} is a link that leads out of ${this.#dir}: remove it, or name another folder`,
        { path },
      )
    for (let at = path; at.startsWith(this.#dir) && !this.#folders.has(at); at = dirname(at))
      this.#folders.add(at)
  }
}

/** Always a new file: one that lies there may be a link, or belong to somebody who has it open and reads along. */
async function openAside(target: string, mode: number): Promise<FileHandle> {
  const path = `${target}${ASIDE_SUFFIX}`
  await rm(path, { force: true })
  return open(path, 'wx', mode)
}

/** Whether a folder really is in another one, or is it, once all links are followed. False where there is none. */
export async function isWithin(dir: string, path: string): Promise<boolean> {
  const [outer, inner] = await Promise.all([dir, path].map((each) => realpath(each).catch(() => undefined)))
  if (outer === undefined || inner === undefined) return false
  return inner === outer || inner.startsWith(outer.endsWith(sep) ? outer : `${outer}${sep}`)
}

/** What the file system refused, as the error of a folder that is written: `store.full` or `data.unwritable`. */
export function folderError(what: string, dir: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (error instanceof PolityError || code === undefined) return error
  const message = `the ${what} to ${dir} failed: ${(error as Error).message}`
  return code === 'ENOSPC' || code === 'EDQUOT'
    ? new PolityError('store.full', message, { path: dir }, error)
    : new PolityError('data.unwritable', message, { path: dir }, error)
}
