// Rows of a view as the hub folds them, kept by whoever reads a log from its beginning: only those that are wanted.

import type { AnyKind, View } from '../../log/view.ts'
import type { CheckedEntry } from './entry.ts'

export interface Told extends Pick<CheckedEntry, 'type' | 'event'> {
  readonly seq: number
}

export interface Row<V> {
  /** Counts its writes, as the hub's does. */
  readonly version: number
  readonly value: V
}

export function foldRows<V, E extends AnyKind>(
  { from, keys, fold }: View<V, E>,
  rows: Map<string, Row<V>>,
  { seq, type, event }: Told,
  isWanted: (row: V) => boolean = () => true,
): void {
  if (!from.some(({ name }) => name === type)) return
  const entry = { ...event, seq, type } as unknown as Parameters<typeof fold>[1]
  for (const key of keys(entry)) {
    const before = rows.get(key)
    const value = fold(before, entry, key)
    if (value !== null && isWanted(value)) rows.set(key, { version: (before?.version ?? 0) + 1, value })
    else rows.delete(key)
  }
}
