// A limit per name: a number at once, and then so many a second.

import type { Env } from '../env.ts'
import { PolityError } from '../errors.ts'

export interface RateLimit {
  /** Throws `limit` when the name has used up what it may. */
  take: (name: string) => void
}

interface Bucket {
  tokens: number
  atMs: number
}

/** Names are those of admitted logs, so there are few; a full bucket is as good as none. */
export function openRateLimit(env: Env, burstMax: number, perSecond: number): RateLimit {
  const buckets = new Map<string, Bucket>()
  return {
    take(name) {
      const nowMs = env.monotonic()
      const { tokens, atMs } = buckets.get(name) ?? { tokens: burstMax, atMs: nowMs }
      const refilled = Math.min(burstMax, tokens + ((nowMs - atMs) / 1000) * perSecond)
      if (refilled < 1)
        throw new PolityError('limit', `at most ${perSecond} new checkpoints a second of one log`)
      buckets.set(name, { tokens: refilled - 1, atMs: nowMs })
    },
  }
}
