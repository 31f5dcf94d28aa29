// How often and how soon something is tried again: exponential with full jitter.

import type { Env } from '../env.ts'

export interface RetryPolicy {
  /** Attempts altogether, the first included. */
  readonly attemptsMax: number
  /** The delay before attempt n+1 is a chance between 0 and min(capMs, baseMs * 2^(n-1)). */
  readonly baseMs: number
  readonly capMs: number
}

/**
 * How long to wait before an attempt (2 is the first repetition; nothing before the first). Full jitter: repetitions
 * of many callers spread over the whole interval instead of meeting again.
 * Source: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015.
 * @param random01 chance from 0 up to, but not including, 1: `random01(env)`
 * @returns whole milliseconds, 0 to `capMs`
 */
export function delayBefore(
  { baseMs, capMs }: Pick<RetryPolicy, 'baseMs' | 'capMs'>,
  attempt: number,
  random01: number,
): number {
  if (attempt <= 1) return 0
  // 2 ** 1024 is Infinity, and a base of 0 times that is no number; 2 ** 60 is beyond every cap in use.
  const ceilingMs = Math.min(capMs, baseMs * 2 ** Math.min(attempt - 2, 60))
  return Math.floor(ceilingMs * random01)
}

/** A chance from 0 up to, but not including, 1. */
export function random01(env: Pick<Env, 'random'>): number {
  const [a = 0, b = 0, c = 0, d = 0] = env.random(4)
  return (((a << 24) | (b << 16) | (c << 8) | d) >>> 0) / 2 ** 32
}
