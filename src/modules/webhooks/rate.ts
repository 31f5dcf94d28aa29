// How often a source may send: a bucket that fills by the minute.

import type { Env } from '../../kernel/env.ts'
import { PolityError } from '../../kernel/errors.ts'

export interface Rate {
  /** Throws `limit`, with the seconds after which there is room again. */
  take(source: string): void
}

/** Sources are bounded by their commands, so buckets are. */
export function openRate(env: Pick<Env, 'monotonic'>, perMinute: number): Rate {
  const buckets = new Map<string, { left: number; atMs: number }>()
  return {
    take(source) {
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
  }
}
