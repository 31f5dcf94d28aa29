// What goes wrong in a loop that tries again is told once, until it works again or goes wrong in another way.

import { type Env, pause } from './env.ts'
import { asPolityError, type ErrorCode, type PolityError } from './errors.ts'

const RETRY_MIN_MS = 250
const RETRY_MAX_MS = 30_000
/** What passes without anybody's doing: the log is catching its breath, or another hub's writer goes on. */
const PASSING: readonly ErrorCode[] = ['log.saturated', 'log.closed', 'store.fenced']

export interface Failing {
  /** `thrown` without a code counts as a database that does not answer. */
  fails(thrown: unknown): void
  works(): void
}

export function openFailing(onFailure: (error: PolityError) => void): Failing {
  let told: ErrorCode | undefined
  return {
    fails(thrown) {
      const error = asPolityError(thrown, 'store.unreachable')
      if (error.code !== told) onFailure(error)
      told = error.code
    },
    works() {
      told = undefined
    },
  }
}

export interface Retrying {
  /** Resolves when it is time to try again, each time later, or when the signal is aborted. Never rejects. */
  fails(thrown: unknown, signal: AbortSignal): Promise<void>
  works(): void
}

/** @param passing what is not told either, beside what passes for every loop */
export function openRetrying(
  env: Env,
  onFailure: (error: PolityError) => void,
  passing: readonly ErrorCode[] = [],
): Retrying {
  const failing = openFailing(onFailure)
  const untold = [...PASSING, ...passing]
  let failures = 0
  return {
    async fails(thrown, signal) {
      const error = asPolityError(thrown)
      if (!untold.includes(error.code)) failing.fails(error)
      const waitMs = Math.min(RETRY_MIN_MS * 2 ** failures, RETRY_MAX_MS)
      failures += 1
      await pause(env, waitMs, signal)
    },
    works() {
      failing.works()
      failures = 0
    },
  }
}
