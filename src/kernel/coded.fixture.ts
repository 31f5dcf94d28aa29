// A refusal as tests of the kernel expect it.

import { expect } from 'vitest'

/** Equals a `PolityError` with this code. */
export const coded = (code: string) => expect.objectContaining({ name: 'PolityError', code })
