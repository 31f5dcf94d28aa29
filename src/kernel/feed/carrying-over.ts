// Working state of feeds and subscriptions in a log that was recovered: its entries stand elsewhere, or are lost.

import type { StoredRow } from '../store/store.ts'
import { FEEDS } from './feed.ts'
import { type OpenItem, pullTableOf } from './pull-rows.ts'
import type { ParkedItem } from './subscription.ts'
import { movedKey, PARKED, SUBSCRIPTIONS } from './subscription-rows.ts'

export interface Shift {
  /** Entries that are there still, from the first one on. */
  readonly survived: number
  /** How many entries stand before the first one that survived. */
  readonly shift: number
}

/**
 * The row as the new log has it: a cursor goes on behind the same entry, and where that is lost, behind the last one
 * that is not; what is set aside of lost entries goes. Rows of others are as they were.
 */
export function carriedOver(row: StoredRow, shift: Shift): StoredRow | undefined {
  const { table, value } = row
  const kind = pullTableOf(table)
  if (table === FEEDS || table === SUBSCRIPTIONS || kind === 'groups') return movedCursor(row, shift)
  if (table !== PARKED && kind === undefined) return row
  // A tombstone fences whoever held the item, and nobody does any more.
  if (value === null) return undefined
  const item = JSON.parse(value) as ParkedItem | OpenItem
  if (item.seq >= shift.survived) return undefined
  const seq = item.seq + shift.shift
  const moved = item.state === 'leased' ? { ...item, state: 'waiting', atMs: 0 } : item
  return { ...row, key: movedKey(row.key, seq), value: JSON.stringify({ ...moved, seq }) }
}

function movedCursor(row: StoredRow, { survived, shift }: Shift): StoredRow {
  if (row.value === null) return row
  const cursor = JSON.parse(row.value) as { readonly position: number }
  const position = Math.min(cursor.position, survived) + shift
  return { ...row, value: JSON.stringify({ ...cursor, position }) }
}
