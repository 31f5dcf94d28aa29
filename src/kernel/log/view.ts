// A view: a table that is nothing but the fold of entries, so it can always be rebuilt from the log.

import type { TSchema } from '../schema/schema.ts'
import type { Entry, EntryKind, PublicData } from './entry.ts'

/** Any entry type, whatever its fields. */
export type AnyKind = Pick<EntryKind, 'kind' | 'name'> & { readonly schema: TSchema }

/** What a reader needs of a view. */
export interface ViewName<V = unknown> {
  readonly name: string
  readonly version: number
  /** Never set: it lets the compiler know the type of the rows. */
  readonly row?: V
}

/**
 * `keys` and `fold` are pure and synchronous: no I/O, clock, ids or chance. They run
 * in the writer, once per entry of the types in `from`, in log order. A fold that
 * answers null removes the row. Rows hold references to private payloads, never copies.
 */
export interface View<V = unknown, E extends AnyKind = AnyKind> extends ViewName<V> {
  readonly kind: 'view'
  readonly from: readonly E[]
  /** The rows that this entry touches, at most KEYS_PER_ENTRY_MAX. They are loaded before the entry has a seq. */
  readonly keys: (entry: Omit<Entry<PublicData<E>>, 'seq'>) => readonly string[]
  readonly fold: (
    row: { readonly version: number; readonly value: V } | undefined,
    entry: Entry<PublicData<E>>,
    key: string,
  ) => V | null
}

export const KEYS_PER_ENTRY_MAX = 256

export function view<V, E extends AnyKind>(
  name: string,
  version: number,
  definition: Omit<View<V, E>, 'kind' | 'name' | 'version'>,
): View<V, E> {
  return { kind: 'view', name, version, ...definition }
}

/** The table of a view; a new version is a new table. */
export const viewTable = ({ name, version }: ViewName): string => `${VIEW_PREFIX}${name}@${version}`

const VIEW_PREFIX = 'view:'

/** Only the writer writes there; whoever reads may expect its rows. */
export const isViewTable = (table: string): boolean => table.startsWith(VIEW_PREFIX)

/** A row has this version now, or the proposal is refused. 0 means: was never written. */
export interface Expectation {
  readonly table: string
  readonly key: string
  readonly version: number
}

/** Picks the views out of the namespace of a contract file. */
export const viewsOf = (contract: Readonly<Record<string, unknown>>): View[] =>
  Object.values(contract).filter(
    (member): member is View => (member as Partial<View> | null)?.kind === 'view',
  )
