// Reads what the API answers: every value may be missing or of another kind, and text may try to deceive the eye.

import { record } from '../src/doors/telling/json.ts'

export { count, type Json, list, number, record } from '../src/doors/telling/json.ts'

const TEXT_MAX_CHARS = 2000

/** Text as sent, for comparing and sending back; empty when there is none. */
export const raw = (value: unknown): string => (typeof value === 'string' ? value : '')

/** Text for people: bounded, and an erased or private value says so. */
export function text(value: unknown): string {
  if (typeof value === 'string')
    return printable(value.length > TEXT_MAX_CHARS ? `${value.slice(0, TEXT_MAX_CHARS)}…` : value)
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const { $erased, $private } = record(value)
  if ($erased !== undefined) return '(erased)'
  return $private === undefined ? '' : '(private)'
}

/** Shows controls, formats such as bidirectional overrides, and lone surrogates as escapes; keeps line breaks. */
export const printable = (value: string): string =>
  value.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (unit) =>
    unit === '\n' ? unit : `\\u{${(unit.codePointAt(0) ?? 0).toString(16)}}`,
  )
