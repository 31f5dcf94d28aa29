// Files of derived facts that may vanish at any time: sealed by a digest, replaced whole, never trusted when torn.

import { createHash } from 'node:crypto'
import { mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { threadId } from 'node:worker_threads'
import type { Session } from './git/command.ts'
import { MAX_CACHE_BYTES, MAX_CACHE_FILE_BYTES } from './limits.ts'

const MAGIC = Buffer.from('polity-mirror/1\n')
const DIGEST_BYTES = 32
let drafts = 0

/** What a cache file holds; another version of the same kind is another file that is no longer read. */
export type CacheKind = 'history-1' | 'blobs-1' | 'analysis-1'

/** Where the facts of one git directory of one kind are kept. */
export function cacheFile(cacheDir: string, gitDir: string, kind: CacheKind): string {
  const key = createHash('sha256').update(gitDir).digest('hex').slice(0, 40)
  return join(cacheDir, `${key}.${kind}`)
}

/** The payload, or null when the file is absent, torn, changed, too large or of another version. */
export async function readCache(file: string): Promise<Buffer | null> {
  const bytes = await readWhole(file)
  if (!bytes || bytes.length < MAGIC.length + DIGEST_BYTES) return null
  const payload = bytes.subarray(MAGIC.length + DIGEST_BYTES)
  const seal = bytes.subarray(MAGIC.length, MAGIC.length + DIGEST_BYTES)
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC) || !digestOf(payload).equals(seal)) return null
  return payload
}

/**
 * Replaces the file in one step: a reader, or a crash, sees the old bytes or the new ones. What cannot be kept
 * costs time at the next scan and is noted, but never fails an analysis.
 */
export async function writeCache(session: Session, file: string, payload: readonly Buffer[]): Promise<void> {
  const sizeBytes = payload.reduce((total, part) => total + part.length, 0)
  if (sizeBytes > MAX_CACHE_FILE_BYTES) {
    session.onNotice?.(`not kept for the next scan: ${sizeBytes} bytes are more than a cache file may have`)
    return
  }
  drafts += 1
  const draft = `${file}.${process.pid}-${threadId}-${drafts}.draft`
  try {
    await writeFile(draft, [MAGIC, digestOf(...payload), ...payload], { mode: 0o600 })
    await rename(draft, file)
  } catch (error) {
    session.onNotice?.(
      `not kept for the next scan: ${error instanceof Error ? error.message : String(error)}`,
    )
    await rm(draft, { force: true }).catch(() => undefined)
  }
}

/** Makes the folder and drops the files written longest ago until it fits `MAX_CACHE_BYTES`. */
export async function openCache(cacheDir: string, maxBytes = MAX_CACHE_BYTES): Promise<void> {
  await mkdir(cacheDir, { recursive: true, mode: 0o700 })
  const names = (await readdir(cacheDir)).filter((name) =>
    /\.(history|blobs|analysis)-\d+|\.draft$/.test(name),
  )
  const files: { file: string; size: number; mtimeMs: number }[] = []
  for (const name of names) {
    const file = join(cacheDir, name)
    const facts = await stat(file).catch(() => null)
    if (facts) files.push({ file, size: facts.size, mtimeMs: facts.mtimeMs })
  }
  let totalBytes = files.reduce((total, { size }) => total + size, 0)
  for (const { file, size } of files.toSorted((a, b) => a.mtimeMs - b.mtimeMs)) {
    if (totalBytes <= maxBytes) break
    await rm(file, { force: true })
    totalBytes -= size
  }
}

async function readWhole(file: string): Promise<Buffer | null> {
  const handle = await open(file, 'r').catch(() => null)
  if (!handle) return null
  try {
    const { size } = await handle.stat()
    if (size > MAX_CACHE_FILE_BYTES + MAGIC.length + DIGEST_BYTES) return null
    return await handle.readFile()
  } catch {
    // Unreadable is the same as absent.
    return null
  } finally {
    await handle.close()
  }
}

function digestOf(...parts: readonly Buffer[]): Buffer {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
