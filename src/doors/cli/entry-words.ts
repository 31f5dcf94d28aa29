// Entries in words for a terminal. The words themselves are in doors/telling.

import { record } from '../telling/json.ts'
import { tellingIn } from '../telling/telling.ts'
import { escapeText } from './escape.ts'

export const { tell, who } = tellingIn(text)

/** Values that are no plain text are private or erased: the log holds a reference. */
function text(value: unknown): string {
  if (typeof value === 'string') return escapeText(value)
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (value === undefined || value === null) return ''
  return record(value).$erased === undefined ? '(private)' : '(erased)'
}
