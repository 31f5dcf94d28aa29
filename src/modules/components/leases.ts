// Leases: working rows that say how long each component is taken for alive.

import { Buffer } from 'node:buffer'
import type { RowChange, WorkingReads } from '../../kernel/catalog/working-rows.ts'

/** Working state: id of a component -> LeaseRow. The row's version at a registration is the lease's epoch. */
export const LEASES = 'components.leases'
/** Working state: id of a component -> ChecksRow. */
export const CHECKS = 'components.checks'

/** Working state: one row that every registration of a new id writes, so that they are counted one after the other. */
export const REGISTRATIONS = 'components.registrations'

/** As many as one scan answers; every list of components is bounded by it. */
export const COMPONENTS_MAX = 1000
/** Of one principal. */
export const OWNED_MAX = 100

/** Rows of a component that left keep their version, and so the count of epochs, for longer than any old instance sleeps. */
const TOMBSTONE_MS = 30 * 24 * 3600_000

export const goneRow = (table: string, id: string, nowMs: number): RowChange => ({
  table,
  key: id,
  value: null,
  expiresAtMs: nowMs + TOMBSTONE_MS,
})

/** Since when its principal names each of its capabilities without a break, wall clock. */
export type NamedSince = readonly (readonly [capability: string, sinceMs: number])[]

export interface LeaseRow {
  /** `kind:id` of the principal that registered it, and that alone may renew. */
  readonly owner: string
  /** Absent in rows of a release that did not ask. */
  readonly namedSince?: NamedSince
  readonly epoch: number
  readonly ttlMs: number
  /** Wall clock. */
  readonly renewedAtMs: number
  readonly expiresAtMs: number
  /** Declared lost at this time; absent while nobody has. */
  readonly lostAtMs?: number
}

export interface WatchedLease extends LeaseRow {
  readonly id: string
  /** Of the row: what is done to a lease expects it. */
  readonly version: number
}

/** Every lease, in the order of ids. */
export async function allLeases(rows: Pick<WorkingReads, 'scan'>): Promise<readonly WatchedLease[]> {
  const found = await rows.scan(LEASES, { limit: COMPONENTS_MAX })
  return found.map(({ key, version, value }) => ({ ...(value as LeaseRow), id: key, version }))
}

/** Order of ids as the store has it: by UTF-8 bytes. */
export const byId = (one: { readonly id: string }, other: { readonly id: string }): number =>
  Buffer.compare(Buffer.from(one.id), Buffer.from(other.id))
