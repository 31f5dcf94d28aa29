// Reads many blobs through one `git cat-file --batch`, in order, never holding more than one of them.

import { MAX_BLOB_BYTES, MAX_TOKEN_BYTES } from '../limits.ts'
import { roomEnvironment } from './clean-room.ts'
import { gitFailed, runGit, type Session } from './command.ts'
import type { Repository } from './repository.ts'

/** A blob's bytes; `oversize` and `missing` have none. The buffer is valid during the call only. */
export type Blob =
  | { readonly kind: 'content'; readonly bytes: Buffer }
  | { readonly kind: 'oversize'; readonly sizeBytes: number }
  | { readonly kind: 'missing' }

/**
 * Calls `onBlob` once per id, in order. A blob above `MAX_BLOB_BYTES` is drained unread.
 * @throws PolityError `mirror.git-failed`
 */
export async function readBlobs(
  session: Session,
  repository: Repository,
  ids: readonly string[],
  onBlob: (at: number, blob: Blob) => void,
): Promise<void> {
  if (ids.length === 0) return
  const reader = batchReader(onBlob)
  const exit = await runGit(session, {
    args: ['cat-file', '--batch', '--buffer'],
    cwd: repository.room,
    env: roomEnvironment(repository),
    input: `${ids.join('\n')}\n`,
    onData: reader.push,
  })
  if (exit.code !== 0 || reader.seen() !== ids.length) throw gitFailed('read file contents', exit)
}

/** First bytes of one large blob; git is ended as soon as they have come. */
export async function readBlobHead(
  session: Session,
  repository: Repository,
  id: string,
  sizeBytes: number,
): Promise<Buffer> {
  const chunks: Buffer[] = []
  let seenBytes = 0
  await runGit(session, {
    args: ['cat-file', 'blob', id],
    cwd: repository.room,
    env: roomEnvironment(repository),
    onData: (chunk) => {
      chunks.push(chunk)
      seenBytes += chunk.length
      return seenBytes < sizeBytes
    },
  })
  return Buffer.concat(chunks).subarray(0, sizeBytes)
}

/** Reader of `<id> <type> <size>\n<bytes>\n` and `<id> missing\n` (git-cat-file(1), BATCH OUTPUT). */
export function batchReader(onBlob: (at: number, blob: Blob) => void): {
  push(chunk: Buffer): boolean
  seen(): number
} {
  let at = 0
  let held: Buffer = Buffer.alloc(0)
  /** Bytes of an oversize blob, and its newline, still to be thrown away. */
  let drainBytes = 0
  const emit = (blob: Blob) => {
    onBlob(at, blob)
    at += 1
  }
  /** Takes one answer from `bytes` at `from`; the place after it, or -1 when more bytes are needed. */
  const take = (bytes: Buffer, from: number): number => {
    const end = bytes.indexOf(10, from)
    if (end < 0) {
      if (bytes.length - from > MAX_TOKEN_BYTES) throw new RangeError('git answered with an endless header')
      return -1
    }
    const size = Number(bytes.toString('latin1', bytes.lastIndexOf(32, end) + 1, end))
    if (!Number.isSafeInteger(size)) {
      emit({ kind: 'missing' })
      return end + 1
    }
    if (size > MAX_BLOB_BYTES) {
      emit({ kind: 'oversize', sizeBytes: size })
      drainBytes = size + 1
      return end + 1
    }
    const after = end + 1 + size + 1
    if (after > bytes.length) return -1
    emit({ kind: 'content', bytes: bytes.subarray(end + 1, after - 1) })
    return after
  }
  const push = (chunk: Buffer): boolean => {
    const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    let from = 0
    while (from < bytes.length) {
      const dropped = Math.min(drainBytes, bytes.length - from)
      drainBytes -= dropped
      from += dropped
      const next = from < bytes.length ? take(bytes, from) : -1
      if (next < 0) break
      from = next
    }
    held = bytes.subarray(from)
    return true
  }
  return { push, seen: () => at }
}
