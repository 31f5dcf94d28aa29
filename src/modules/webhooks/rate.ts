// How often a source may send: a bucket that fills by the minute.

import type { Env } from '../../kernel/env.ts'
import { PolityError } from '../../kernel/errors.ts'

export interface Rate {
  /** Takes room for one event. Throws `limit`, with the seconds after which there is room again. */
  take(source: string): void
  /** There were more of them in one request: they are let in, and what follows them waits so much longer. */
  charge(source: string, more: number): void
}

/** Sources are bounded by their commands, so buckets are. */
export function openRate(env: Pick<Env, 'monotonic'>, options: { readonly ratePerMinute: number }): Rate {
  const buckets = new Map<string, { left: number; atMs: number }>()
  return {
    take(source) {
      // It may have been set anew: what a bucket holds above it is gone.
      const { ratePerMinute: perMinute } = options
      const nowMs = env.monotonic()
      const { left, atMs } = buckets.get(source) ?? { left: perMinute, atMs: nowMs }
      const filled = Math.min(perMinute, left + ((nowMs - atMs) * perMinute) / 60_000)
      if (filled < 1) {
        const retryAfterSeconds = Math.ceil(((1 - filled) * 60) / perMinute)
        throw new PolityError('limit', `the source ${source} may send ${perMinute} events per minute`, {
          retryAfterSeconds,
        })
      }
      buckets.set(source, { left: filled - 1, atMs: nowMs })
    },
    charge(source, more) {
      const bucket = buckets.get(source)
      if (bucket !== undefined) bucket.left -= more
    },
  }
}
