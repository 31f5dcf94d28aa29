// What a process tells its parent: one number per kind of ending.

import { ERROR_CODES, type ErrorCode } from '../../kernel/errors.ts'

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  denied: 3,
  suspended: 4,
  verification: 5,
  unreachable: 6,
} as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

const BY_CODE: Partial<Record<ErrorCode, ExitCode>> = {
  denied: EXIT.denied,
  'name.unknown': EXIT.usage,
  'verify.failed': EXIT.verification,
  'hub.unreachable': EXIT.unreachable,
  'hub.starting': EXIT.unreachable,
}

/** What the caller wrote wrongly (HTTP 400) is usage; who the caller is not (401) is denied. */
export function exitCodeOf(code: ErrorCode): ExitCode {
  const known = BY_CODE[code]
  if (known !== undefined) return known
  if (code.startsWith('auth.')) return EXIT.denied
  return ERROR_CODES[code] === 400 ? EXIT.usage : EXIT.failed
}
