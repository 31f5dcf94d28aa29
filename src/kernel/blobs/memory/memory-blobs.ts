// Blobs in memory: for hubs that keep nothing, and for tests.

import type { Env } from '../../env.ts'
import { absent, type Blobs, requireDigest, requireMatch, requireStorable } from '../blobs.ts'
import { changed, joined, type Protection, requireDroppable, UNPROTECTED, wantedBy } from '../protection.ts'

export interface StoredBlob {
  readonly bytes: Uint8Array
  readonly protection: Protection
}

export interface MemoryBlobsOptions {
  readonly name: string
  readonly env: Pick<Env, 'now'>
  /** Whoever holds the map can do what a person with a disk editor can. */
  readonly stored?: Map<string, StoredBlob>
}

export function memoryBlobs({ name, env, stored = new Map() }: MemoryBlobsOptions): Blobs {
  const location = `memory:${name}`
  const find = (sha256: string, signal?: AbortSignal): StoredBlob => {
    signal?.throwIfAborted()
    const blob = stored.get(requireDigest(sha256))
    if (blob === undefined) throw absent(sha256, location)
    return blob
  }
  const protect = (sha256: string, change: (protection: Protection) => Protection, signal?: AbortSignal) => {
    const blob = find(sha256, signal)
    stored.set(sha256, { ...blob, protection: change(blob.protection) })
  }
  return {
    async put(sha256, bytes, options = {}) {
      options.signal?.throwIfAborted()
      requireStorable(sha256, bytes)
      const protection = joined(stored.get(sha256)?.protection ?? UNPROTECTED, wantedBy(options))
      stored.set(sha256, { bytes: Uint8Array.from(bytes), protection })
    },
    open: async (sha256, signal) =>
      Uint8Array.from(requireMatch(sha256, find(sha256, signal).bytes, location)),
    async has(sha256, signal) {
      signal?.throwIfAborted()
      return stored.has(requireDigest(sha256))
    },
    async retain(sha256, retention, { isBypass = false, signal } = {}) {
      const nowMs = env.now()
      protect(sha256, (before) => changed(sha256, before, retention, { isBypass, nowMs }), signal)
    },
    async hold(sha256, isHeld, signal) {
      protect(sha256, (protection) => ({ ...protection, isHeld }), signal)
    },
    async drop(sha256, { isBypass = false, signal } = {}) {
      signal?.throwIfAborted()
      const blob = stored.get(requireDigest(sha256))
      if (blob === undefined) return
      requireDroppable(sha256, blob.protection, { isBypass, nowMs: env.now() })
      stored.delete(sha256)
    },
    location: () => location,
  }
}
