// A retry budget: repetitions stay a small share of a target's calls, so that a struggling target is not buried by them.

import type { Env } from '../env.ts'

/** Each call pays in for a fifth of a repetition. */
export const REPETITIONS_PER_CALL = 0.2
/** What a target that is seldom called may repeat at first, and again after some rest. */
export const FLOOR = 3
const FLOOR_REFILL_MS = 10_000
/** What many good calls can save up. */
export const SAVED_MAX = 100

export interface RetryBudget {
  /** A call that is no repetition. */
  called(): void
  /** Takes one repetition, if there is one. */
  take(): boolean
}

/** A token bucket; below the floor it also fills with time. */
export function openRetryBudget(env: Pick<Env, 'monotonic'>): RetryBudget {
  let saved = FLOOR
  let filledAt = env.monotonic()
  const refill = () => {
    const at = env.monotonic()
    if (saved < FLOOR) saved = Math.min(FLOOR, saved + (at - filledAt) / FLOOR_REFILL_MS)
    filledAt = at
  }
  return {
    called() {
      refill()
      saved = Math.min(SAVED_MAX, saved + REPETITIONS_PER_CALL)
    },
    take() {
      refill()
      if (saved < 1) return false
      saved -= 1
      return true
    },
  }
}
