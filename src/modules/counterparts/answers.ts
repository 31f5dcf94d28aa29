// What services answer: names for the work that they did, which are hostile text until they fit.

import { Type } from '../../kernel/schema/schema.ts'

/** Printable, and short enough for an entry. */
export const REFERENCE = Type.String({
  minLength: 1,
  maxLength: 256,
  pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029\\ud800-\\udfff]+$',
  description: 'a short printable text',
})
