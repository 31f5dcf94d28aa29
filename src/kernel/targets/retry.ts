// How often and how soon something is tried again: exponential with full jitter.

export interface RetryPolicy {
  /** Attempts altogether, the first included. */
  readonly attemptsMax: number
  /** The delay before attempt n+1 is a chance between 0 and min(capMs, baseMs * 2^(n-1)). */
  readonly baseMs: number
  readonly capMs: number
}
