// How tests of every floor speak of a failure: by its code.

import { expect } from 'vitest'
import { KitError } from './error.ts'

/**
 * The code of the `KitError` or `PolityError` with which work fails; `none` where it does not.
 * Throws anything else that it fails with: what has no code is no refusal.
 */
export function codeOf(work: () => unknown): string
export function codeOf(work: Promise<unknown>): Promise<string>
export function codeOf(work: Promise<unknown> | (() => unknown)): string | Promise<string> {
  if (typeof work !== 'function') return work.then(() => 'none', codeIn)
  try {
    // The outcome of a promise that nobody waits for would pass for success.
    if (work() instanceof Promise) throw new Error('codeOf takes the promise, not what makes it')
  } catch (error) {
    return codeIn(error)
  }
  return 'none'
}

/** Equals a `KitError` with this code. */
export const coded = (code: string) => expect.objectContaining({ name: 'KitError', code })

function codeIn(error: unknown): string {
  if (error instanceof KitError) return error.code
  // By its name: the kit does not know the floors above.
  if (error instanceof Error && error.name === 'PolityError' && 'code' in error) return String(error.code)
  throw error
}
