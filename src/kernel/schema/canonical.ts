// Canonical text with Polity's error codes: what a caller's value cannot say is the caller's error, not ours.

import { canonicalize } from '../../kit/canonical-json.ts'
import { KitError } from '../../kit/error.ts'
import { type ErrorCode, PolityError } from '../errors.ts'

const KIT_CODES: Readonly<Record<string, ErrorCode>> = {
  number: 'entry.number',
  unicode: 'entry.unicode',
  depth: 'input.too-deep',
}

/** The RFC 8785 text. Throws `entry.number`, `entry.unicode`, `input.too-deep`, `entry.invalid`. */
export function canonicalText(value: unknown): string {
  try {
    return canonicalize(value)
  } catch (error) {
    if (!(error instanceof KitError)) throw error
    throw new PolityError(KIT_CODES[error.code] ?? 'entry.invalid', error.message, {}, error)
  }
}
