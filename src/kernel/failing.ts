// What goes wrong in a loop that tries again is told once, until it works again or goes wrong in another way.

import { asPolityError, type ErrorCode, type PolityError } from './errors.ts'

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
