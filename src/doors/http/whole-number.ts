// Reads whole numbers out of paths and query strings.

import { PolityError } from '../../kernel/errors.ts'

/** Throws `input.invalid`; leading zeroes are another spelling and refused. */
export function wholeNumberOf(text: string, name: string): number {
  const number = Number(text)
  if (!/^(?:0|[1-9][0-9]*)$/.test(text) || !Number.isSafeInteger(number))
    throw new PolityError('input.invalid', `${name} must be a whole number, 0 or more`)
  return number
}
