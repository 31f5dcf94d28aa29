// A clock that does not go back with the one of the machine: by it tokens and sessions expire.

import type { Env } from '../env.ts'
import type { Log } from '../log/log.ts'

/**
 * What has expired stays so: somebody who sets the clock back must not bring a token or a session back with it. From
 * where it was it goes on by itself, so that what is issued meanwhile ends, too.
 */
export function neverBack(env: Env, notBeforeMs = -Infinity): Env {
  let latestMs = notBeforeMs
  let seenMs = env.monotonic()
  return {
    ...env,
    now: () => {
      const beforeMs = seenMs
      seenMs = env.monotonic()
      latestMs = Math.max(latestMs + seenMs - beforeMs, env.now())
      return Math.floor(latestMs)
    },
  }
}

/** Of the newest entries the latest time counts; far more than a hub writes before it takes its first token. */
const ENTRIES_LOOKED_AT = 256

/**
 * The latest time that the log knows of, in milliseconds since 1970. A clock that was far ahead for a moment is
 * forgotten once so many entries have been written since.
 */
export async function latestTimeOf(log: Pick<Log, 'read'>): Promise<number> {
  const { entries } = await log.read({ limit: ENTRIES_LOOKED_AT, isNewestFirst: true })
  return Math.max(...entries.map(({ time }) => Date.parse(time)).filter(Number.isFinite))
}
