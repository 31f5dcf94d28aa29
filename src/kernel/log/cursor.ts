// Cursors: opaque positions in one log. A cursor of another log is refused, never misread.

import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import { PolityError } from '../errors.ts'

const FORM = /^([0-9a-f]{8})\.([0-9]{1,15})$/

const markOf = (origin: string): string => hash('sha256', origin, 'hex').slice(0, 8)

/** The cursor behind the first `position` entries: reading after it starts with seq = position. */
export const formatCursor = (origin: string, position: number): string =>
  Buffer.from(`${markOf(origin)}.${position}`).toString('base64url')

/** Throws `cursor.invalid` when the text is no cursor of this log. */
export function parseCursor(origin: string, cursor: string): number {
  const [, mark, position] = FORM.exec(Buffer.from(cursor.slice(0, 64), 'base64url').toString()) ?? []
  if (mark === undefined)
    throw new PolityError('cursor.invalid', 'this is not a cursor; pass one that a response gave you')
  if (mark !== markOf(origin)) throw new PolityError('cursor.invalid', 'this cursor belongs to another log')
  return Number(position)
}
