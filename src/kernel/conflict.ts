// Conflicts: somebody else has written a row that was read before. Whoever lost reads again and tries again.

import { PolityError } from './errors.ts'

/** Of those who want the same row one wins each time: more losses in a row than this is no bad luck any more. */
export const CONFLICTS_MAX = 16

export const isConflict = (error: unknown): boolean =>
  error instanceof PolityError && error.code === 'expectation.failed'

/** @param act reads what it writes anew each time. Throws `expectation.failed` once it has lost CONFLICTS_MAX times */
export async function despiteConflicts<T>(act: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++)
    try {
      return await act()
    } catch (error) {
      if (!isConflict(error) || attempt === CONFLICTS_MAX) throw error
    }
}
