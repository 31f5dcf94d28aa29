// The Blobs port: immutable bytes under their SHA-256, kept from deletion by retention and legal hold.

import { hash } from 'node:crypto'
import { PolityError } from '../errors.ts'

/** S3 allows 5 GiB in one request; what the hub itself stores stays far below. */
export const BLOB_SIZE_MAX_BYTES = 64 * 1024 * 1024

/**
 * The S3 Object Lock model: `governance` may be cut short by whoever may bypass it, `compliance` by nobody.
 */
export type RetentionMode = 'governance' | 'compliance'

export interface Retention {
  readonly mode: RetentionMode
  /** RFC 3339, UTC. */
  readonly retainUntil: string
}

export interface PutOptions {
  readonly mode?: RetentionMode
  /** RFC 3339, UTC; together with `mode`. */
  readonly retainUntil?: string
  readonly hold?: boolean
  readonly signal?: AbortSignal
}

export interface LockOptions {
  /** Governance retention may be shortened or ignored; the caller has the right to, and it is recorded elsewhere. */
  readonly isBypass?: boolean
  readonly signal?: AbortSignal
}

/**
 * One copy of the blobs. Digests are 64 lowercase hexadecimal digits. Besides the codes below every method may
 * throw `blob.unreachable` (it did not answer in time, or failed) and `blob.refused` (it answered no).
 */
export interface Blobs {
  /**
   * Durable when it resolves. The same digest twice is one blob, and protection only grows; bytes that do not
   * match their digest any more are replaced. Throws `blob.corrupt` when the given bytes are not the digest's,
   * `payload.too-large`, `store.full`.
   */
  put(sha256: string, bytes: Uint8Array, options?: PutOptions): Promise<void>
  /** The bytes, always checked against their digest. Throws `not-found`, `blob.corrupt`. */
  open(sha256: string, signal?: AbortSignal): Promise<Uint8Array>
  /** Whether something is stored under the digest, right or wrong. */
  has(sha256: string, signal?: AbortSignal): Promise<boolean>
  /**
   * Sets the retention; null ends a governance retention, which takes `isBypass`. Throws `blob.retained` for
   * what shortens a compliance retention, or a governance one without `isBypass`; `not-found`.
   */
  retain(sha256: string, retention: Retention | null, options?: LockOptions): Promise<void>
  /** Legal hold, on or off. Throws `not-found`. */
  hold(sha256: string, isHeld: boolean, signal?: AbortSignal): Promise<void>
  /** Removes it; what is absent already is no error. Throws `blob.retained` while it is retained or held. */
  drop(sha256: string, options?: LockOptions): Promise<void>
  /** Where it is, for people. */
  location(): string
}

const DIGEST = /^[0-9a-f]{64}$/

/** A digest becomes part of a path and of a URL, so nothing else may pass for one. Throws `input.invalid`. */
export function requireDigest(sha256: string): string {
  if (!DIGEST.test(sha256))
    throw new PolityError('input.invalid', 'a blob is named by the 64 hexadecimal digits of its SHA-256')
  return sha256
}

/** Throws `blob.corrupt` when the bytes are not those of the digest. */
export function requireMatch(sha256: string, bytes: Uint8Array, location: string): Uint8Array {
  if (hash('sha256', bytes, 'hex') === sha256) return bytes
  throw corrupt(sha256, location)
}

export function requireStorable(sha256: string, bytes: Uint8Array): void {
  requireDigest(sha256)
  if (bytes.length > BLOB_SIZE_MAX_BYTES)
    throw new PolityError(
      'payload.too-large',
      `a blob may have ${BLOB_SIZE_MAX_BYTES} bytes, this one has ${bytes.length}`,
      { sizeBytes: bytes.length },
    )
  requireMatch(sha256, bytes, 'the given bytes')
}

export const corrupt = (sha256: string, location: string): PolityError =>
  new PolityError(
    'blob.corrupt',
    `${location} holds other bytes under ${sha256} than were stored: take another copy, and let a scrub repair this one`,
    { sha256, location },
  )

export const absent = (sha256: string, location: string): PolityError =>
  new PolityError('not-found', `${location} holds no blob ${sha256}`, { sha256, location })

/** `ab/cd/abcd…`: no folder grows beyond what a file system handles well. */
export const pathOf = (sha256: string): string => `${sha256.slice(0, 2)}/${sha256.slice(2, 4)}/${sha256}`
